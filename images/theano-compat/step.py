"""One training step of an LSTM and one of a convolution in Lasagne on Theano. Python 2.7 and newer."""

import steps

np = steps.load("numpy")
theano = steps.load("theano")
lasagne = steps.load("lasagne")
theano.config.floatX = "float32"
layers = lasagne.layers


def train(net, values, labels):
    batch, right = np.array(values, "float32"), np.array(labels, "int32")
    probability = layers.get_output(net, theano.tensor.as_tensor_variable(batch))
    loss = lasagne.objectives.categorical_crossentropy(probability, right).mean()
    updates = lasagne.updates.adam(loss, layers.get_all_params(net, trainable=True), steps.RATE)
    return theano.function([], loss, updates=updates)


def lstm():
    net = layers.InputLayer((steps.BATCH, steps.TIME, steps.FEATURES))
    net = layers.LSTMLayer(net, steps.UNITS, only_return_final=True)
    net = layers.DenseLayer(net, steps.CLASSES, nonlinearity=lasagne.nonlinearities.softmax)
    return train(net, steps.sequences(), steps.classes(steps.BATCH))


def convolution():
    net = layers.InputLayer((steps.IMAGES, steps.CHANNELS, steps.SIDE, steps.SIDE))
    net = layers.GlobalPoolLayer(layers.Conv2DLayer(net, steps.FILTERS, steps.KERNEL))
    net = layers.DenseLayer(net, steps.CLASSES, nonlinearity=lasagne.nonlinearities.softmax)
    return train(net, steps.pictures(), steps.classes(steps.IMAGES))


steps.report(theano.__version__, lstm=lstm, convolution=convolution)
