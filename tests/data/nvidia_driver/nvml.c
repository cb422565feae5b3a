/* A libnvidia-ml.so.1 whose GPUs are lines of the file that FAKE_NVML names, read anew at every question:
 *
 *   driver|570.86.15
 *   gpu|uuid|name|compute capability|milliwatts|MiB|0, or 1 in MIG mode
 *   instance|number of its GPU|uuid|name|MiB
 *   compute|uuid|pid|MiB
 *   graphics|uuid|pid|MiB
 *   living|uuid|pid|MiB: computes for as long as the process is there
 *   state|uuid|SM MHz|memory MHz|milliwatts|degrees|reasons|percent|millijoules, or a line too short for what is not told
 *   setting|uuid|SM MHz at most|SM MHz it can hold|persistence mode|compute mode|ECC now|ECC after the next start
 *   hang|seconds that NVML takes to start
 *
 * Signatures and numbers as in NVML's nvml.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SUCCESS = 0, INVALID_ARGUMENT = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6, INSUFFICIENT_SIZE = 7, NOT_LOADED = 9 };
enum { LINES = 64, FIELDS = 10, TEXT = 128 };

typedef struct { char field[FIELDS][TEXT]; } line_t;
typedef struct { unsigned long long total, free, used; } memory_t;
typedef struct { unsigned pid; unsigned long long memory; unsigned gpu_instance, compute_instance; } process_t;

/* A handle is the number of its line, from 1. */
typedef struct handle *handle_t;

static line_t lines[LINES];
static int count;

static int load(void) {
  FILE *file = getenv("FAKE_NVML") ? fopen(getenv("FAKE_NVML"), "r") : NULL;
  char text[1024];
  count = 0;
  if (file == NULL) return NOT_LOADED;
  while (count < LINES && fgets(text, sizeof text, file)) {
    char *rest = text, *part;
    int field = 0;
    memset(&lines[count], 0, sizeof lines[count]);
    text[strcspn(text, "\n")] = 0;
    while (field < FIELDS && (part = strsep(&rest, "|")) != NULL)
      snprintf(lines[count].field[field++], TEXT, "%s", part);
    count++;
  }
  fclose(file);
  return SUCCESS;
}

static int is(int number, const char *kind) { return strcmp(lines[number].field[0], kind) == 0; }

static int pick(const char *kind, unsigned wanted, int parent, handle_t *handle) {
  unsigned seen = 0;
  for (int number = 0; number < count; number++)
    if (is(number, kind) && (parent < 0 || atoi(lines[number].field[1]) == parent) && seen++ == wanted) {
      *handle = (handle_t)(long)(number + 1);
      return SUCCESS;
    }
  return NOT_FOUND;
}

static line_t *line_of(handle_t handle) { load(); return &lines[(long)handle - 1]; }
static int is_instance(handle_t handle) { return strcmp(line_of(handle)->field[0], "instance") == 0; }
static const char *uuid_of(handle_t handle) { return line_of(handle)->field[is_instance(handle) ? 2 : 1]; }
static int copy(char *to, unsigned size, const char *text) { snprintf(to, size, "%s", text); return SUCCESS; }

static int index_of(handle_t handle) {
  int index = 0;
  for (int number = 0; number < (long)handle - 1; number++) index += is(number, "gpu");
  return index;
}

int nvmlInitWithFlags(unsigned flags) {
  int code = load();
  (void)flags;
  for (int number = 0; number < count; number++)
    if (is(number, "hang")) sleep((unsigned)atoi(lines[number].field[1]));
  return code;
}

int nvmlShutdown(void) { return SUCCESS; }
const char *nvmlErrorString(int code) { (void)code; return "an error of the fake driver"; }

int nvmlSystemGetDriverVersion(char *version, unsigned size) {
  load();
  for (int number = 0; number < count; number++)
    if (is(number, "driver")) return copy(version, size, lines[number].field[1]);
  return NOT_FOUND;
}

int nvmlDeviceGetCount_v2(unsigned *found) {
  load();
  *found = 0;
  for (int number = 0; number < count; number++) *found += is(number, "gpu");
  return SUCCESS;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, handle_t *handle) { load(); return pick("gpu", index, -1, handle); }

int nvmlDeviceGetHandleByUUID(const char *uuid, handle_t *handle) {
  load();
  for (int number = 0; number < count; number++) {
    *handle = (handle_t)(long)(number + 1);
    if ((is(number, "gpu") || is(number, "instance")) && strcmp(uuid_of(*handle), uuid) == 0) return SUCCESS;
  }
  return NOT_FOUND;
}

int nvmlDeviceGetUUID(handle_t handle, char *uuid, unsigned size) { return copy(uuid, size, uuid_of(handle)); }

int nvmlDeviceGetName(handle_t handle, char *name, unsigned size) {
  return copy(name, size, line_of(handle)->field[is_instance(handle) ? 3 : 2]);
}

int nvmlDeviceGetCudaComputeCapability(handle_t handle, int *major, int *minor) {
  return sscanf(line_of(handle)->field[3], "%d.%d", major, minor) == 2 ? SUCCESS : INVALID_ARGUMENT;
}

int nvmlDeviceGetEnforcedPowerLimit(handle_t handle, unsigned *milliwatts) {
  *milliwatts = (unsigned)atoi(line_of(handle)->field[4]);
  return *milliwatts ? SUCCESS : NOT_SUPPORTED;
}

