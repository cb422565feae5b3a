/* A libcuda.so.1 as FAKE_CUDA says: `0|9.0|NVIDIA H100`: what cuInit returns, then capability and name of each GPU,
 * `0|9.0|NVIDIA H100|9.0|NVIDIA H100` for two. Signatures and numbers as in CUDA's cuda.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIELDS = 16, TEXT = 128, MAJOR = 75, VERSION = 12080 };

static char fields[FIELDS][TEXT];
static int count;

int cuInit(unsigned flags) {
  char text[FIELDS * TEXT], *rest = text, *part;
  (void)flags;
  snprintf(text, sizeof text, "%s", getenv("FAKE_CUDA") ? getenv("FAKE_CUDA") : "100");
  for (count = 0; count < FIELDS && (part = strsep(&rest, "|")) != NULL; count++)
    snprintf(fields[count], TEXT, "%s", part);
  return atoi(fields[0]);
}

int cuGetErrorName(int code, const char **name) {
  *name = code == 804 ? "CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE" : code == 100 ? "CUDA_ERROR_NO_DEVICE" : NULL;
  return *name ? 0 : 1;
}

int cuGetErrorString(int code, const char **text) {
  *text = code == 804   ? "forward compatibility was attempted on non supported HW"
          : code == 100 ? "no CUDA-capable device is detected"
                        : NULL;
  return *text ? 0 : 1;
}

int cuDriverGetVersion(int *version) { *version = VERSION; return 0; }
int cuDeviceGetCount(int *found) { *found = (count - 1) / 2; return 0; }
int cuDeviceGet(int *device, int ordinal) { *device = ordinal; return 0; }

int cuDeviceGetName(char *name, int size, int device) {
  snprintf(name, (size_t)size, "%s", fields[2 + 2 * device]);
  return 0;
}

int cuDeviceGetAttribute(int *value, int attribute, int device) {
  int major, minor;
  if (sscanf(fields[1 + 2 * device], "%d.%d", &major, &minor) != 2) return 1;
  *value = attribute == MAJOR ? major : minor;
  return 0;
}
