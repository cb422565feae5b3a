"""Say what PyTorch an image holds: version, CUDA, capabilities with native code. Needs no GPU. Python 2.7 and newer."""

import json

import numpy
import torch

found = {"version": torch.__version__}

product = torch.from_numpy(numpy.ones((2, 2), dtype="float32")).mm(torch.ones(2, 2)).sum()
found["works"] = float(product) == 8.0

# The oldest releases say nothing of CUDA; 1.4 says nothing of architectures, 1.7 does.
if hasattr(torch.version, "cuda"):
    found["cuda"] = torch.version.cuda
flags = getattr(torch._C, "_cuda_getArchFlags", lambda: None)()
if flags:
    found["native"] = [flag for flag in flags.split() if flag.startswith("sm_")]

with open("out/check.json", "w") as file:
    json.dump(found, file)