int nvmlDeviceGetMemoryInfo(handle_t handle, memory_t *memory) {
  memory->total = strtoull(line_of(handle)->field[is_instance(handle) ? 4 : 5], NULL, 10) << 20;
  memory->free = memory->total;
  memory->used = 0;
  return SUCCESS;
}

int nvmlDeviceGetMigMode(handle_t handle, unsigned *current, unsigned *pending) {
  *current = *pending = (unsigned)atoi(line_of(handle)->field[6]);
  return SUCCESS;
}

int nvmlDeviceGetMaxMigDeviceCount(handle_t handle, unsigned *most) { (void)handle; *most = 7; return SUCCESS; }

int nvmlDeviceGetMigDeviceHandleByIndex(handle_t parent, unsigned number, handle_t *handle) {
  load();
  return pick("instance", number, index_of(parent), handle);
}

/* A process that has ended and waits to be collected has no environment any more. */
static int lives(const char *pid) {
  char path[TEXT + 16];
  int lives = 0;
  snprintf(path, sizeof path, "/proc/%s/environ", pid);
  FILE *file = fopen(path, "r");
  if (file != NULL) {
    lives = fgetc(file) != EOF;
    fclose(file);
  }
  return lives;
}

static int processes(const char *kind, handle_t handle, unsigned *found, process_t *list) {
  char uuid[TEXT];
  unsigned room = list ? *found : 0;
  copy(uuid, sizeof uuid, uuid_of(handle));
  *found = 0;
  for (int number = 0; number < count; number++) {
    int is_living = is(number, "living") && strcmp(kind, "compute") == 0 && lives(lines[number].field[2]);
    if (!(is(number, kind) || is_living) || strcmp(lines[number].field[1], uuid) != 0) continue;
    if (*found < room)
      list[*found] = (process_t){(unsigned)atoi(lines[number].field[2]),
                                 strtoull(lines[number].field[3], NULL, 10) << 20, 0, 0};
    ++*found;
  }
  return *found > room ? INSUFFICIENT_SIZE : SUCCESS;
}

int nvmlDeviceGetComputeRunningProcesses_v3(handle_t handle, unsigned *found, process_t *list) {
  return processes("compute", handle, found, list);
}

int nvmlDeviceGetGraphicsRunningProcesses_v3(handle_t handle, unsigned *found, process_t *list) {
  return processes("graphics", handle, found, list);
}

/* What the line of a kind says of a GPU in one of its fields. */
static int told(const char *kind, handle_t handle, int field, unsigned long long *value) {
  char uuid[TEXT];
  copy(uuid, sizeof uuid, uuid_of(handle));
  for (int number = 0; number < count; number++)
    if (is(number, kind) && strcmp(lines[number].field[1], uuid) == 0 && lines[number].field[field][0]) {
      *value = strtoull(lines[number].field[field], NULL, 10);
      return SUCCESS;
    }
  return NOT_SUPPORTED;
}

static int state(handle_t handle, int field, unsigned long long *value) { return told("state", handle, field, value); }

static int small(const char *kind, handle_t handle, int field, unsigned *value) {
  unsigned long long found = 0;
  int code = told(kind, handle, field, &found);
  *value = (unsigned)found;
  return code;
}

static int small_state(handle_t handle, int field, unsigned *value) { return small("state", handle, field, value); }
static int setting(handle_t handle, int field, unsigned *value) { return small("setting", handle, field, value); }

int nvmlDeviceGetClockInfo(handle_t handle, unsigned type, unsigned *mhz) {
  return type == 1 || type == 2 ? small_state(handle, (int)type + 1, mhz) : INVALID_ARGUMENT;
}

int nvmlDeviceGetPowerUsage(handle_t handle, unsigned *milliwatts) { return small_state(handle, 4, milliwatts); }

int nvmlDeviceGetTemperature(handle_t handle, unsigned sensor, unsigned *degrees) {
  return sensor == 0 ? small_state(handle, 5, degrees) : INVALID_ARGUMENT;
}

int nvmlDeviceGetCurrentClocksEventReasons(handle_t handle, unsigned long long *reasons) {
  return state(handle, 6, reasons);
}

int nvmlDeviceGetUtilizationRates(handle_t handle, unsigned *gpu_and_memory) {
  gpu_and_memory[1] = 0;
  return small_state(handle, 7, gpu_and_memory);
}

int nvmlDeviceGetTotalEnergyConsumption(handle_t handle, unsigned long long *millijoules) {
  return state(handle, 8, millijoules);
}

int nvmlDeviceGetMaxClockInfo(handle_t handle, unsigned type, unsigned *mhz) {
  return type == 1 ? setting(handle, 2, mhz) : INVALID_ARGUMENT;
}

int nvmlDeviceGetDefaultApplicationsClock(handle_t handle, unsigned type, unsigned *mhz) {
  return type == 1 ? setting(handle, 3, mhz) : INVALID_ARGUMENT;
}

int nvmlDeviceGetPersistenceMode(handle_t handle, unsigned *mode) { return setting(handle, 4, mode); }
int nvmlDeviceGetComputeMode(handle_t handle, unsigned *mode) { return setting(handle, 5, mode); }

int nvmlDeviceGetEccMode(handle_t handle, unsigned *current, unsigned *pending) {
  int code = setting(handle, 6, current);
  return code == SUCCESS ? setting(handle, 7, pending) : code;
}
