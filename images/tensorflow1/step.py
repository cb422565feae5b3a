"""One training step of an LSTM and one of a convolution in a graph of TensorFlow 1. Python 2.7 and newer."""

import steps

np = steps.load("numpy")
tf = steps.load("tensorflow")


def train(logits, batch, labels, values):
    loss = tf.losses.sparse_softmax_cross_entropy(np.array(labels), logits)
    update = tf.train.AdamOptimizer(steps.RATE).minimize(loss)
    session = tf.Session()
    session.run(tf.global_variables_initializer())
    return lambda: session.run((loss, update), {batch: values})[0]


def lstm():
    values = np.array(steps.sequences(), "float32")
    batch = tf.placeholder("float32", values.shape)
    with tf.variable_scope("lstm"):
        outputs, _ = tf.nn.dynamic_rnn(tf.nn.rnn_cell.LSTMCell(steps.UNITS), batch, dtype="float32")
        logits = tf.layers.dense(outputs[:, -1], steps.CLASSES)
    return train(logits, batch, steps.classes(steps.BATCH), values)


def convolution():
    values = np.array(steps.pictures(), "float32").transpose(0, 2, 3, 1)
    batch = tf.placeholder("float32", values.shape)
    with tf.variable_scope("convolution"):
        filtered = tf.layers.conv2d(batch, steps.FILTERS, steps.KERNEL, activation=tf.nn.relu)
        logits = tf.layers.dense(tf.reduce_mean(filtered, [1, 2]), steps.CLASSES)
    return train(logits, batch, steps.classes(steps.IMAGES), values)


steps.report(tf.__version__, lstm=lstm, convolution=convolution)
