"""Weights and data that are the same in every language: a block of the MINSTD generator, repeated.

x(0) = CRC-32 of the tensor's name (UTF-8) mod (2^31 - 2), plus 1;  x(k+1) = 48271 x(k) mod (2^31 - 1).
A block is x(1) ... x(65521); number i of a tensor, counted from 0 in C order, is x(1 + i mod 65521).
All products stay below 2^53, so a language that has only doubles (Lua) gets the same integers.
    uniform value: low + (high - low) * (x / (2^31 - 1)) in double precision, then rounded to float32
    label:         floor(x * classes / (2^31 - 1))
Lengths of sequences: longest first, in equal steps down to the shortest, rounded down.
Source of the constants: Park, Miller & Stockmeyer 1993. 65521 is prime: each repeat starts in another column.
"""
from __future__ import absolute_import, division, print_function

import array
import zlib

MODULUS, MULTIPLIER, BLOCK = 2 ** 31 - 1, 48271, 65521


def seed_of(name):
    """Return x(0), never 0."""
    return (zlib.crc32(name.encode("utf-8")) & 0xFFFFFFFF) % (MODULUS - 1) + 1


def lehmer(x, count=BLOCK):
    """Return the first integers of the block that follows a seed, at most all of it."""
    block = []
    for _ in range(min(count, BLOCK)):
        x = MULTIPLIER * x % MODULUS
        block.append(x)
    return block


def tensor(name, shape, low, high):
    """Return prod(shape) float32 values in C order, uniform in [low, high], as an array('f')."""
    count = 1
    for extent in shape:
        count *= extent
    numbers = lehmer(seed_of(name), count)
    return repeated(array.array("f", [low + (high - low) * (x / MODULUS) for x in numbers]), count)


def labels(name, count, classes):
    """Return a list of `count` integers in [0, classes)."""
    return repeated([x * classes // MODULUS for x in lehmer(seed_of(name), count)], count)


def lengths(shortest, longest, count):
    """Return `count` integers from the longest down to the shortest."""
    return [longest + (shortest - longest) * k // max(count - 1, 1) for k in range(count)]


def repeated(block, count):
    return block * (count // BLOCK) + block[:count % BLOCK]
