"""Recurrent layers that regress random numbers, in PyTorch 0.4 to 2.x: forward, and one training step."""
from __future__ import absolute_import, division, print_function

import math

import harness
import numpy
import torch
import torch.nn.functional as F
from nets_pytorch import Cells, Whole, canonical
from settings_pytorch import Precision, device_tools, set_flags

VERSION = torch.__version__
NETS = {("cudnn_rnn", "rnn"): Whole, ("cudnn_lstm", "lstm"): Whole, ("lstmcell_fused", "lstm"): Cells}


def setup(job):
    facts, sizes, on_gpu = set_flags(job), job.parameters, job.device == "cuda"
    net = NETS.get((job.implementation, sizes["cell"]))
    if net is None or job.traits["biases"] != 2 or sizes["outputs"] not in ("last", "all"):
        raise ValueError("this script has nn.RNN, nn.LSTM and nn.LSTMCell, with two biases")
    precision = Precision(job, loss_scale=1024.0)
    steps, batch, units = sizes["steps"], sizes["batch"], sizes["units"]
    features, bound, only_last = sizes.get("features", units), 1 / math.sqrt(units), sizes["outputs"] == "last"
    move = (lambda value: value.cuda()) if on_gpu else (lambda value: value)

    def tensor(name, shape, low, high):
        return torch.from_numpy(numpy.frombuffer(job.tensor(name, shape, low, high), numpy.float32).reshape(shape))

    model = net(sizes, features)
    tensors = dict((canonical(name), parameter) for name, parameter in model.named_parameters())
    for name, parameter in tensors.items():
        parameter.data.copy_(tensor(name, tuple(parameter.size()), -bound, bound))
    model = move(model)
    x = move(tensor("x", (steps, batch, features), 0.0, 1.0))
    y = move(tensor("y", (batch, units) if only_last else (steps, batch, units), 0.0, 1.0))
    optimizer = torch.optim.SGD(model.parameters(), lr=sizes["rate"]) if sizes["rate"] else None
    last = {}

    def loss_of_all():
        outputs = model(x)
        return F.mse_loss(outputs[-1] if only_last else outputs, y)

    def forward():
        with torch.no_grad():
            last["loss"] = precision.forward(loss_of_all)

    def train_step():
        model.zero_grad()
        loss = precision.forward(loss_of_all)
        if optimizer:
            precision.update(loss, optimizer)
        else:
            loss.backward()
        last["loss"] = loss.detach()

    def gradients():
        return dict((name, None if p.grad is None else p.grad.cpu().contiguous().view(-1).tolist())
                    for name, p in tensors.items())

    return harness.Workload(
        steps={"forward": forward, "train_step": train_step}, fetch=lambda: last["loss"].item(), gradients=gradients,
        facts=dict(facts, **precision.facts), parameter_count=sum(p.numel() for p in tensors.values()),
        **device_tools(on_gpu))
