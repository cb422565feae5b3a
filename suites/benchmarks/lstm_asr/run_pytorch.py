"""One training step of the LSTM classifier in PyTorch 0.1.12 to 2.x: copy, forward, cross entropy, backward, Adam."""
from __future__ import absolute_import, division, print_function

import math
import re

import harness
import numpy
import torch
import torch.backends.cudnn
import torch.nn.functional as F
from torch import nn
from torch.autograd import Variable

VERSION = torch.__version__
RELEASE = tuple(int(number) for number in re.findall(r"\d+", VERSION)[:2])
wrap = Variable if RELEASE < (0, 4) else lambda value: value
NAMES = (("weight_ih", "lstm.0.input"), ("weight_hh", "lstm.0.recurrent"), ("bias_ih", "lstm.0.bias_input"),
         ("bias_hh", "lstm.0.bias_recurrent"), ("head", "head"))


class BasicCell(nn.Module):
    """The cell from single operations: two products, four chunks."""

    def __init__(self, features, units):
        super(BasicCell, self).__init__()
        self.weight_ih = nn.Parameter(torch.zeros(4 * units, features))
        self.weight_hh = nn.Parameter(torch.zeros(4 * units, units))
        self.bias_ih = nn.Parameter(torch.zeros(4 * units))
        self.bias_hh = nn.Parameter(torch.zeros(4 * units))

    def forward(self, x, state):
        h, c = state
        gates = F.linear(x, self.weight_ih, self.bias_ih) + F.linear(h, self.weight_hh, self.bias_hh)
        i, f, g, o = gates.chunk(4, 1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        return o.sigmoid() * c.tanh(), c


class Classifier(nn.Module):
    """Time-major LSTM and a head without bias on the last step."""

    def __init__(self, implementation, parameters, move):
        super(Classifier, self).__init__()
        kind = {"cudnn_lstm": nn.LSTM, "lstmcell_fused": nn.LSTMCell, "lstmcell_basic": BasicCell}[implementation]
        self.whole, self.units, self.move = kind is nn.LSTM, parameters["units"], move
        self.lstm = kind(parameters["features"], self.units)
        self.head = nn.Linear(self.units, parameters["classes"], bias=False)

    def forward(self, x):
        if self.whole:
            return self.head(self.lstm(x)[0][-1])
        zero = self.move(wrap(torch.zeros(x.size(1), self.units)))  # on the host, then moved: as the study does
        state = (zero, zero)
        for t in range(x.size(0)):
            state = self.lstm(x[t], state)
        return self.head(state[0])


def set_tf32(allowed):
    """Set it wherever it can be set and return what was read back: since 1.7, since 2.9 under a newer name."""
    cuda, cudnn = getattr(torch.backends, "cuda", None), torch.backends.cudnn
    if hasattr(getattr(cudnn, "rnn", None), "fp32_precision"):
        parts, name, value = (cuda.matmul, cudnn.conv, cudnn.rnn), "fp32_precision", "tf32" if allowed else "ieee"
    elif RELEASE >= (1, 7):
        parts, name, value = (cuda.matmul, cudnn), "allow_tf32", allowed
    elif allowed:
        raise ValueError("PyTorch %s has no TF32. Take precision ieee." % VERSION)
    else:
        return False
    for part in parts:
        setattr(part, name, value)
    return all(getattr(part, name) in (True, "tf32") for part in parts)


def set_flags(job):
    """Set what decides speed and precision, and return it as facts."""
    if job.precision == "amp":
        raise ValueError("this script has no amp. Take precision ieee or tf32.")
    torch.set_num_threads(job.threads)
    torch.backends.cudnn.benchmark = False
    mkldnn = getattr(torch.backends, "mkldnn", None)
    return {"threads": torch.get_num_threads(), "precision": job.precision, "tf32": set_tf32(job.precision == "tf32"),
            "cudnn_benchmark": torch.backends.cudnn.benchmark,
            "cudnn_deterministic": getattr(torch.backends.cudnn, "deterministic", None),
            "mkldnn": mkldnn is not None and mkldnn.is_available(),
            "cuda": getattr(torch.version, "cuda", None), "cudnn": torch.backends.cudnn.version()}


def setup(job):
    facts, sizes, on_gpu = set_flags(job), job.parameters, job.device == "cuda"
    if sizes["layers"] != 1 or sizes["bidirectional"] or job.traits["biases"] != 2:
        raise ValueError("this script has one layer, one direction and two biases")
    move = (lambda value: value.cuda()) if on_gpu else (lambda value: value)
    model, bound = Classifier(job.implementation, sizes, move), 1 / math.sqrt(sizes["units"])

    def tensor(name, shape, bound):
        return torch.from_numpy(numpy.frombuffer(job.tensor(name, shape, -bound, bound), numpy.float32).reshape(shape))

    tensors = {}
    for torch_name, parameter in model.named_parameters():
        name = [canonical for part, canonical in NAMES if part in torch_name][0]
        parameter.data.copy_(tensor(name, tuple(parameter.size()), bound))
        tensors[name] = parameter
    model = move(model)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    x = tensor("x", (sizes["steps"], sizes["batch"], sizes["features"]), 1.0)
    y = torch.LongTensor(job.labels("y", sizes["batch"], sizes["classes"]))
    last = {}

    def train_step():
        on_device = wrap(move(x)), wrap(move(y))
        optimizer.zero_grad()
        loss = F.cross_entropy(model(on_device[0]), on_device[1])
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
