"""One training step of an LSTM and one of a convolution in Keras. Python 3."""

import steps

np = steps.load("numpy")
keras = steps.load("keras")


def train(layers, values, labels):
    net = keras.models.Sequential(layers)
    net.compile(keras.optimizers.Adam(steps.RATE), "categorical_crossentropy")
    batch, right = np.array(values, "float32"), np.eye(steps.CLASSES)[labels]
    return lambda: net.train_on_batch(batch, right)


def lstm():
    recurrent = keras.layers.LSTM(steps.UNITS, input_shape=(steps.TIME, steps.FEATURES))
    layers = [recurrent, keras.layers.Dense(steps.CLASSES, activation="softmax")]
    return train(layers, steps.sequences(), steps.classes(steps.BATCH))


def convolution():
    shape = (steps.SIDE, steps.SIDE, steps.CHANNELS)
    layers = [
        keras.layers.Conv2D(steps.FILTERS, steps.KERNEL, activation="relu", input_shape=shape),
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(steps.CLASSES, activation="softmax"),
    ]
    return train(layers, np.moveaxis(np.array(steps.pictures()), 1, 3), steps.classes(steps.IMAGES))


steps.report(keras.__version__, lstm=lstm, convolution=convolution)
