"""The two studies of recurrent layers, in containers: faults of the studies planted in every framework they are run in.

`--run-large`, or `make frameworks-check`: Torch 7 is built from source, and Theano compiles for minutes.
"""

import pytest

from orchestrator.errors import Exit
from tests.one_image import run_on_one_image
from tests.toy_project import Toy, edit

pytestmark = [pytest.mark.docker, pytest.mark.large]
BENCHMARK, ONE_LAYER, THREE_LAYERS = "rnn_regression", "lstm/h100/b20", "3x512/b128/t30"
IMPLEMENTATIONS = {
    "theano-1.0.1": ("theano_fastlstm",),
    "torch7-7.0": ("torch7_lstm", "torch7_fastlstm", "torch7_seqlstm"),
    "pytorch-1.0.1": ("cudnn_lstm", "lstmcell_fused"),
    "tensorflow1-1.8.0": ("basic_lstm",),
    "tensorflow2-2.21.0": ("keras_lstm",),
    "jax-0.12.0.1": ("scan_lstm",),
}
GATES, BIAS = "gates in another order", "dropped bias"
FAULTS = {
    ("theano-1.0.1", GATES): (
        ("layouts.py", r'"theano_fastlstm": Layout\("ifog"', '"theano_fastlstm": Layout("ifgo"'),
    ),
    ("torch7-7.0", GATES): (
        ("rnn_regression/nets_torch7.lua", r"\{'i', 'f', 'g', 'o'\}", "{'f', 'i', 'g', 'o'}"),
        ("rnn_regression/nets_torch7.lua", r"lstm\.inputGate, lstm\.forgetGate", "lstm.forgetGate, lstm.inputGate"),
    ),
    ("torch7-7.0", BIAS): (
        ("rnn_regression/run_torch7.lua", r"\+ 1, rows\)\) end", "+ 1, rows)):mul(name:find('bias') and 0 or 1) end"),
    ),
    ("pytorch-1.0.1", GATES): (
        ("rnn_regression/run_pytorch.py", r"copy_\((tensor\(name.*\))\)$",
         r"copy_(torch.from_numpy(numpy.roll(\1.numpy(), units, 0)))"),
    ),
    ("tensorflow1-1.8.0", GATES): (
        ("layouts.py", r'"tensorflow_cell": Layout\("igfo"', '"tensorflow_cell": Layout("ifgo"'),
    ),
    ("tensorflow2-2.21.0", GATES): (("layouts.py", r'"keras": Layout\("ifgo"', '"keras": Layout("figo"'),),
    ("jax-0.12.0.1", GATES): (
        ("rnn_regression/run_jax.py", r"i, f, g, o = jnp\.split\(", "i, f, o, g = jnp.split("),
    ),
    ("jax-0.12.0.1", BIAS): (("rnn_regression/run_jax.py", r' \+ w\[layer \+ "bias_input"\]', ""),),
}  # fmt: skip
# What the second study did in Theano at three layers.
OF_THE_STUDY = {
    "gradients of the last layer only": (
        (r"theano\.grad\(loss, weights\)",
         "[slope * numpy.float32(3 * i >= 2 * len(weights)) for i, slope in enumerate(theano.grad(loss, weights))]"),
    ),
    "batch taken for time": (
        (r"Tensors\(sizes\[\"cell\"\], job\.implementation\), x",
         'Tensors(sizes["cell"], job.implementation), x.dimshuffle(1, 0, 2)'),
        (r'T\.zeros\(\(sizes\["batch"\], sizes\["units"\]\)\)', 'T.zeros((sizes["steps"], sizes["units"]))'),
        (r"return net, outputs\n\n", "return net, outputs.dimshuffle(1, 0, 2)\n\n"),
    ),
}  # fmt: skip
THEANO = "rnn_regression/run_theano.py"


@pytest.mark.parametrize("configuration", [ONE_LAYER, THREE_LAYERS])
@pytest.mark.parametrize("image", IMPLEMENTATIONS)
def test_every_implementation_passes_the_gate_and_is_measured(project: Toy, image: str, configuration: str) -> None:
    names = tuple(name for name in IMPLEMENTATIONS[image] if configuration == ONE_LAYER or is_stacked(name))

    exit_code, found = run_on_one_image(project, image, names, BENCHMARK, configuration)

    assert found == {(name, "ok") for name in names}
    assert exit_code == Exit.OK


@pytest.mark.parametrize(("image", "fault"), FAULTS)
def test_a_planted_fault_is_refused_by_the_gate_and_not_measured(project: Toy, image: str, fault: str) -> None:
    for script, good, bad in FAULTS[image, fault]:
        edit(project.project / "suites" / "benchmarks" / script, good, bad)

    exit_code, found = run_on_one_image(project, image, IMPLEMENTATIONS[image], BENCHMARK, ONE_LAYER)

    assert found == {(name, "invalid") for name in IMPLEMENTATIONS[image]}
    assert exit_code == Exit.LAUNCHES_FAILED


@pytest.mark.parametrize("fault", OF_THE_STUDY)
def test_what_the_study_did_in_theano_is_refused_by_the_gate(project: Toy, fault: str) -> None:
    for good, bad in OF_THE_STUDY[fault]:
        edit(project.project / "suites" / "benchmarks" / THEANO, good, bad)

    exit_code, found = run_on_one_image(project, "theano-1.0.1", ("theano_fastlstm",), BENCHMARK, THREE_LAYERS)

    assert found == {("theano_fastlstm", "invalid")}
    assert exit_code == Exit.LAUNCHES_FAILED


def is_stacked(implementation: str) -> bool:
    """Return whether the second study's stacked nets are run with it."""
    return implementation not in {"torch7_lstm", "torch7_seqlstm"}
