"""The basic cell as one would run it today: its loop scripted, its cell compiled, its kernels in a CUDA graph."""
from __future__ import absolute_import, division, print_function

import os
import shutil

import harness
import torch
import torch.nn.functional as F
from nets_pytorch import CellLoop


def loop(x, h, c, weight_ih, weight_hh, bias_ih, bias_hh):
    """Return the last h; becomes TorchScript, in which everything is a tensor."""
    for t in range(x.size(0)):
        gates = F.linear(x[t], weight_ih, bias_ih) + F.linear(h, weight_hh, bias_hh)
        i, f, g, o = gates.chunk(4, 1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
    return h


class ScriptedLoop(torch.nn.Module):
    """The loop over time and all in it as TorchScript.

    The first state needs a gradient: without one PyTorch 1.1 to 1.4 conclude that no later state needs it either, and
    leave all but the last step out of the gradients.
    """

    def __init__(self, cell, make_zero):
        super(ScriptedLoop, self).__init__()
        self.cell, self.make_zero, self.loop = cell, make_zero, torch.jit.script(loop)

    def forward(self, x):
        h, c = self.make_zero(x).requires_grad_(), self.make_zero(x).requires_grad_()
        cell = self.cell
        return self.loop(x, h, c, cell.weight_ih, cell.weight_hh, cell.bias_ih, cell.bias_hh)


def compiled_loop(cell, make_zero, on_gpu):
    """Return a loop whose cell goes through torch.compile; of the whole loop every step would be compiled by itself."""
    which = getattr(shutil, "which")  # Python 3.3, as everything that has torch.compile
    programs = (os.environ.get("CC"), "gcc", "clang") if on_gpu else (os.environ.get("CXX"), "g++")
    if not any(which(program) for program in programs if program):
        raise harness.UnsupportedError(
            "torch.compile needs a %s compiler, and there is none here" % ("C" if on_gpu else "C++"))
    return CellLoop(torch.compile(cell), make_zero)


def graphed(model, x, precision):
    """Return the model with its forward and backward pass captured in CUDA graphs, and how to clear its gradients.

    Loss and update stay outside. A parameter's gradient is the graph's own memory, which the next replay fills: cleared
    to zero, as before 2.0, it would be added to itself.
    """
    if precision == "amp":
        raise harness.UnsupportedError("the CUDA graph of this benchmark is captured without amp")
    return torch.cuda.make_graphed_callables(model, (x,)), {"set_to_none": True}
