"""What the host reads of a GPU while launches run: in the records, in their traces, and as marks in the table."""

import csv
import gzip
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.nvidia_driver import GPU_0, HAS_COMPILER, NvidiaDriver, make_driver, with_cuda
from tests.toy_project import Toy, edit, finish, make_toy, marked_processes, wait_until

pytestmark = pytest.mark.skipif(not HAS_COMPILER, reason="needs a C compiler, to make a driver library")
RUN = ("run", "toy_versions", "--engine", "venv", "--gpus", "0")
SLOW = ("run", "slow", "--engine", "venv", "--gpus", "0")
STEADY = "state|GPU-aaaaaaaa-0000|1980|2619|655321|47|0|99|912345678"
CAPPED = "state|GPU-aaaaaaaa-0000|1700|2619|700000|60|4|99|912345678"
HOT = "state|GPU-aaaaaaaa-0000|1200|2619|400000|91|96|99|912345678"
SILENT = "state|GPU-aaaaaaaa-0000|1980"
SOMEBODY = "compute|GPU-aaaaaaaa-0000|999999999|2048"  # a process that is none


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> NvidiaDriver:
    return make_driver(tmp_path_factory.mktemp("nvidia") / "driver", GPU_0)


@pytest.fixture(scope="module")
def built(driver: NvidiaDriver, tmp_path_factory: pytest.TempPathFactory) -> Toy:
    """A project whose CUDA builds are locked and built, with one block a row."""
    folder = tmp_path_factory.mktemp("toy")
    toy = make_toy(folder, folder / "cache")
    toy = with_cuda(replace(toy, env={"DOCKER_HOST": "unix:///nobody-listens-here.sock"}), driver)
    for suite in ("toy_versions", "slow"):
        edit(toy.project / "suites" / f"{suite}.yaml", "blocks: 3", "blocks: 1")
    ended = toy.orch("build", "toy_versions", "--gpus", "0", "--resolve")
    assert ended.exit_code == 0, ended.stderr
    return toy


@pytest.fixture
def toy(built: Toy, tmp_path: Path) -> Toy:
    shutil.copytree(built.project, tmp_path / "project")
    return replace(built, folder=tmp_path)


def telemetry(record: dict[str, object]) -> dict[str, object]:
    found = record["telemetry"]
    assert isinstance(found, dict)
    return found


def notes(toy: Toy) -> set[str]:
    """Return the footnotes of the newest run, without those of a busy machine."""
    comparison = json.loads(toy.orch("report", "--json").stdout)
    return {note for table in comparison["tables"] for note in table["footnotes"] if "busy" not in note}


def test_a_record_says_what_the_gpu_did_while_its_samples_were_taken(toy: Toy, driver: NvidiaDriver) -> None:
    driver.show(GPU_0, STEADY)

    ended = toy.orch(*RUN)

    assert ended.exit_code == 0, ended.stderr
    for record in toy.records():
        told = telemetry(record)
        summary = told["summary"]
        assert isinstance(summary, dict)
        assert (told["failure"], list(told["windows"])) == (None, ["train_step"])  # type: ignore[call-overload]
        assert (summary["sm_mhz"], summary["power_mean_w"]) == ([1980, 1980, 1980], 655.321)
        assert (summary["throttle"], summary["reasons"], summary["foreign_processes"]) == (0, {}, 0)
        assert (summary["energy_j"], summary["pcie_width"]) == (0, None)
    assert not any("GPU" in note or "throttling" in note for note in notes(toy))


def test_the_readings_lie_in_the_trace_of_the_record(toy: Toy, driver: NvidiaDriver) -> None:
    driver.show(GPU_0, STEADY)

    toy.orch(*RUN)

    (run,), (record, _) = toy.runs(), toy.records()
    trace = record["trace"]
    assert isinstance(trace, dict)
    with gzip.open(run / trace["name"], "rt") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == telemetry(record)["n"] >= 2  # type: ignore[operator]
    assert {row["telemetry.sm_mhz"] for row in rows} == {"1980.0"}
    assert float(rows[0]["telemetry.time_s"]) < float(rows[-1]["telemetry.time_s"])


@pytest.mark.parametrize(
    ("state", "note"),
    [
        (HOT, "hardware throttling in every launch"),
        (CAPPED, "the GPU ran into its power limit in every launch"),
        (SILENT, "throttling was not observed in every launch: no telemetry of the GPU"),
    ],
    ids=["hot", "capped", "silent"],
)
def test_what_weakens_a_time_is_marked_and_nothing_is_left_out(
    toy: Toy, driver: NvidiaDriver, state: str, note: str
) -> None:
    driver.show(GPU_0, state)

    ended = toy.orch(*RUN)

    assert ended.exit_code == 0, ended.stderr
    assert note in notes(toy)
    assert [record["status"] for record in toy.records()] == ["ok", "ok"]
    assert "ratio" in ended.stdout


def test_who_came_to_compute_during_a_launch_and_stayed_is_marked(toy: Toy, driver: NvidiaDriver) -> None:
    driver.show(GPU_0, STEADY)
    program = toy.start(*SLOW)
    wait_until(lambda: len(list(toy.folder.glob("runs/*/logs/*.gate.*"))) == 2 or program.poll() is not None)
    wait_until(lambda: marked_processes(toy) or program.poll() is not None)

    driver.show(GPU_0, STEADY, SOMEBODY)
    wait_until(lambda: list(toy.folder.glob("runs/*/records/*")) or program.poll() is not None)
    driver.show(GPU_0, STEADY)
    ended = finish(program)

    assert ended.exit_code == 0, ended.stderr
    foreign = [telemetry(record)["summary"]["foreign_processes"] for record in toy.records()]  # type: ignore[index]
    assert sum(foreign) >= 1
    assert "others computed on the GPU around every launch" in notes(toy)
