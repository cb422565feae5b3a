"""The nets of run_theano.py: layers of theano.scan, and cuDNN's RNNBlock."""
from __future__ import absolute_import, division, print_function

import numpy
import theano
import theano.tensor as T
from layouts import LAYOUTS, from_layout, to_layout


class Tensors(object):
    """The weights as shared variables by their canonical names, in the layout of the implementation.

    parts: {canonical name: [shared]}, one, or where the LSTM has a product for each gate four of them.
    """

    def __init__(self, cell, implementation):
        self.layout = LAYOUTS.get(implementation) if cell == "lstm" else None
        self.is_apart = implementation == "theano_lstm"
        self.parts = {}

    def add(self, name, value):
        value = to_layout(value, self.layout) if self.layout else numpy.ascontiguousarray(value.T)
        pieces = numpy.split(value, 4, axis=-1) if self.is_apart else [value]
        self.parts[name] = [theano.shared(numpy.ascontiguousarray(piece)) for piece in pieces]

    def all(self):
        return [piece for name in sorted(self.parts) for piece in self.parts[name]]

    def canonical(self, slots):
        """Return what lies in one slot per shared variable under the canonical names."""
        found, values = {}, iter(slot.get_value() for slot in slots)
        for name in sorted(self.parts):
            value = numpy.concatenate([next(values) for _ in self.parts[name]], axis=-1)
            found[name] = from_layout(value, self.layout) if self.layout else value.T
        return found


def rnn(w, layer, x, zero):
    """One matrix product for all steps before the scan; the first state is trained."""
    (recurrent,), (start,) = w[layer + "recurrent"], w[layer + "start"]
    projected = T.dot(x, w[layer + "input"][0]) + w[layer + "bias_input"][0]
    return scan(lambda x_t, h: T.nnet.sigmoid(x_t + T.dot(h, recurrent)), projected, zero + start)


def lstm(w, layer, x, zero):
    """Eight matrix products in each step, none before it."""
    inputs, recurrents, biases = (w[layer + name] for name in ("input", "recurrent", "bias_input"))

    def step(x_t, h, c):
        i, f, g, o = [T.dot(x_t, weight) + T.dot(h, recurrent) + bias
                      for weight, recurrent, bias in zip(inputs, recurrents, biases)]
        return next_state(i, f, o, g, c)

    return scan(step, x, zero, zero)[0]


def fastlstm(w, layer, x, zero):
    """One matrix product for all steps before the scan, one for all gates in each step."""
    (recurrent,), units = w[layer + "recurrent"], zero.shape[1]
    projected = T.dot(x, w[layer + "input"][0]) + w[layer + "bias_input"][0]

    def step(x_t, h, c):
        gates = x_t + T.dot(h, recurrent)
        i, f, o, g = [gates[:, k * units:(k + 1) * units] for k in range(4)]  # the order of LAYOUTS
        return next_state(i, f, o, g, c)

    return scan(step, projected, zero, zero)[0]


def next_state(i, f, o, g, c):
    c = T.nnet.sigmoid(f) * c + T.nnet.sigmoid(i) * T.tanh(g)
    return T.nnet.sigmoid(o) * T.tanh(c), c


def scan(step, sequence, *first):
    outputs, _ = theano.scan(step, sequences=sequence, outputs_info=list(first))
    return outputs


LAYERS = {("theano_rnn", "rnn"): rnn, ("theano_lstm", "lstm"): lstm, ("theano_fastlstm", "lstm"): fastlstm}


class Block(object):
    """cuDNN's LSTM with input_mode skip. Its one flat parameter: all matrices layer by layer, then all biases."""

    KINDS = (("input", "recurrent"), ("bias_input", "bias_recurrent"))

    def __init__(self, values, sizes):
        import theano.gpuarray.dnn as dnn  # only where there is cuDNN

        places = [(layer, kind) for kinds in self.KINDS for layer in range(sizes["layers"]) for kind in kinds]
        names = ["layer.%d.%s" % place for place in places]
        self.shapes = [(name, values[name].shape) for name in names if name in values]
        flat = numpy.concatenate([values[name].ravel() for name, _ in self.shapes])
        self.block = dnn.RNNBlock("float32", sizes["units"], sizes["layers"], "lstm", input_mode="skip")
        wanted = self.block.get_param_size([sizes["batch"], sizes["units"]])
        if wanted != flat.size:
            raise ValueError("cuDNN wants %d parameters where this net has %d" % (wanted, flat.size))
        self.flat = theano.gpuarray.gpuarray_shared_constructor(flat.astype("float32"))

    def outputs(self, x, zeros):
        return self.block.apply(self.flat, x, zeros, zeros)[0]

    def all(self):
        return [self.flat]

    def canonical(self, slots):
        flat, found = numpy.asarray(slots[0].get_value()), {}
        for name, shape in self.shapes:
            count = int(numpy.prod(shape))
            found[name], flat = flat[:count].reshape(shape), flat[count:]
        return found
