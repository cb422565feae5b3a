"""One training step of an LSTM in PyTensor, which has no layers of convolutions. Python 3.

PyTensor itself has no Adam: plain gradient descent.
"""

import steps

np = steps.load("numpy")
pytensor = steps.load("pytensor")
pt = steps.load("pytensor.tensor")
RATE = 0.1


def random(*shape):
    return pytensor.shared(np.random.RandomState(len(shape)).uniform(-0.05, 0.05, shape).astype("float32"))


def lstm():
    weights = [random(steps.FEATURES + steps.UNITS, 4 * steps.UNITS), random(steps.UNITS, steps.CLASSES)]
    batch = pt.tensor("batch", dtype="float32", shape=(steps.TIME, steps.BATCH, steps.FEATURES))
    values = np.array(steps.sequences(), "float32").transpose(1, 0, 2)
    labels = np.array(steps.classes(steps.BATCH))

    def cell(here, output, memory):
        gates = pt.concatenate([here, output], 1) @ weights[0]
        i, f, g, o = (gates[:, number * steps.UNITS : (number + 1) * steps.UNITS] for number in range(4))
        memory = pt.sigmoid(f) * memory + pt.sigmoid(i) * pt.tanh(g)
        return pt.sigmoid(o) * pt.tanh(memory), memory

    zeros = pt.zeros((steps.BATCH, steps.UNITS), dtype="float32")
    outputs = pytensor.scan(cell, sequences=[batch], outputs_info=[zeros, zeros], return_updates=False)[0]
    logits = outputs[-1] @ weights[1]
    loss = -pt.special.log_softmax(logits, 1)[np.arange(steps.BATCH), labels].mean()
    slopes = pt.grad(loss, weights)
    updates = {weights[number]: weights[number] - np.float32(RATE) * slopes[number] for number in (0, 1)}
    step = pytensor.function([batch], loss, updates=updates)
    return lambda: step(values)


steps.report(pytensor.__version__, lstm=lstm)
