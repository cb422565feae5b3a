"""One training step of an LSTM and one of a convolution in PyTorch. Python 2.7 and newer."""

import steps

np = steps.load("numpy")
torch = steps.load("torch")
nn = torch.nn


class LastOutput(nn.Module):
    """The class of a sequence out of the last output of an LSTM."""

    def __init__(self):
        nn.Module.__init__(self)
        self.lstm = nn.LSTM(steps.FEATURES, steps.UNITS, batch_first=True)
        self.out = nn.Linear(steps.UNITS, steps.CLASSES)

    def forward(self, batch):
        return self.out(self.lstm(batch)[0][:, -1])


class MeanOutput(nn.Module):
    """The class of an image out of the means of its filters."""

    def __init__(self):
        nn.Module.__init__(self)
        self.filters = nn.Conv2d(steps.CHANNELS, steps.FILTERS, steps.KERNEL)
        self.out = nn.Linear(steps.FILTERS, steps.CLASSES)

    def forward(self, batch):
        return self.out(torch.relu(self.filters(batch)).mean(3).mean(2))


def train(net, values, labels):
    adam = torch.optim.Adam(net.parameters(), steps.RATE)
    batch, right = torch.from_numpy(np.array(values, "float32")), torch.tensor(labels)

    def step():
        adam.zero_grad()
        loss = nn.functional.cross_entropy(net(batch), right)
        loss.backward()
        adam.step()
        return loss.item()

    return step


def lstm():
    return train(LastOutput(), steps.sequences(), steps.classes(steps.BATCH))


def convolution():
    return train(MeanOutput(), steps.pictures(), steps.classes(steps.IMAGES))


steps.report(torch.__version__, lstm=lstm, convolution=convolution)
