"""Multiply two matrices and convolve an image on a device, cpu or cuda: are the results right? Python 2.7 and newer.

All values are ones, so that every precision gives the exact result.
"""

import json
import sys

import torch
import torch.nn.functional
from torch.autograd import Variable  # what a convolution takes before 0.4

device = sys.argv[1]


def ones(*shape):
    made = torch.ones(*shape)
    return Variable(made.cuda() if device == "cuda" else made)


def multiply():
    return ones(64, 48).mm(ones(48, 32)), 64 * 32 * 48


def convolve():
    return torch.nn.functional.conv2d(ones(2, 3, 16, 16), ones(8, 3, 3, 3)), 2 * 8 * 14 * 14 * 27


found = {"version": torch.__version__}
for name, work in (("matmul", multiply), ("convolution", convolve)):
    try:
        made, expected = work()
        total = float(made.data.sum())
        found[name] = "ok" if total == expected else "the sum is {0}, not {1}".format(total, expected)
    except (RuntimeError, AssertionError) as error:  # a build for the CPU asserts
        found[name] = str(error)

with open("out/probe.json", "w") as file:
    json.dump(found, file)
