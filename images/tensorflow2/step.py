"""One training step of an LSTM and one of a convolution in tf.keras. Python 3."""

import steps

np = steps.load("numpy")
tf = steps.load("tensorflow")
keras = tf.keras


def train(layers, batch, labels):
    net = keras.Sequential(layers)
    adam = keras.optimizers.Adam(steps.RATE)
    net.compile(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True), optimizer=adam)
    return lambda: net.train_on_batch(batch, labels)


def lstm():
    layers = [keras.layers.LSTM(steps.UNITS), keras.layers.Dense(steps.CLASSES)]
    return train(layers, np.array(steps.sequences(), "float32"), np.array(steps.classes(steps.BATCH)))


def convolution():
    layers = [
        keras.layers.Conv2D(steps.FILTERS, steps.KERNEL, activation="relu"),
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(steps.CLASSES),
    ]
    batch = np.array(steps.pictures(), "float32").transpose(0, 2, 3, 1)
    return train(layers, batch, np.array(steps.classes(steps.IMAGES)))


steps.report(tf.__version__, lstm=lstm, convolution=convolution)
