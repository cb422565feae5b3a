"""The study itself on Chainer, Lasagne, MXNet, CNTK and PyTensor, in containers: its gate, and planted faults.

Chainer is always tried: 70 MB. The others are built and compile for minutes: `--run-large`, or `make frameworks-check`.
"""

import re
from collections.abc import Iterable

import pytest

from orchestrator.errors import Exit
from tests.bench import shrink
from tests.toy_project import ROOT, Toy, edit

pytestmark = pytest.mark.docker
SUITE = """
suite: others
title: The study's LSTM elsewhere
study: braun2018
images: [{image}]
benchmarks:
  - {{benchmark: lstm_asr, implementations: [{implementations}], configurations: [1x320/CE-short]}}
protocol: {{phases: [train_step], warmup: 1, samples: 20, at_most_s: 8, blocks: 1, threads: 1, timeout_s: 900}}
compare: {{across: system, baseline: fastest}}
"""
TIMEOUT_S = 1800.0  # with a build, and what Theano compiles
ALWAYS = "chainer-7.8.1"
IMPLEMENTATIONS = {
    ALWAYS: ("chainer_nstep_lstm", "chainer_lstm"),
    "theano-1.0.1": ("lasagne_lstm",),
    "mxnet-1.9.1": ("mxnet_lstm", "mxnet_lstmcell"),
    "cntk-2.7": ("cntk_lstm",),
    "pytensor-3.3.7": ("pytensor_scan",),
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
}  # fmt: skip


def cases(pairs: Iterable[tuple[str, ...]]) -> list[object]:
    """One case for each image, or image and fault; those that take minutes are marked so."""
    marks = {ALWAYS: ()}
    return [pytest.param(*pair, id=" ".join(pair), marks=marks.get(pair[0], pytest.mark.large)) for pair in pairs]


def run(project: Toy, image: str, implementations: tuple[str, ...]) -> tuple[int, set[tuple[str, str]]]:
    """Run implementations on nets that take no time; return the exit code, and the status of each."""
    suites = project.project / "suites"
    shrink(suites / "benchmarks" / "lstm_asr")
    text = SUITE.format(image=image, implementations=", ".join(implementations))
    (suites / "others.yaml").write_text(text, encoding="utf-8")
    ended = project.orch("run", "others", "--engine", "docker", "--device", "cpu", timeout_s=TIMEOUT_S)
    records = project.records()
    return ended.exit_code, {(record["workload"]["implementation"], str(record["status"])) for record in records}  # type: ignore[index]


@pytest.mark.parametrize("image", cases((image,) for image in IMPLEMENTATIONS))
def test_every_implementation_passes_the_gate_and_is_measured(project: Toy, image: str) -> None:
    exit_code, found = run(project, image, IMPLEMENTATIONS[image])

    assert found == {(name, "ok") for name in IMPLEMENTATIONS[image]}
    assert exit_code == Exit.OK


@pytest.mark.parametrize(("image", "fault"), cases(FAULTS))
def test_a_planted_fault_is_refused_by_the_gate_and_not_measured(project: Toy, image: str, fault: str) -> None:
    names = IMPLEMENTATIONS[image]
    if fault.startswith("interleaved"):
        names = ("chainer_lstm",)
    for script, good, bad in FAULTS[image, fault]:
        edit(project.project / "suites" / "benchmarks" / script, good, bad)

    exit_code, found = run(project, image, names)

    assert found == {(name, "invalid") for name in names}
    assert exit_code == Exit.LAUNCHES_FAILED


def test_every_fault_can_still_be_planted_in_one_place() -> None:
    for (image, _), edits in FAULTS.items():
        for script, good, bad in edits:
            text = (ROOT / "suites" / "benchmarks" / script).read_text(encoding="utf-8")
            assert len(re.findall(good, text)) == 1, (image, good)
            assert re.sub(good, bad, text) != text
