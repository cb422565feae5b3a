"""One training step of an LSTM and one of a convolution in CNTK. Python 3."""

import steps

np = steps.load("numpy")
C = steps.load("cntk")
C.cntk_py.set_max_num_cputhreads(1)  # it counts the processors of the machine, not those it may use


def train(shape, model, values, labels):
    values, right = np.array(values, "float32"), np.eye(steps.CLASSES, dtype="float32")[labels]
    batch, target = shape, C.input_variable(steps.CLASSES)
    logits = model(batch)
    loss = C.cross_entropy_with_softmax(logits, target)
    rate = C.learning_parameter_schedule(steps.RATE, minibatch_size=len(labels))
    adam = C.adam(logits.parameters, rate, C.momentum_schedule(0.9, minibatch_size=len(labels)), unit_gain=False)
    trainer = C.Trainer(logits, loss, [adam])

    def step():
        trainer.train_minibatch({batch: values, target: right})
        return trainer.previous_minibatch_loss_average

    return step


def lstm():
    last = C.layers.Fold(C.layers.LSTM(steps.UNITS))
    model = C.layers.Sequential([last, C.layers.Dense(steps.CLASSES)])
    batch = C.sequence.input_variable(steps.FEATURES)
    return train(batch, model, steps.sequences(), steps.classes(steps.BATCH))


def convolution():
    model = C.layers.Sequential(
        [
            C.layers.Convolution2D((steps.KERNEL, steps.KERNEL), steps.FILTERS, activation=C.relu),
            C.layers.GlobalAveragePooling(),
            C.layers.Dense(steps.CLASSES),
        ]
    )
    batch = C.input_variable((steps.CHANNELS, steps.SIDE, steps.SIDE))
    return train(batch, model, steps.pictures(), steps.classes(steps.IMAGES))


steps.report(C.__version__, lstm=lstm, convolution=convolution)
