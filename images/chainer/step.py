"""One training step of an LSTM and one of a convolution in Chainer. Python 3."""

import steps

np = steps.load("numpy")
chainer = steps.load("chainer")
F, L = chainer.functions, chainer.links


def train(links, logits, labels):
    net = chainer.ChainList(*links)
    adam = chainer.optimizers.Adam(steps.RATE).setup(net)
    right = np.array(labels, "int32")

    def step():
        loss = F.softmax_cross_entropy(logits(), right)
        net.cleargrads()
        loss.backward()
        adam.update()
        return loss.array

    return step


def lstm():
    cells = L.NStepLSTM(1, steps.FEATURES, steps.UNITS, 0.0)
    out = L.Linear(steps.UNITS, steps.CLASSES)
    batch = list(np.array(steps.sequences(), "float32"))
    return train((cells, out), lambda: out(cells(None, None, batch)[0][-1]), steps.classes(steps.BATCH))


def convolution():
    filters = L.Convolution2D(steps.CHANNELS, steps.FILTERS, steps.KERNEL)
    out = L.Linear(steps.FILTERS, steps.CLASSES)
    batch = np.array(steps.pictures(), "float32")
    return train((filters, out), lambda: out(F.mean(F.relu(filters(batch)), (2, 3))), steps.classes(steps.IMAGES))


steps.report(chainer.__version__, lstm=lstm, convolution=convolution)
