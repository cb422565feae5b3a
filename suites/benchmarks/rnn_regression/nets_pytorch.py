"""The nets of run_pytorch.py: recurrent layers without a head, time-major."""
from __future__ import absolute_import, division, print_function

import re

import torch
from torch import nn

KINDS = {"weight_ih": "input", "weight_hh": "recurrent", "bias_ih": "bias_input", "bias_hh": "bias_recurrent"}


class Whole(nn.Module):
    """nn.RNN or nn.LSTM; returns every h of the last layer."""

    def __init__(self, sizes, features):
        super(Whole, self).__init__()
        kind = nn.RNN if sizes["cell"] == "rnn" else nn.LSTM
        self.net = kind(features, sizes["units"], sizes["layers"])

    def forward(self, x):
        return self.net(x)[0]


class Cells(nn.Module):
    """nn.LSTMCell in a Python loop, layer after layer."""

    def __init__(self, sizes, features):
        super(Cells, self).__init__()
        widths = [features] + [sizes["units"]] * sizes["layers"]
        self.layers = nn.ModuleList([nn.LSTMCell(width, sizes["units"]) for width in widths[:-1]])

    def forward(self, x):
        outputs = list(x.unbind(0))
        for cell in self.layers:
            zero = x.new_zeros(x.size(1), cell.hidden_size)
            state = (zero, zero)
            for t, x_t in enumerate(outputs):
                state = cell(x_t, state)
                outputs[t] = state[0]
        return torch.stack(outputs)


def canonical(torch_name):
    """Return the name of a parameter that all frameworks share: layer.0.bias_input."""
    kind = re.search("weight_ih|weight_hh|bias_ih|bias_hh", torch_name).group()
    layer = re.search(r"_l(\d+)$|layers\.(\d+)\.", torch_name)
    return "layer.%s.%s" % (layer.group(1) or layer.group(2), KINDS[kind])
