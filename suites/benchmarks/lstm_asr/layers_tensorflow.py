"""The LSTM of tf.keras in TensorFlow 2, in a compiled function: the nearest to the study's implementations there."""
from __future__ import absolute_import, division, print_function

import harness
import numpy
import tensorflow as tf
from layouts import LAYOUTS, from_layout, to_layout
from settings_tensorflow import set_eager, set_flags

LAYERS = {
    "tf_keras_lstm": lambda units, **options: tf.keras.layers.LSTM(units, **options),
    "tf_keras_rnn": lambda units, **options: tf.keras.layers.RNN(tf.keras.layers.LSTMCell(units), **options),
}
KINDS = ("input", "recurrent", "bias_input")
LAYOUT = LAYOUTS["keras"]


def make_nets(job):
    """Return the layers with the canonical names of their weights: [(layer, [lstm.0.input ...])]."""
    sizes, make = job.parameters, LAYERS[job.implementation]
    if sizes["layers"] == 1 and not sizes["bidirectional"]:
        return [(make(sizes["units"]), ["lstm.0." + kind for kind in KINDS])]
    nets = []
    for layer in range(sizes["layers"]):
        names = ["lstm.%d.%s%s" % (layer, direction, kind) for direction in ("", "reverse.") for kind in KINDS]
        nets.append((tf.keras.layers.Bidirectional(make(sizes["units"], return_sequences=True)), names))
    return nets


def make_model(job, tensor):
    """Return a function from x to the logits, the weights and their canonical names."""
    sizes, nets = job.parameters, make_nets(job)
    width, rows, weights, all_names = sizes["features"], 4 * sizes["units"], [], []
    for layer, names in nets:
        layer.build((sizes["batch"], sizes["steps"], width))
        shapes = {"input": (rows, width), "recurrent": (rows, sizes["units"]), "bias_input": (rows,)}
        layer.set_weights([to_layout(tensor(name, shapes[name.split(".")[-1]]), LAYOUT) for name in names])
        width = sizes["units"] * (1 + sizes["bidirectional"])
        weights, all_names = weights + list(layer.trainable_weights), all_names + names
    head = tf.keras.layers.Dense(sizes["classes"], use_bias=False)
    head.build((sizes["batch"], width))
    head.set_weights([tensor("head", (sizes["classes"], width)).T])

    def model(x):
        for layer, _ in nets:
            x = layer(x)
        return head(x if len(x.shape) == 2 else x[:, -1])

    return model, weights + list(head.trainable_weights), all_names + ["head"]


def setup_layers(job, tensor, x):
    sizes = job.parameters
    if sizes["loss"] != "cross_entropy" or job.traits["biases"] != 1:
        raise ValueError("these layers have one bias, and here cross_entropy")
    facts = set_flags(job)
    set_eager(job)
    x = numpy.ascontiguousarray(x.transpose(1, 0, 2))
    y = numpy.array(job.labels("y", sizes["batch"], sizes["classes"]), numpy.int32)
    model, weights, names = make_model(job, tensor)
    optimizer = tf.keras.optimizers.Adam(learning_rate=1e-3)
    last = {}

    @tf.function
    def update(x, y):
        with tf.GradientTape() as tape:
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=model(x))
            loss = tf.reduce_mean(losses)
        found = tape.gradient(loss, weights)
        optimizer.apply_gradients(zip(found, weights))
        return loss, found

    def train_step():
        loss, last["gradients"] = update(tf.constant(x), tf.constant(y))
        last["loss"] = float(loss)  # the copy to the host waits for all that was queued

    def gradients():
        found = {}
        for name, value in zip(names, last["gradients"]):
            value = value.numpy()
            found[name] = (value.T if name == "head" else from_layout(value, LAYOUT)).ravel().tolist()
        return found

    return harness.Workload(
        steps={"train_step": train_step}, fetch=lambda: last["loss"], gradients=gradients, facts=facts,
        sync_name="the loss on the host", parameter_count=sum(int(numpy.prod(weight.shape)) for weight in weights))
