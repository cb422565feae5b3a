"""The nets of run_tensorflow.py: cells unrolled in a graph of TensorFlow 1, and layers of tf.keras in TensorFlow 2."""
from __future__ import absolute_import, division, print_function

import numpy
import tensorflow
from layouts import LAYOUTS, from_layout, join, split, to_layout
from settings_tensorflow import open_session, set_eager

KERAS = LAYOUTS["keras"]


class Unrolled(object):
    """BasicRNNCell or BasicLSTMCell, layer after layer, by static_rnn; x and y are variables on the device."""

    def __init__(self, job, x, y):
        self.sizes = job.parameters
        with tensorflow.Graph().as_default():
            self.build(job, x, y)

    def build(self, job, x, y):
        v1 = tensorflow
        make = v1.nn.rnn_cell.BasicRNNCell if self.sizes["cell"] == "rnn" else v1.nn.rnn_cell.BasicLSTMCell
        fed = [v1.placeholder("float32", value.shape) for value in (x, y)]
        kept = [v1.Variable(place, trainable=False) for place in fed]
        outputs = v1.unstack(kept[0])
        for layer in range(self.sizes["layers"]):
            with v1.variable_scope("layer%d" % layer):
                outputs, _ = v1.nn.static_rnn(make(self.sizes["units"]), outputs, dtype="float32")
        found = outputs[-1] if self.sizes["outputs"] == "last" else v1.stack(outputs)
        self.loss = v1.reduce_mean(v1.square(found - kept[1]))
        self.variables = v1.trainable_variables()  # kernel and bias of each layer
        self.slopes = v1.gradients(self.loss, self.variables)
        rate = self.sizes["rate"]
        optimizer = v1.train.GradientDescentOptimizer(rate)
        update = optimizer.apply_gradients(zip(self.slopes, self.variables)) if rate else None
        self.train = update or v1.group(*[slope.op for slope in self.slopes])  # run and left where they are
        self.session = open_session(job)
        self.session.run(v1.global_variables_initializer(), dict(zip(fed, (x, y))))

    def fill(self, values):
        self.first = []
        for layer in range(self.sizes["layers"]):
            weights, recurrent, bias = (values["layer.%d.%s" % (layer, name)]
                                        for name in ("input", "recurrent", "bias_input"))
            if self.sizes["cell"] == "rnn":
                self.first += [numpy.concatenate([weights.T, recurrent.T]), bias]
            else:
                layout = LAYOUTS["tensorflow_cell"]
                self.first += [join(weights, recurrent, layout), to_layout(bias, layout)]
        self.restore()

    def restore(self):
        for variable, value in zip(self.variables, self.first):
            variable.load(value, self.session)

    def forward(self):
        return self.session.run(self.loss)

    def step(self):
        return self.session.run([self.loss, self.train])[0]

    def gradients(self):
        """Run the gradients that the step applies once more at the first weights: they are not kept."""
        self.restore()
        found, values = {}, self.session.run(self.slopes)
        for layer, (kernel, bias) in enumerate(zip(values[::2], values[1::2])):
            width = len(kernel) - self.sizes["units"]
            if self.sizes["cell"] == "rnn":
                parts = [part.T for part in numpy.split(kernel, [width])] + [bias]
            else:
                layout = LAYOUTS["tensorflow_cell"]
                parts = list(split(kernel, width, layout)) + [from_layout(bias, layout)]
            found.update(("layer.%d.%s" % (layer, name), part)
                         for name, part in zip(("input", "recurrent", "bias_input"), parts))
        return found


class Keras(object):
    """tf.keras.layers.SimpleRNN or LSTM in a tf.function; batch-major: what is turned is turned before the step."""

    def __init__(self, job, x, y):
        set_eager(job)
        self.sizes, keras = job.parameters, tensorflow.keras.layers
        make = keras.SimpleRNN if self.sizes["cell"] == "rnn" else keras.LSTM
        count, only_last, rate = self.sizes["layers"], self.sizes["outputs"] == "last", self.sizes["rate"]
        layers = [make(self.sizes["units"], return_sequences=number < count - 1 or not only_last)
                  for number in range(count)]
        x, y = tensorflow.constant(x.swapaxes(0, 1)), tensorflow.constant(y if only_last else y.swapaxes(0, 1))

        def loss():
            outputs = x
            for layer in layers:
                outputs = layer(outputs)
            return tensorflow.reduce_mean(tensorflow.square(outputs - y))

        loss()  # makes the variables
        self.variables = [getattr(variable, "value", variable) for layer in layers for variable in layer.weights]

        def step():
            with tensorflow.GradientTape() as tape:
                value = loss()
            slopes = tape.gradient(value, self.variables)
            if rate:
                for variable, slope in zip(self.variables, slopes):
                    variable.assign_sub(rate * slope)
            return value, slopes

        self.forward, self.run, self.slopes = tensorflow.function(loss), tensorflow.function(step), None

    def fill(self, values):
        names = ["layer.%d.%s" % (layer, name) for layer in range(self.sizes["layers"])
                 for name in ("input", "recurrent", "bias_input")]
        self.names = dict(zip(names, self.variables))
        for name, variable in self.names.items():
            variable.assign(values[name].T if self.sizes["cell"] == "rnn" else to_layout(values[name], KERAS))

    def step(self):
        value, self.slopes = self.run()
        return value

    def gradients(self):
        found = dict(zip(self.names, (slope.numpy() for slope in self.slopes)))
        return dict((name, value.T if self.sizes["cell"] == "rnn" else from_layout(value, KERAS))
                    for name, value in found.items())
