"""Time one training step of an LSTM and one of a convolution. Python 2.7 and newer, standard library only.

A family's `step.py` makes the two in its framework; `make images-check` runs it in each image, on one core.
"""

import importlib
import json
import random
import time

clock = getattr(time, "perf_counter", time.time)

# The LSTM: sequences in, the class of each out of its last output.
BATCH, TIME, FEATURES, UNITS, CLASSES = 64, 100, 123, 320, 10
# The convolution: images in, filters, ReLU, the mean of each over all places, the class out of these.
IMAGES, CHANNELS, SIDE, FILTERS, KERNEL = 16, 3, 64, 32, 5
RATE = 1e-3  # of Adam

found = {"import_s": 0.0}


def load(module):
    """Import a module, and count how long it took."""
    begin = clock()
    imported = importlib.import_module(module)
    found["import_s"] += clock() - begin
    return imported


def sequences():
    """Return a batch of sequences as nested lists, batch x time x features."""
    draw = random.Random(1).gauss
    return [[[draw(0, 1) for _ in range(FEATURES)] for _ in range(TIME)] for _ in range(BATCH)]


def pictures():
    """Return a batch of images as nested lists, images x channels x side x side."""
    draw = random.Random(2).gauss
    return [[[[draw(0, 1) for _ in range(SIDE)] for _ in range(SIDE)] for _ in range(CHANNELS)] for _ in range(IMAGES)]


def classes(count):
    """Return the right class of each of a batch."""
    return [number % CLASSES for number in range(count)]


def report(version, **makers):
    """Make each net, train it on one batch, and write how long a step took and what the losses were.

    makers: name -> function that makes a net and returns a step; a step trains once and returns the loss before it.
    """
    found["version"] = version
    for name, make in sorted(makers.items()):
        begin = clock()
        step = make()
        losses = [float(step())]  # the first step compiles
        first_s = clock() - begin
        losses.append(float(step()))
        begin = clock()
        losses.append(float(step()))
        step_s = clock() - begin
        losses.append(float(step()))
        found[name] = {"first_s": first_s, "step_s": step_s, "losses": losses}
    with open("out/step.json", "w") as file:
        json.dump(found, file)
