"""The study itself on real TensorFlow 1.8 and Keras 2.1, in containers: its gate, and planted faults.

Downloads 0.1 GB of wheels where the wheelhouse of this user does not have them.
"""

import pytest

from orchestrator.errors import Exit
from tests.bench import shrink
from tests.toy_project import Ended, Toy, edit

pytestmark = pytest.mark.docker
IMPLEMENTATIONS = ("basic_lstm_cell", "lstm_cell", "lstm_block_cell", "lstm_block_fused_cell", "keras_lstm")
FAULTY = ("lstm_cell", "lstm_block_fused_cell", "keras_lstm")
SUITE = """
suite: tensorflow_and_keras
title: The study's implementations in TensorFlow and in Keras
study: braun2018
images: [tensorflow1-1.8.0, keras-tensorflow-2.1.6]
benchmarks:
  - {{benchmark: lstm_asr, implementations: [{implementations}], configurations: [1x320/CE-short]}}
protocol: {{phases: [train_step], warmup: 1, samples: 20, at_most_s: 8, blocks: 1, threads: 1, timeout_s: 300}}
compare: {{across: system, baseline: fastest}}
"""
TIMEOUT_S = 900.0  # with downloads and builds
LAYOUTS, NETS, KERAS = "layouts.py", "lstm_asr/nets_tensorflow.py", "lstm_asr/run_keras.py"


def run(project: Toy, implementations: tuple[str, ...]) -> Ended:
    """Run a suite on the CPU, on nets that take no time."""
    suites = project.project / "suites"
    shrink(suites / "benchmarks" / "lstm_asr")
    text = SUITE.format(implementations=", ".join(implementations))
    (suites / "tensorflow_and_keras.yaml").write_text(text, encoding="utf-8")
    arguments = ("run", "tensorflow_and_keras", "--engine", "docker", "--device", "cpu")
    return project.orch(*arguments, timeout_s=TIMEOUT_S)


def found(project: Toy) -> set[tuple[str, str]]:
    """Return each implementation with the status of its record."""
    return {(record["workload"]["implementation"], str(record["status"])) for record in project.records()}  # type: ignore[index]


def test_every_implementation_with_a_cpu_path_passes_the_gate_and_is_measured(project: Toy) -> None:
    ended = run(project, (*IMPLEMENTATIONS, "keras_cudnn_lstm"))

    assert ended.exit_code == Exit.OK, ended.stderr
    assert found(project) == {*((name, "ok") for name in IMPLEMENTATIONS), ("keras_cudnn_lstm", "unsupported")}
    assert "CuDNNLSTM has kernels for GPUs only" in ended.stdout


@pytest.mark.parametrize(
    "faults",
    [
        ((LAYOUTS, '"tensorflow_cell": Layout\\("igfo"', '"tensorflow_cell": Layout("ifgo"'),
         (LAYOUTS, '"keras": Layout\\("ifgo"', '"keras": Layout("figo"')),
        ((NETS, r'return to_layout\(self', "return 0 * to_layout(self"),
         (KERAS, r"biases = numpy\.concatenate", "biases = 0 * numpy.concatenate")),
    ],
    ids=["swapped gates", "dropped bias"],
)  # fmt: skip
def test_a_planted_fault_is_refused_by_the_gate_and_not_measured(
    project: Toy, faults: tuple[tuple[str, str, str], ...]
) -> None:
    for script, good, bad in faults:
        edit(project.project / "suites" / "benchmarks" / script, good, bad)

    ended = run(project, FAULTY)

    assert ended.exit_code == Exit.LAUNCHES_FAILED
    assert found(project) == {(name, "invalid") for name in FAULTY}
    assert "disagrees with the reference" in ended.stdout
