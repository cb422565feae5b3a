"""One training step of an LSTM and one of a convolution in Gluon. Python 3."""

import steps

np = steps.load("numpy")
mx = steps.load("mxnet")
gluon, nn = mx.gluon, mx.gluon.nn


class LastOutput(gluon.Block):
    """The class of a sequence out of the last output of an LSTM."""

    def __init__(self):
        super().__init__()
        with self.name_scope():
            self.lstm = gluon.rnn.LSTM(steps.UNITS, layout="NTC", input_size=steps.FEATURES)
            self.out = nn.Dense(steps.CLASSES, in_units=steps.UNITS)

    def forward(self, batch):
        return self.out(self.lstm(batch)[:, -1])


def train(net, values, labels):
    net.initialize(mx.init.Xavier())
    trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": steps.RATE})
    loss_of = gluon.loss.SoftmaxCrossEntropyLoss()
    batch, labels = mx.nd.array(np.array(values, "float32")), mx.nd.array(labels)

    def step():
        with mx.autograd.record():
            loss = loss_of(net(batch), labels)
        loss.backward()
        trainer.step(len(labels))
        mx.nd.waitall()
        return loss.mean().asscalar()

    return step


def lstm():
    return train(LastOutput(), steps.sequences(), steps.classes(steps.BATCH))


def convolution():
    net = nn.Sequential()
    net.add(nn.Conv2D(steps.FILTERS, steps.KERNEL, activation="relu", in_channels=steps.CHANNELS))
    net.add(nn.GlobalAvgPool2D(), nn.Dense(steps.CLASSES, in_units=steps.FILTERS))
    return train(net, steps.pictures(), steps.classes(steps.IMAGES))


steps.report(mx.__version__, lstm=lstm, convolution=convolution)
