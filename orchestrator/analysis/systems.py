"""What the columns of a table are called: versions of one framework, or systems of several."""

from collections import Counter
from collections.abc import Mapping, Sequence

from orchestrator.analysis.columns import Column, setups_of

# Family -> framework as its makers write it, and what sets the family apart from another of the same framework.
# A family that is not here goes by its own name.
FAMILIES = {
    "caffe": ("Caffe", ""),
    "ccv": ("ccv", ""),
    "chainer": ("Chainer", ""),
    "cntk": ("CNTK", ""),
    "jax": ("JAX", ""),
    "keras-tensorflow": ("Keras", " on TensorFlow"),
    "keras-theano": ("Keras", " on Theano"),
    "lasagne": ("Lasagne", ""),  # of published times: it has no images of its own
    "mxnet": ("MXNet", ""),
    "paddle": ("Paddle", ""),
    "pytensor": ("PyTensor", ""),
    "pytorch": ("PyTorch", ""),
    "tensorflow": ("TensorFlow", ""),
    "tensorflow1": ("TensorFlow", ""),
    "tensorflow2": ("TensorFlow", ""),
    "theano": ("Theano", ""),
    "theano-compat": ("Theano", " compat"),  # an old release on a new CUDA: never one line with the original
    "torch7": ("Torch7", ""),
}


def framework_of(family: str) -> str:
    """Return a family's framework as its makers write it."""
    return FAMILIES.get(family, (family, ""))[0]


def what_sets_apart(family: str) -> str:
    """Return what is said of a family besides its framework: ` on Theano`, or nothing."""
    return FAMILIES.get(family, (family, ""))[1]


def label_images(columns: Sequence[Column]) -> tuple[str, ...]:
    """Label columns across images; the family is named only where there are several."""
    several = len({column.family for column in columns}) > 1
    return _told_apart([f"{column.family} {column.label}" if several else column.label for column in columns], columns)


def label_systems(columns: Sequence[Column], labels: Mapping[str, str]) -> tuple[str, ...]:
    """Label columns across systems: `TensorFlow 1.8.0 LSTMBlockFusedCell`, and the build where it is not the CPU's.

    labels: implementation -> the study's name for it.
    """
    return _told_apart([_system(column, labels) for column in columns], columns)


def _system(column: Column, labels: Mapping[str, str]) -> str:
    implementation = labels.get(column.implementation or "", column.implementation or "")
    build = f", {column.build}" if column.build else ""
    image = f"{framework_of(column.family)} {column.version}{what_sets_apart(column.family)}"
    return f"{image.rstrip()} {implementation}{build}"


def _told_apart(names: Sequence[str], columns: Sequence[Column]) -> tuple[str, ...]:
    """Name the setup where there are several, and never give two columns one name."""
    setups = setups_of(columns)
    numbers = [setups.index(column.setup) + 1 if column.setup and len(setups) > 1 else 0 for column in columns]
    told = [f"{name}, setup {number}" if number else name for name, number in zip(names, numbers, strict=True)]
    repeated = Counter(told)
    # The same release in two variants without a name of their own.
    return tuple(name if repeated[name] == 1 else f"{name} ({index})" for index, name in enumerate(told, start=1))
