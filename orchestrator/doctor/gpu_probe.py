"""Say what a program sees of the GPUs here: device files, cuInit, name and capability of each. Python 2.7 and newer.

Run inside images and by interpreters of any age, never imported: standard library only. Numbers as in CUDA's cuda.h.
"""

import ctypes
import json
import os

MAJOR, MINOR = 75, 76  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_*
devices = sorted(name for name in os.listdir("/dev") if name.startswith("nvidia") or name == "dxg")
error, version, gpus = "", "", []
number, device = ctypes.c_int(), ctypes.c_int()
text, said = ctypes.create_string_buffer(256), ctypes.c_char_p()

try:
    cuda = ctypes.CDLL("libcuda.so.1")
except OSError as missing:
    error = str(missing)
else:
    code = cuda.cuInit(0)
    if code != 0:
        cuda.cuGetErrorName(code, ctypes.byref(said))
        error = "cuInit returned " + str(code) + ": " + (said.value or b"an unknown error").decode()
        cuda.cuGetErrorString(code, ctypes.byref(said))
        error += " (" + (said.value or b"").decode() + ")"
    else:
        cuda.cuDriverGetVersion(ctypes.byref(number))
        version = ".".join((str(number.value // 1000), str(number.value % 1000 // 10)))
        cuda.cuDeviceGetCount(ctypes.byref(number))
        for ordinal in range(number.value):
            cuda.cuDeviceGet(ctypes.byref(device), ordinal)
            cuda.cuDeviceGetName(text, len(text), device)
            capability = []
            for attribute in (MAJOR, MINOR):
                cuda.cuDeviceGetAttribute(ctypes.byref(number), attribute, device)
                capability.append(str(number.value))
            gpus.append([text.value.decode(), ".".join(capability)])

with open("out/gpu.json", "w") as file:
    json.dump({"devices": devices, "error": error, "cuda": version, "gpus": gpus}, file)
