"""How each framework lays out the weights of its LSTM, written down once as data, and the way there and back.

Canonical, as the references have it: gates i, f, g, o (g: the candidate) in quarters of the rows; input
(4 units, features), recurrent (4 units, units), biases (4 units,), peephole (3 units,) of i, f, o.
A gate launch holds every line of LAYOUTS against the reference: with another order it does not pass. NumPy only.
"""

from __future__ import absolute_import, division, print_function

from collections import namedtuple

import numpy

CANONICAL = "ifgo"
# gates: the order in the fused matrix. transposed: (features, 4 units), so that x W; else W x.
# joined: input above recurrent in one matrix, (features + units, 4 units) where transposed.
# interleaved: the gates of a unit lie together, unit by unit, not the units of a gate.
Layout = namedtuple("Layout", "gates transposed joined interleaved")
Layout.__new__.__defaults__ = (False,)
LAYOUTS = {
    "pytorch": Layout("ifgo", False, False),
    "jax": Layout("ifgo", False, False),  # ours
    "keras": Layout("ifgo", True, False),
    "tensorflow_cell": Layout("igfo", True, True),  # LSTMCell, LSTMBlockCell, LSTMBlockFusedCell: kernel
    "cudnn": Layout("ifgo", False, False),  # CudnnLSTM: a matrix for each gate
    "lasagne": Layout("ifgo", True, False),
    "theano_fastlstm": Layout("ifog", True, False),
    "theano_lstm": Layout("ifgo", True, False),  # a matrix for each gate
    "mxnet": Layout("ifgo", False, False),  # rnn.LSTM and rnn.LSTMCell
    "chainer_nstep": Layout("ifgo", False, False),  # NStepLSTM: a matrix for each gate, w0 to w3, then w4 to w7
    "chainer_lstm": Layout("gifo", False, False, interleaved=True),  # L.LSTM
    "cntk": Layout("igfo", True, False),
    "pytensor": Layout("ifgo", True, False),  # ours
}


def as_gates(value, order, target):
    """Return an array whose first axis holds gates in one order with them in another."""
    rows = len(value) // len(order)
    return numpy.concatenate([value[order.index(gate) * rows : (order.index(gate) + 1) * rows] for gate in target])


def regroup(value, groups):
    """Return an array of so many groups of rows with the first rows of all groups first, then the second, and so on."""
    shape = (groups, len(value) // groups) + value.shape[1:]
    return value.reshape(shape).swapaxes(0, 1).reshape(value.shape)


def to_layout(value, layout):
    """Return a canonical matrix or bias, float32, as a framework has it; inputs and recurrents are joined by `join`."""
    moved = as_gates(value, CANONICAL, layout.gates)
    moved = regroup(moved, 4) if layout.interleaved else moved
    return numpy.ascontiguousarray(moved.T if layout.transposed else moved)


def from_layout(value, layout):
    """Return what a framework has, weight or gradient, as the canonical matrix or bias."""
    value = numpy.asarray(value)
    value = value.T if layout.transposed else value
    value = regroup(value, len(value) // 4) if layout.interleaved else value
    return numpy.ascontiguousarray(as_gates(value, layout.gates, CANONICAL))


def join(weights, recurrent, layout):
    """Return canonical input and recurrent matrices as the one matrix of a joined layout."""
    return numpy.concatenate(
        [to_layout(weights, layout), to_layout(recurrent, layout)], axis=0 if layout.transposed else 1
    )


def split(value, features, layout):
    """Return the canonical input and recurrent matrices of one joined matrix."""
    parts = numpy.split(numpy.asarray(value), [features], axis=0 if layout.transposed else 1)
    return tuple(from_layout(part, layout) for part in parts)
