"""The graphs of run_tensorflow.py: one way to write an LSTM each, their weights, and the head with its loss."""
from __future__ import absolute_import, division, print_function

import re

import numpy
import tensorflow
from layouts import LAYOUTS, from_layout, join, split, to_layout
from settings_tensorflow import v1

CELLS = {
    "basic_lstm_cell": lambda units: v1.nn.rnn_cell.BasicLSTMCell(units),
    "lstm_cell": lambda units: v1.nn.rnn_cell.LSTMCell(units),
    "compat_lstm_cell": lambda units: v1.nn.rnn_cell.LSTMCell(units),
    "lstm_block_cell": lambda units: tensorflow.contrib.rnn.LSTMBlockCell(units),
}
LAYOUT = LAYOUTS["tensorflow_cell"]


def cell_loop(job, x, lengths):
    """A while loop around a cell; batch-major."""
    sizes, make = job.parameters, CELLS[job.implementation]
    if sizes["layers"] == 1 and not sizes["bidirectional"]:
        return v1.nn.dynamic_rnn(make(sizes["units"]), x, sequence_length=lengths, dtype=tensorflow.float32)[0]
    forward, reverse = [[make(sizes["units"]) for _ in range(sizes["layers"])] for _ in range(2)]
    if hasattr(tensorflow, "contrib"):
        return tensorflow.contrib.rnn.stack_bidirectional_dynamic_rnn(
            forward, reverse, x, sequence_length=lengths, dtype=tensorflow.float32)[0]
    for layer, cells in enumerate(zip(forward, reverse)):  # what the helper did
        with v1.variable_scope("cell_%d" % layer):
            outputs, _ = v1.nn.bidirectional_dynamic_rnn(
                cells[0], cells[1], x, sequence_length=lengths, dtype=tensorflow.float32)
            x = tensorflow.concat(outputs, 2)
    return x


def fused_cell(job, x, lengths):
    """One op for all steps; time-major."""
    cell = tensorflow.contrib.rnn.LSTMBlockFusedCell(job.parameters["units"])
    return cell(x, sequence_length=lengths, dtype=tensorflow.float32)[0]


def raw_block(job, x, lengths):
    """The same op without the layer around it, which TensorFlow 2 does not have; time-major."""
    units, features = job.parameters["units"], job.parameters["features"]
    zero, none = tensorflow.zeros((x.shape[1], units)), tensorflow.zeros((units,))
    return tensorflow.raw_ops.BlockLSTM(
        seq_len_max=tensorflow.cast(tensorflow.reduce_max(lengths), tensorflow.int64), x=x, cs_prev=zero, h_prev=zero,
        w=v1.get_variable("rnn/kernel", (features + units, 4 * units)), b=v1.get_variable("rnn/bias", (4 * units,)),
        wci=none, wcf=none, wco=none, forget_bias=1.0, cell_clip=-1.0, use_peephole=False).h


TIME_MAJOR = {"lstm_block_fused_cell": fused_cell, "raw_block_lstm": raw_block}


class CellNet(object):
    """An LSTM whose kernels are variables, input above recurrent: (features + units, 4 units)."""

    def __init__(self, job, x, lengths, tensor):
        self.units, self.tensor = job.parameters["units"], tensor
        self.outputs = TIME_MAJOR.get(job.implementation, cell_loop)(job, x, lengths)
        self.variables = v1.trainable_variables()
        self.parameter_count = sum(variable.shape.num_elements() for variable in self.variables)

    def fill(self, session):
        for variable in self.variables:
            session.run(variable.initializer, {variable.initializer.inputs[1]: self.first_value(variable)})

    def first_value(self, variable):
        net, rows = net_of(variable.name), 4 * self.units
        if "bias" in variable.name:
            return to_layout(self.tensor(net + "bias_input", (rows,)), LAYOUT)
        features = int(variable.shape[0]) - self.units
        recurrent = self.tensor(net + "recurrent", (rows, self.units))
        return join(self.tensor(net + "input", (rows, features)), recurrent, LAYOUT)

    def canonical(self, session, values):
        """Return what was read of the variables, or of their slots, by the canonical names."""
        found = {}
        for variable, value in zip(self.variables, values):
            net = net_of(variable.name)
            if "bias" in variable.name:
                found[net + "bias_input"] = from_layout(value, LAYOUT)
            else:
                found[net + "input"], found[net + "recurrent"] = split(value, len(value) - self.units, LAYOUT)
        return found


def net_of(name):
    """Return lstm.2.reverse. for stack_bidirectional_rnn/cell_2/bidirectional_rnn/bw/lstm_cell/kernel:0."""
    layer = re.search(r"cell_(\d+)/bidirectional", name)
    return "lstm.%s.%s" % (layer.group(1) if layer else 0, "reverse." if "/bw/" in name else "")


