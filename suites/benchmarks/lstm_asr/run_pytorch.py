"""One training step of the LSTM acoustic model in PyTorch 0.1.12 to 2.x: copy, forward, loss, backward, Adam."""
from __future__ import absolute_import, division, print_function

import math

import harness
import numpy
import torch
import torch.nn.functional as F
from nets_pytorch import canonical, make_model, wrap
from settings_pytorch import set_flags

VERSION = torch.__version__


def make_loss(job, lengths):
    """Return the labels and a function of logits and labels: mean cross entropy, or CTC summed over the batch."""
    sizes = job.parameters
    if lengths is None:
        return torch.LongTensor(job.labels("y", sizes["batch"], sizes["classes"])), F.cross_entropy
    count = sizes["labels"]
    numbers = job.labels("y", sizes["batch"] * count, sizes["classes"] - 1)  # all classes but 0, the blank
    counts = (count,) * sizes["batch"]

    def ctc(logits, labels):
        return F.ctc_loss(F.log_softmax(logits, 2), labels, tuple(lengths), counts, blank=0, reduction="sum")

    return torch.LongTensor([1 + number for number in numbers]).view(sizes["batch"], count), ctc


def setup(job):
    facts, sizes, on_gpu = set_flags(job), job.parameters, job.device == "cuda"
    if job.traits["biases"] != 2 or sizes["loss"] not in ("cross_entropy", "ctc"):
        raise ValueError("this script has two biases, and cross_entropy or ctc")
    lengths = job.lengths(sizes["shortest"], sizes["steps"], sizes["batch"]) if sizes["loss"] == "ctc" else None
    move = (lambda value: value.cuda()) if on_gpu else (lambda value: value)
    model, bound = make_model(job.implementation, sizes, lengths, move), 1 / math.sqrt(sizes["units"])

    def tensor(name, shape, bound):
        return torch.from_numpy(numpy.frombuffer(job.tensor(name, shape, -bound, bound), numpy.float32).reshape(shape))

    tensors = dict((canonical(name), parameter) for name, parameter in model.named_parameters())
    for name, parameter in tensors.items():
        parameter.data.copy_(tensor(name, tuple(parameter.size()), bound))
    model = move(model)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    x = tensor("x", (sizes["steps"], sizes["batch"], sizes["features"]), 1.0)
    y, loss_of = make_loss(job, lengths)
    last = {}

    def train_step():
        on_device = wrap(move(x)), wrap(move(y))
        optimizer.zero_grad()
        loss = loss_of(model(on_device[0]), on_device[1])
        loss.backward()
        optimizer.step()
        last["loss"] = loss.data

    def fetch():
        return last["loss"].item() if hasattr(last["loss"], "item") else last["loss"][0]

    def gradients():
        return dict((name, None if p.grad is None else p.grad.data.cpu().contiguous().view(-1).tolist())
                    for name, p in tensors.items())

    return harness.Workload(
        steps={"train_step": train_step}, fetch=fetch, gradients=gradients, facts=facts,
        sync=torch.cuda.synchronize if on_gpu else None,
        sync_name="torch.cuda.synchronize" if on_gpu else "none (cpu)",
        parameter_count=sum(p.data.numel() for p in model.parameters()),
        device_memory=getattr(torch.cuda, "max_memory_allocated", None) if on_gpu else None)
