"""The study itself on the frameworks that others name or would name, in containers: its gate, and planted faults.

PyTorch, TensorFlow 1 and Keras on it have files of their own. Chainer is always tried: 70 MB. The others are built and
compile for minutes: `--run-large`, or `make frameworks-check`.
"""

import re
from collections.abc import Iterable

import pytest

from orchestrator.errors import Exit
from tests.one_image import run_on_one_image
from tests.toy_project import ROOT, Toy, edit

pytestmark = pytest.mark.docker
BENCHMARK, CONFIGURATION = "lstm_asr", "1x320/CE-short"
ALWAYS = "chainer-7.8.1"
IMPLEMENTATIONS = {
    ALWAYS: ("chainer_nstep_lstm", "chainer_lstm"),
    "theano-1.0.1": ("lasagne_lstm",),
    "mxnet-1.9.1": ("mxnet_lstm", "mxnet_lstmcell"),
    "cntk-2.7": ("cntk_lstm",),
    "pytensor-3.3.7": ("pytensor_scan",),
    "jax-0.12.0.1": ("scan_lstm",),
    "keras-theano-2.1.6": ("keras_lstm",),
    "tensorflow2-2.21.0": ("raw_block_lstm", "tf_keras_lstm", "tf_keras_rnn"),
}
STACKED = {
    "theano-1.0.1": ("lasagne_lstm",),
    "mxnet-1.9.1": ("mxnet_lstm",),
    "tensorflow2-2.21.0": ("tf_keras_lstm", "tf_keras_rnn"),
}
SWAPPED = "swapped gates"
FAULTS = {
    (ALWAYS, SWAPPED): (
        ("layouts.py", r'"chainer_nstep": Layout\("ifgo"', '"chainer_nstep": Layout("figo"'),
        ("layouts.py", r'"chainer_lstm": Layout\("gifo"', '"chainer_lstm": Layout("ifgo"'),
    ),
    (ALWAYS, "interleaved gates side by side"): (
        ("layouts.py", r"False, False, interleaved=True", "False, False, interleaved=False"),
    ),
    (ALWAYS, "dropped bias"): (
        ("lstm_asr/run_chainer.py", r"one\.array\[\.\.\.\] = piece", "one.array[...] = (piece.ndim > 1) * piece"),
    ),
    ("theano-1.0.1", SWAPPED): (("layouts.py", r'"lasagne": Layout\("ifgo"', '"lasagne": Layout("figo"'),),
    ("theano-1.0.1", "dropped peepholes"): (
        ("lstm_asr/run_theano.py", r"part\.set_value\(", 'part.set_value(("peephole" not in name) * '),
    ),
    ("mxnet-1.9.1", SWAPPED): (("layouts.py", r'"mxnet": Layout\("ifgo"', '"mxnet": Layout("ifog"'),),
    ("mxnet-1.9.1", "dropped bias"): (
        ("lstm_asr/run_mxnet.py", r"weight\.set_data\(", 'weight.set_data(("bias" not in name) * '),
    ),
    ("cntk-2.7", SWAPPED): (("layouts.py", r'"cntk": Layout\("igfo"', '"cntk": Layout("ifgo"'),),
    ("cntk-2.7", "dropped bias"): (
        ("lstm_asr/run_cntk.py", r"(weight\.shape\[::-1\], bound\))", r'\1 * ("bias" not in name)'),
    ),
    ("pytensor-3.3.7", SWAPPED): (("layouts.py", r'"pytensor": Layout\("ifgo"', '"pytensor": Layout("ifog"'),),
    ("pytensor-3.3.7", "dropped bias"): (
        ("lstm_asr/run_pytensor.py", r'\+ weights\["lstm\.0\.bias_input"\]', '+ 0 * weights["lstm.0.bias_input"]'),
    ),
    ("jax-0.12.0.1", SWAPPED): (
        ("lstm_asr/run_jax.py", r"i, f, g, o = jnp\.split\(gates", "i, f, o, g = jnp.split(gates"),
    ),
    ("jax-0.12.0.1", "dropped bias"): (
        ("lstm_asr/run_jax.py", r'gates \+ weights\["lstm\.0\.bias_input"\]', "gates"),
    ),
    ("keras-theano-2.1.6", SWAPPED): (("layouts.py", r'"keras": Layout\("ifgo"', '"keras": Layout("figo"'),),
    ("keras-theano-2.1.6", "dropped bias"): (
        ("lstm_asr/run_keras.py", r"biases = numpy\.concatenate", "biases = 0 * numpy.concatenate"),
    ),
    ("tensorflow2-2.21.0", SWAPPED): (
        ("layouts.py", r'"keras": Layout\("ifgo"', '"keras": Layout("figo"'),
        ("layouts.py", r'"tensorflow_cell": Layout\("igfo"', '"tensorflow_cell": Layout("ifgo"'),
    ),
    ("tensorflow2-2.21.0", "dropped bias"): (
        ("lstm_asr/nets_tensorflow.py", r"return to_layout\(self", "return 0 * to_layout(self"),
        ("lstm_asr/layers_tensorflow.py", r"\[to_layout\(tensor", '[("bias" not in name) * to_layout(tensor'),
    ),
}  # fmt: skip


def cases(rows: Iterable[tuple[str, *tuple[object, ...]]]) -> list[object]:
    """One case for each image and what is tried in it; those that take minutes are marked so."""
    marks = {ALWAYS: ()}
    return [pytest.param(*row, marks=marks.get(row[0], pytest.mark.large)) for row in rows]


@pytest.mark.parametrize("image", cases((image,) for image in IMPLEMENTATIONS))
def test_every_implementation_passes_the_gate_and_is_measured(project: Toy, image: str) -> None:
    exit_code, found = run_on_one_image(project, image, IMPLEMENTATIONS[image], BENCHMARK, CONFIGURATION)

    assert found == {(name, "ok") for name in IMPLEMENTATIONS[image]}
    assert exit_code == Exit.OK


@pytest.mark.parametrize(("image", "names"), cases(STACKED.items()))
def test_stacked_nets_pass_the_gate_and_are_measured(project: Toy, image: str, names: tuple[str, ...]) -> None:
    exit_code, found = run_on_one_image(project, image, names, BENCHMARK, "4x320/CE-long")

    assert found == {(name, "ok") for name in names}
    assert exit_code == Exit.OK


@pytest.mark.parametrize(("image", "fault"), cases(FAULTS))
def test_a_planted_fault_is_refused_by_the_gate_and_not_measured(project: Toy, image: str, fault: str) -> None:
    names = IMPLEMENTATIONS[image]
    if fault.startswith("interleaved"):
        names = ("chainer_lstm",)
    for script, good, bad in FAULTS[image, fault]:
        edit(project.project / "suites" / "benchmarks" / script, good, bad)

    exit_code, found = run_on_one_image(project, image, names, BENCHMARK, CONFIGURATION)

    assert found == {(name, "invalid") for name in names}
    assert exit_code == Exit.LAUNCHES_FAILED


def test_every_fault_can_still_be_planted_in_one_place() -> None:
    for (image, _), edits in FAULTS.items():
        for script, good, bad in edits:
            text = (ROOT / "suites" / "benchmarks" / script).read_text(encoding="utf-8")
            assert len(re.findall(good, text)) == 1, (image, good)
            assert re.sub(good, bad, text) != text
