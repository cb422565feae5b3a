"""One training step of the LSTM acoustic model in PyTorch 0.1.12 to 2.x: copy, forward, loss, backward, Adam."""
from __future__ import absolute_import, division, print_function

import math

import harness
import numpy
import torch
import torch.nn.functional as F
from nets_pytorch import AcousticModel, BasicCell, CellLoop, PaddedLstm, WholeLstm, canonical, wrap
from settings_pytorch import Precision, device_tools, set_flags
from today_pytorch import ScriptedLoop, compiled_loop, graphed
from torch import nn

VERSION = torch.__version__
ONE_LAYER = ("lstmcell_fused", "lstmcell_basic", "lstmcell_scripted", "lstmcell_compiled", "lstmcell_graphed")


def make_lstm(job, lengths, move):
    name, sizes = job.implementation, job.parameters
    if name == "cudnn_lstm":
        return WholeLstm(sizes, lengths)
    if name == "padded_lstm" and lengths is not None and sizes["bidirectional"]:
        return PaddedLstm(sizes, lengths, move)
    if name not in ONE_LAYER or sizes["layers"] != 1 or sizes["bidirectional"] or lengths is not None:
        raise ValueError("this script has no %s of this kind" % name)

    def zero_of_the_host(x):
        return move(wrap(torch.zeros(x.size(1), sizes["units"])))  # then moved: as the study does

    def zero_of_the_device(x):
        return torch.zeros(x.size(1), sizes["units"], device=x.device)  # a graph holds no copy from the host

    cell = (nn.LSTMCell if name == "lstmcell_fused" else BasicCell)(sizes["features"], sizes["units"])
    if name == "lstmcell_scripted":
        return ScriptedLoop(cell, zero_of_the_host)
    if name == "lstmcell_compiled":
        return compiled_loop(cell, zero_of_the_host, job.device == "cuda")
    return CellLoop(cell, zero_of_the_device if name == "lstmcell_graphed" else zero_of_the_host)


def make_loss(job, lengths):
    """Return the labels and a function of logits and labels: mean cross entropy, or CTC summed over the batch."""
    sizes = job.parameters
    if lengths is None:
        return torch.LongTensor(job.labels("y", sizes["batch"], sizes["classes"])), F.cross_entropy
    numbers = job.labels("y", sizes["batch"] * sizes["labels"], sizes["classes"] - 1)  # all but 0, the blank
    counts = (sizes["labels"],) * sizes["batch"]

    def ctc(logits, labels):
        return F.ctc_loss(F.log_softmax(logits, 2).float(), labels, tuple(lengths), counts, blank=0, reduction="sum")

    return torch.LongTensor([1 + number for number in numbers]).view(sizes["batch"], sizes["labels"]), ctc


def setup(job):
    facts, sizes, on_gpu = set_flags(job), job.parameters, job.device == "cuda"
    if job.traits["biases"] != 2 or sizes["loss"] not in ("cross_entropy", "ctc"):
        raise ValueError("this script has two biases, and cross_entropy or ctc")
    lengths = job.lengths(sizes["shortest"], sizes["steps"], sizes["batch"]) if sizes["loss"] == "ctc" else None
    precision = Precision(job, loss_scale=1024.0 if lengths is None else 1.0)
    move = (lambda value: value.cuda()) if on_gpu else (lambda value: value)
    model, bound = AcousticModel(make_lstm(job, lengths, move), sizes), 1 / math.sqrt(sizes["units"])

    def tensor(name, shape, bound):
        return torch.from_numpy(numpy.frombuffer(job.tensor(name, shape, -bound, bound), numpy.float32).reshape(shape))

    tensors = dict((canonical(name), parameter) for name, parameter in model.named_parameters())
    for name, parameter in tensors.items():
        parameter.data.copy_(tensor(name, tuple(parameter.size()), bound))
    model = move(model)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    x = tensor("x", (sizes["steps"], sizes["batch"], sizes["features"]), 1.0)
    y, loss_of = make_loss(job, lengths)
    clearing = {}
    if job.implementation == "lstmcell_graphed":
        model, clearing = graphed(model, move(x), job.precision)
    last = {}

    def train_step():
        on_device = wrap(move(x)), wrap(move(y))
        optimizer.zero_grad(**clearing)
        loss = precision.forward(lambda: loss_of(model(on_device[0]), on_device[1]))
        precision.update(loss, optimizer)
        last["loss"] = loss.data

    def fetch():
        return last["loss"].item() if hasattr(last["loss"], "item") else last["loss"][0]

    def gradients():
        return dict((name, None if p.grad is None else p.grad.data.cpu().contiguous().view(-1).tolist())
                    for name, p in tensors.items())

    return harness.Workload(
        steps={"train_step": train_step}, fetch=fetch, gradients=gradients, facts=dict(facts, **precision.facts),
        parameter_count=sum(p.data.numel() for p in tensors.values()), **device_tools(on_gpu))
