"""Fat binaries made by hand, as `images/fatbins.py` documents them."""

import struct

PTX, NATIVE = 1, 2
ONLY_THERE, ONLY_FAMILY = 0x100000, 0x200000


def make_entry(kind: int, capability: int, flags: int = 0x11, payload: bytes = bytes(8), header: int = 64) -> bytes:
    """Make the code for one capability; its payload is read by nobody."""
    known = struct.pack("<HHIQ12xI8xQ", kind, 0x101, header, len(payload), capability, flags)
    return known + bytes(header - len(known)) + payload


def make_fat_binary(*entries: bytes) -> bytes:
    """Put entries together."""
    content = b"".join(entries)
    return struct.pack("<IHHQ", 0xBA55ED50, 1, 16, len(content)) + content
