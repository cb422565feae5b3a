"""One training step of an LSTM and one of a convolution in PaddlePaddle. Python 3."""

import steps

np = steps.load("numpy")
paddle = steps.load("paddle")
nn = paddle.nn


class LastOutput(nn.Layer):
    """The class of a sequence out of the last output of an LSTM."""

    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(steps.FEATURES, steps.UNITS)
        self.out = nn.Linear(steps.UNITS, steps.CLASSES)

    def forward(self, batch):
        return self.out(self.lstm(batch)[0][:, -1])


def train(net, values, labels):
    adam = paddle.optimizer.Adam(steps.RATE, parameters=net.parameters())
    loss_of = nn.CrossEntropyLoss()
    batch, labels = paddle.to_tensor(np.array(values, "float32")), paddle.to_tensor(labels)

    def step():
        loss = loss_of(net(batch), labels)
        loss.backward()
        adam.step()
        adam.clear_grad()
        return loss.item()

    return step


def lstm():
    return train(LastOutput(), steps.sequences(), steps.classes(steps.BATCH))


def convolution():
    layers = (
        nn.Conv2D(steps.CHANNELS, steps.FILTERS, steps.KERNEL),
        nn.ReLU(),
        nn.AdaptiveAvgPool2D(1),
        nn.Flatten(),
        nn.Linear(steps.FILTERS, steps.CLASSES),
    )
    return train(nn.Sequential(*layers), steps.pictures(), steps.classes(steps.IMAGES))


steps.report(paddle.__version__, lstm=lstm, convolution=convolution)
