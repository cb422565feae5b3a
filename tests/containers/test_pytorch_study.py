"""The study itself on real PyTorch, old and new, in containers: its gate, its table, and planted faults.

Downloads 0.8 GB of wheels where the wheelhouse of this user does not have them.
"""

import json

import pytest

from orchestrator.errors import Exit
from tests.bench import shrink
from tests.toy_project import Ended, Toy, edit

pytestmark = pytest.mark.docker
IMPLEMENTATIONS = ("cudnn_lstm", "lstmcell_fused", "lstmcell_basic")
SUITE = """
suite: old_and_new
title: The study's three implementations on an old and a new PyTorch
study: braun2018
images: [pytorch-1.0.1, pytorch-2.13.0]
benchmarks:
  - {{benchmark: lstm_asr, implementations: [{implementations}], configurations: [1x320/CE-short]}}
protocol: {{phases: [train_step], warmup: 1, samples: 5, at_most_s: 8, blocks: {blocks}, threads: 1, timeout_s: 300}}
compare: {{across: image, baseline: oldest}}
"""
TIMEOUT_S = 900.0  # with downloads and builds


def run(project: Toy, implementations: tuple[str, ...], blocks: int) -> Ended:
    """Run a suite over both versions on the CPU, from what is locked."""
    text = SUITE.format(implementations=", ".join(implementations), blocks=blocks)
    (project.project / "suites" / "old_and_new.yaml").write_text(text, encoding="utf-8")
    arguments = ("run", "old_and_new", "--engine", "docker", "--device", "cpu")
    return project.orch(*arguments, timeout_s=TIMEOUT_S)


def test_both_versions_pass_the_gate_and_each_row_has_a_verdict(project: Toy) -> None:
    ended = run(project, IMPLEMENTATIONS, blocks=3)

    comparison = json.loads((ended.run_folder / "comparison.json").read_text(encoding="utf-8"))
    (table,) = comparison["tables"]
    records = project.records()

    assert ended.exit_code == Exit.OK, ended.stderr
    assert len(records) == 18
    assert {row["implementation"] for row in table["rows"]} == set(IMPLEMENTATIONS)
    for row in table["rows"]:
        older, newer = row["entries"]
        assert older["verdict"]["name"] == "baseline"
        assert newer["verdict"]["name"] in {"faster", "slower", "same", "inconclusive"}
        assert newer["ratio_interval"]["low"] < newer["ratio"] < newer["ratio_interval"]["high"]
        assert newer["is_paired"]


def test_stacked_nets_run_and_what_a_version_or_an_image_cannot_do_is_said(project: Toy) -> None:
    shrink(project.project / "suites" / "benchmarks" / "lstm_asr")
    suite = SUITE.format(implementations="lstmcell_scripted, lstmcell_compiled", blocks=1)
    stacked = "  - {benchmark: lstm_asr, implementations: [cudnn_lstm, padded_lstm], configurations: [4x320/*]}\n"
    path = project.project / "suites" / "old_and_new.yaml"
    path.write_text(suite.replace("protocol:", f"{stacked}protocol:"), encoding="utf-8")

    ended = project.orch("run", path.stem, "--engine", "docker", "--device", "cpu", timeout_s=TIMEOUT_S)

    found: dict[tuple[str, str], set[tuple[str, str]]] = {}
    for record in project.records():
        key = (record["workload"]["implementation"], record["workload"]["configuration"])  # type: ignore[index]
        reason = record["failure"]["message"] if record["failure"] else ""  # type: ignore[index]
        found.setdefault(key, set()).add((str(record["status"]), str(reason)))
    assert ended.exit_code == Exit.OK, ended.stderr
    assert found["lstmcell_scripted", "1x320/CE-short"] == {("ok", "")}
    assert found["cudnn_lstm", "4x320/CE-long"] == {("ok", "")}
    assert found["padded_lstm", "4x320/CTC-long"] == {("ok", "")}
    assert found["lstmcell_compiled", "1x320/CE-short"] == {
        ("unsupported", "torch.compile came with PyTorch 2.0"),
        ("unsupported", "torch.compile needs a C++ compiler, and there is none here"),
    }
    ((status, reason),) = found["cudnn_lstm", "4x320/CTC-long"]
    assert (status, "padded_lstm trains the same net" in reason) == ("unsupported", True)


@pytest.mark.parametrize(
    ("implementation", "good", "bad"),
    [
        ("lstmcell_basic", "i, f, g, o = gates", "f, i, g, o = gates"),
        ("lstmcell_basic", r"F\.linear\(h, self\.weight_hh, self\.bias_hh\)", "F.linear(h, self.weight_hh)"),
        ("cudnn_lstm", r"self\.lstm\(x\)\[0\]\[-1\]", "self.lstm(x)[0][-1].detach()"),
    ],
    ids=["swapped gates", "dropped bias", "detached layer"],
)
def test_a_planted_fault_is_refused_by_the_gate_and_not_measured(
    project: Toy, implementation: str, good: str, bad: str
) -> None:
    edit(project.project / "suites" / "benchmarks" / "lstm_asr" / "nets_pytorch.py", good, bad)

    ended = run(project, (implementation,), blocks=1)

    records = project.records()
    assert ended.exit_code == Exit.LAUNCHES_FAILED
    assert [(record["status"], record["launch"]["block"]) for record in records] == [("invalid", None)] * 2  # type: ignore[index]
    assert all("disagrees with the reference" in record["failure"]["message"] for record in records)  # type: ignore[index]
    assert "disagrees with the reference" in ended.stdout
