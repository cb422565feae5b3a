"""List the GPU code in the libraries of the installed packages, in out/gpu_code.json. Python 2.7 and newer.

Standard library only; needs neither a GPU nor CUDA's tools. NVIDIA's own libraries are left out: what runs a
framework's kernels is asked, and these come in the versions that its build was made for.

A library holds fat binaries: u32 0xBA55ED50, u16 1, u16 16 (the size so far), u64 the size of what follows: entries.
An entry: u16 kind (1: PTX, 2: native code), u16, u32 the size of its own header, u64 of its payload, 12 bytes, u32 the
capability (86 is 8.6), 8 bytes, u64 flags; then the payload, which may be compressed. Two flags say what else is in the
name: 0x100000 that the code runs on no other capability (sm_90a), 0x200000 on that of its family only (sm_103f). Seen in
wheels of CUDA 8 to 13; the code's own notes say the same names.
"""

from __future__ import absolute_import, division, print_function

import json
import mmap
import os
import re
import struct
import sys

MAGIC = struct.pack("<IHH", 0xBA55ED50, 1, 16)
HEADER = struct.Struct("<8xQ")
ENTRY = struct.Struct("<H2xIQ12xI8xQ")
PTX, NATIVE = 1, 2
ONLY_THERE, ONLY_FAMILY = 0x100000, 0x200000
PACKAGES = ("site-packages", "dist-packages")
LIBRARY = re.compile(r"\.so(\.\d+)*$")
NVIDIAS = re.compile(r"lib(accinj|cu(blas|dart|dnn|fft|file|inj|pti|rand|solver|sparse|tensor)|nccl|npp|nv)")


def list_libraries(folders):
    """Yield the path of every library below the folders once, but NVIDIA's own."""
    seen = set()
    for top in folders:
        for folder, inner, names in os.walk(top):
            inner[:] = sorted(name for name in inner if name != "nvidia")
            for name in sorted(names):
                path = os.path.join(folder, name)
                if LIBRARY.search(name) and not NVIDIAS.match(name) and os.path.isfile(path):
                    place = os.stat(path)
                    if place.st_size and (place.st_dev, place.st_ino) not in seen:
                        seen.add((place.st_dev, place.st_ino))
                        yield path


def read_library(path):
    """Return what the fat binaries of a library hold: {(names of native code, names of PTX): how many}."""
    kinds = {}
    with open(path, "rb") as file:
        memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        try:
            begin = memory.find(MAGIC)
            while begin >= 0:
                end, found = read_fat_binary(memory, begin)
                if found is not None:
                    kinds[found] = kinds.get(found, 0) + 1
                begin = memory.find(MAGIC, end)
        finally:
            memory.close()
    return kinds


def read_fat_binary(memory, begin):
    """Return the end of a fat binary and what it holds; of one that only looks like it, a place behind and None."""
    at = begin + len(MAGIC) + 8
    if at > len(memory):
        return at, None
    end = at + HEADER.unpack(memory[begin:at])[0]
    if end > len(memory):
        return at, None
    names = {PTX: set(), NATIVE: set()}
    while at + ENTRY.size <= end:
        kind, header, payload, capability, flags = ENTRY.unpack(memory[at : at + ENTRY.size])
        if header < ENTRY.size or at + header + payload > end:
            return begin + len(MAGIC), None
        suffix = "a" if flags & ONLY_THERE else "f" if flags & ONLY_FAMILY else ""
        names.setdefault(kind, set()).add("%s%d%s" % ("compute_" if kind == PTX else "sm_", capability, suffix))
        at += header + payload
    return end, (tuple(sorted(names[NATIVE])), tuple(sorted(names[PTX])))


def scan(folders):
    """Return {path: [{"native": [...], "ptx": [...], "count": ...}, ...]} for the libraries with GPU code."""
    found = {}
    for path in list_libraries(folders):
        kinds = read_library(path)
        if kinds:
            found[path] = [
                {"native": list(native), "ptx": list(ptx), "count": count}
                for (native, ptx), count in sorted(kinds.items())
            ]
    return found


def main():
    """Scan the packages of this Python, or the folders that are named."""
    folders = sys.argv[1:] or [place for place in sys.path if os.path.basename(place) in PACKAGES]
    with open("out/gpu_code.json", "w") as file:
        json.dump({"libraries": scan(folders)}, file)


if __name__ == "__main__":
    main()
