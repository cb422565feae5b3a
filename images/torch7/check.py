"""Say what Torch 7 an image holds: not its version, which it does not know, but that it multiplies with OpenBLAS.

Needs no GPU. Python 3.
"""

import json
import subprocess

PROGRAM = """
require 'nn'
require 'rnn'
require 'nnbhwd'
local product = torch.ones(2, 2) * torch.ones(2, 2)
local loaded = io.open('/proc/self/maps'):read('*a')
local has_all = torch.type(nn.FastLSTM(2, 2)) == 'nn.FastLSTM' and nn.SpatialConvolutionBHWD ~= nil
print(product:sum() == 8 and has_all and loaded:find('openblas') ~= nil)
"""
said = subprocess.check_output(["luajit", "-e", PROGRAM]).decode().split()

with open("out/check.json", "w") as file:
    json.dump({"version": "7.0", "works": said[-1:] == ["true"]}, file)
