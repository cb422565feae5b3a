"""`orch plan --gpu` over every row of PyTorch: what it takes and what it refuses is what the matrix of wheels says."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.compat_matrix import GPUS, Expected, expect, newest_patches

ROOT = Path(__file__).parents[2]
SUITE = """suite: every_release
title: Every release of PyTorch
images: ["pytorch-*"]
benchmarks:
  - {benchmark: lstm_asr, implementations: [cudnn_lstm], configurations: [1x320/CE-short]}
"""


@pytest.mark.parametrize("driver", [None, "535.104"])
@pytest.mark.parametrize("gpu", GPUS)
def test_the_plan_for_a_gpu_is_what_the_matrix_says(gpu: str, driver: str | None, tmp_path: Path) -> None:
    without_locks = shutil.ignore_patterns("locks")  # of those that run, one with a lock is taken: another test
    shutil.copytree(ROOT / "images" / "pytorch", tmp_path / "images" / "pytorch", ignore=without_locks)
    (tmp_path / "suites").symlink_to(ROOT / "suites")
    (tmp_path / "every_release.yaml").write_text(SUITE, encoding="utf-8")

    planned = plan(tmp_path, tmp_path, gpu, *(("--driver", driver) if driver else ()))

    found = {row["image"].removeprefix("pytorch-"): _expected(row) for row in planned["images"]}
    assert found == {version: expect(version, gpu, driver) for version in found}
    assert newest_patches((0, 4)) <= found.keys()
    assert len({cell["id"] for cell in planned["cells"]}) == sum(one.variant is not None for one in found.values())
    assert len(planned["unsupported"]) == sum(one.variant is None for one in found.values())


def test_on_a_gpu_the_builds_that_are_locked_are_taken(tmp_path: Path) -> None:
    releases = '"pytorch-{2.0.1,2.4.1,2.8.0,2.13.0}"'
    (tmp_path / "every_release.yaml").write_text(SUITE.replace('"pytorch-*"', releases), encoding="utf-8")

    planned = plan(ROOT, tmp_path, "H100", "--driver", "550.54")

    # The newest for this GPU and driver are cu118, cu124, cu129 and cu126; locked are cu117, cu121, cu128 and cu130.
    assert [row["variant"] for row in planned["images"]] == ["cu118", "cu121", "cu128", "cu126"]


def test_a_first_look_is_planned_for_a_gpu_that_is_named() -> None:
    planned = json.loads(run_plan(ROOT, ROOT, "quickstart", "--gpu", "H100", "--json").stdout)

    assert (planned["device"], planned["gpu"]["name"]) == ("cuda", "H100")
    assert [row["variant"][:2] for row in planned["images"]] == ["cu", "cu"]
    assert all(row["locked"] for row in planned["images"])


def test_a_first_look_that_no_two_locks_are_for_is_refused() -> None:
    with pytest.raises(subprocess.CalledProcessError) as caught:
        run_plan(ROOT, ROOT, "quickstart", "--gpu", "H100", "--driver", "390.30")

    assert caught.value.returncode == 6
    assert "no two releases are locked in a build that runs on this GPU" in caught.value.stderr


def test_a_plan_says_how_much_of_it_waits_for_locks(tmp_path: Path) -> None:
    releases = '"pytorch-{2.0.1,2.4.1,2.8.0,2.13.0}"'
    (tmp_path / "every_release.yaml").write_text(SUITE.replace('"pytorch-*"', releases), encoding="utf-8")

    said = run_plan(ROOT, tmp_path, "every_release.yaml", "--gpu", "H100", "--driver", "550.54").stdout

    assert "Not locked: the images of 2 of these cells; a run leaves those out, or locks them with --resolve." in said


def test_rows_that_an_implementation_cannot_make_are_named_with_the_reason(tmp_path: Path) -> None:
    suite = SUITE.replace('"pytorch-*"', "pytorch-1.13.1, pytorch-2.13.0").replace(
        "[cudnn_lstm], configurations: [1x320/CE-short]",
        "[cudnn_lstm, lstmcell_compiled], configurations: [1x320/CE-short, 4x320/*]",
    )
    (tmp_path / "every_release.yaml").write_text(suite, encoding="utf-8")

    said = run_plan(ROOT, tmp_path, "every_release.yaml", "--gpu", "A100").stdout

    assert "lstmcell_compiled/1x320/CE-short on pytorch-1.13.1: torch.compile came with PyTorch 2.0." in said
    assert "Not lstm_asr/lstmcell_compiled/4x320/CE-long: PyTorch has no helper for stacked cells" in said


def plan(project: Path, cwd: Path, gpu: str, *options: str) -> Any:
    return json.loads(run_plan(project, cwd, "every_release.yaml", "--gpu", gpu, *options, "--json").stdout)


def run_plan(project: Path, cwd: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = (sys.executable, "-m", "orchestrator", "--project", str(project), "plan", *arguments)
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=True)


def _expected(row: dict[str, str | bool | None]) -> Expected:
    if row["variant"] is not None:
        return Expected(variant=str(row["variant"]), jit=bool(row["jit"]))
    needed = str(row["reason"]).removeprefix("needs driver >= ")
    return Expected(variant=None, driver=needed.split()[0] if needed != row["reason"] else None)