class CudnnNet(object):
    """tf.contrib.cudnn_rnn.CudnnLSTM; time-major. Its weights are one vector, made of a matrix for each gate."""

    def __init__(self, job, x, lengths, tensor):
        sizes = job.parameters
        self.direction = "bidirectional" if sizes["bidirectional"] else "unidirectional"
        self.names, matrices, biases = [], [], []
        directions = ("", "reverse.") if sizes["bidirectional"] else ("",)
        for layer in range(sizes["layers"]):
            for net in ["lstm.%d.%s" % (layer, direction) for direction in directions]:
                features, rows = len(directions) * sizes["units"] if layer else sizes["features"], 4 * sizes["units"]
                self.names.append(net)
                matrices += gates(tensor(net + "input", (rows, features)))
                matrices += gates(tensor(net + "recurrent", (rows, sizes["units"])))
                biases += gates(tensor(net + "bias_input", (rows,))) + gates(tensor(net + "bias_recurrent", (rows,)))
        self.parameter_count = sum(part.size for part in matrices + biases)
        self.lstm = tensorflow.contrib.cudnn_rnn.CudnnLSTM(
            sizes["layers"], sizes["units"], direction=self.direction, kernel_initializer=in_turn(matrices),
            bias_initializer=in_turn(biases))
        self.outputs = self.lstm(x)[0]
        self.variables = v1.trainable_variables()

    def fill(self, session):
        """Do nothing: it was made with its weights."""

    def canonical(self, session, values):
        from tensorflow.contrib.cudnn_rnn.python.ops import cudnn_rnn_ops  # only TensorFlow 1 comes here

        lstm = self.lstm
        with session.graph.as_default(), tensorflow.device("/gpu:0"):
            read = cudnn_rnn_ops.cudnn_rnn_opaque_params_to_canonical(
                rnn_mode=lstm.rnn_mode, num_layers=lstm.num_layers, num_units=lstm.num_units,
                input_size=lstm.input_size, params=tensorflow.constant(values[0]), direction=self.direction)
        matrices, biases = session.run(read)
        found = {}
        for index, net in enumerate(self.names):
            for kind, parts in (("input", matrices), ("recurrent", matrices), ("bias_input", biases),
                                ("bias_recurrent", biases)):
                start = 8 * index + (4 if "recurrent" in kind else 0)
                found[net + kind] = from_layout(numpy.concatenate(parts[start:start + 4]), LAYOUTS["cudnn"])
        return found


def gates(value):
    return numpy.split(to_layout(value, LAYOUTS["cudnn"]), 4)


def in_turn(values):
    """Return an initializer that gives one value after the other."""
    left = iter(values)
    return lambda shape, dtype=None, partition_info=None: tensorflow.constant(next(left))


class Head(object):
    """The head without bias, and the loss: mean cross entropy of the last step, or CTC summed over the batch.

    TensorFlow's blank is the last class, the canonical one is 0: the rows of the head, and the labels, move up by one.
    """

    def __init__(self, job, tensor):
        sizes = job.parameters
        width = sizes["units"] * (1 + sizes["bidirectional"])
        self.is_ctc, self.shape, self.tensor = sizes["loss"] == "ctc", (sizes["classes"], width), tensor
        self.parameter_count = sizes["classes"] * width
        self.variable = v1.get_variable("head", self.shape[::-1])
        if self.is_ctc:
            self.labels = v1.sparse_placeholder(tensorflow.int32)
            rows = job.labels("y", sizes["batch"] * sizes["labels"], sizes["classes"] - 1)
            rows = numpy.reshape(rows, (sizes["batch"], sizes["labels"]))
            self.fed = v1.SparseTensorValue(list(numpy.ndindex(rows.shape)), rows.ravel(), rows.shape)
        else:
            self.labels = v1.placeholder(tensorflow.int32, (sizes["batch"],))
            self.fed = job.labels("y", sizes["batch"], sizes["classes"])

    def loss(self, outputs, lengths, time_major):
        if not self.is_ctc:
            logits = tensorflow.matmul(outputs[-1] if time_major else outputs[:, -1], self.variable)
            return tensorflow.reduce_mean(
                tensorflow.nn.sparse_softmax_cross_entropy_with_logits(labels=self.labels, logits=logits))
        flat = tensorflow.matmul(tensorflow.reshape(outputs, (-1, self.shape[1])), self.variable)
        logits = tensorflow.reshape(flat, [int(extent) for extent in outputs.shape[:2]] + [self.shape[0]])
        return tensorflow.reduce_sum(v1.nn.ctc_loss(self.labels, logits, lengths, time_major=time_major))

    def fill(self, session):
        value = numpy.roll(self.tensor("head", self.shape), -1 if self.is_ctc else 0, axis=0)
        session.run(self.variable.initializer, {self.variable.initializer.inputs[1]: value.T})

    def canonical(self, value):
        return {"head": numpy.roll(value.T, 1 if self.is_ctc else 0, axis=0)}
