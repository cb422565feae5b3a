"""The nets of run_pytorch.py: one way to write an LSTM each, and the acoustic model around them."""
from __future__ import absolute_import, division, print_function

import re

import torch
import torch.nn.functional as F
from torch import nn
from torch.autograd import Variable
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

RELEASE = tuple(int(number) for number in re.findall(r"\d+", torch.__version__)[:2])
wrap = Variable if RELEASE < (0, 4) else lambda value: value
KINDS = {"weight_ih": "input", "weight_hh": "recurrent", "bias_ih": "bias_input", "bias_hh": "bias_recurrent"}


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


class CellLoop(nn.Module):
    """A cell in a Python loop; returns the last h only."""

    def __init__(self, cell, make_zero):
        super(CellLoop, self).__init__()
        self.cell, self.make_zero = cell, make_zero

    def forward(self, x):
        zero = self.make_zero(x)
        state = (zero, zero)
        for t in range(x.size(0)):
            state = self.cell(x[t], state)
        return state[0]


class WholeLstm(nn.Module):
    """nn.LSTM; returns h of the last step, or of every step where the sequences have lengths of their own."""

    def __init__(self, sizes, lengths):
        super(WholeLstm, self).__init__()
        self.lengths = lengths
        self.lstm = nn.LSTM(sizes["features"], sizes["units"], sizes["layers"], bidirectional=sizes["bidirectional"])

    def forward(self, x):
        if self.lengths is None:
            return self.lstm(x)[0][-1]
        return pad_packed_sequence(self.lstm(pack_padded_sequence(x, self.lengths))[0])[0]


class PaddedLstm(nn.Module):
    """nn.LSTM for each layer and direction, over sequences that all run to the end of the longest.

    For the reverse nets each sequence is turned round within its own length, before and after: what lies beyond its end
    stays there, comes last, and reaches no output that the loss looks at.
    """

    def __init__(self, sizes, lengths, move):
        super(PaddedLstm, self).__init__()
        self.layers, steps, batch = sizes["layers"], sizes["steps"], sizes["batch"]
        for layer in range(self.layers):
            for name in ("l%d" % layer, "l%d_reverse" % layer):
                features = 2 * sizes["units"] if layer else sizes["features"]
                self.add_module(name, nn.LSTM(features, sizes["units"]))
        self.rows = move(torch.LongTensor([
            (length - 1 - t if t < length else t) * batch + row
            for t in range(steps) for row, length in enumerate(lengths)]))

    def turn(self, x):
        return x.view(-1, x.size(2)).index_select(0, self.rows).view(x.size())

    def forward(self, x):
        for layer in range(self.layers):
            forward, reverse = getattr(self, "l%d" % layer), getattr(self, "l%d_reverse" % layer)
            x = torch.cat([forward(x)[0], self.turn(reverse(self.turn(x))[0])], 2)
        return x


class AcousticModel(nn.Module):
    """An LSTM, time-major, and a head without bias on what it returns."""

    def __init__(self, lstm, sizes):
        super(AcousticModel, self).__init__()
        self.lstm = lstm
        self.head = nn.Linear(sizes["units"] * (1 + sizes["bidirectional"]), sizes["classes"], bias=False)

    def forward(self, x):
        return self.head(self.lstm(x))


def canonical(torch_name):
    """Return the name of a parameter that all frameworks share: lstm.1.reverse.bias_input, head."""
    found = re.search(r"(l\d+(?:_reverse)?\.)?(weight_ih|weight_hh|bias_ih|bias_hh)(_l\d+(?:_reverse)?)?$", torch_name)
    if not found:
        return "head"
    net, kind, suffix = found.groups()
    place = net or suffix or "l0"
    return "lstm.%s.%s%s" % (re.search(r"\d+", place).group(), "reverse." if "reverse" in place else "", KINDS[kind])
