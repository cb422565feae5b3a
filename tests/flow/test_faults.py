"""Faults around a run: a full disk, a folder that cannot be written, a clock set back, a lost trace.

Nothing is lost, nothing doubled, nothing left behind, no exit code 0, no traceback; the same command continues.
"""

import json
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

import pytest

from tests.toy_project import Ended, Toy, edit, left_folders, marked_processes, measured, record_files

RUN = ("run", "toy_versions", "--engine", "venv")
SLOW = ("run", "slow", "--engine", "venv")
CELLS = [(f"toy-{version}+cpu/toy_step/{{}}/small", block) for version in ("1.0.0", "2.0.0") for block in (1, 2, 3)]
STEADY = [(cell.format("steady"), block) for cell, block in CELLS]
LATER = [(cell.format("slow"), block) for cell, block in CELLS]


@cache
def private_mounts() -> tuple[str, ...] | None:
    """Return how to start a shell whose mounts nobody else sees, None where that is not allowed."""
    for options in (("--mount",), ("--map-root-user", "--mount")):
        start = ("unshare", *options, "sh", "-e", "-c")
        if subprocess.run((*start, "mount -t tmpfs none /mnt"), capture_output=True, check=False).returncode == 0:
            return (*start,)
    return None


needs_mounts = pytest.mark.skipif(private_mounts() is None, reason="needs the right to mount in a namespace of its own")


@dataclass(frozen=True, kw_only=True)
class Two:
    """A command that met a fault, and the same command after it."""

    first: Ended
    before: Mapping[str, str]  # records that the first left: name -> content
    second: Ended
    after: Mapping[str, str]


def twice(toy: Toy, prepare: str, fault: str, mend: str, arguments: tuple[str, ...]) -> Two:
    """Run a command under a fault and once more after it, both among mounts of their own; runs/ is kept.

    prepare, fault, mend: shell, in the folder of the test: before the first command, while it runs, and after it.
    """
    script = f"""
        {prepare}
        "$@" >first.out 2>first.err & orch=$!
        {fault}
        code=0; wait $orch || code=$?; echo $code >first.code
        mkdir before
        for record in runs/*/records/*.json; do [ ! -e "$record" ] || cp "$record" before/; done
        {mend}
        code=0; "$@" || code=$?
        mkdir after kept; cp runs/*/records/*.json after/; cp -r runs/. kept/
        exit $code
    """
    second = replace(toy, around=(*(private_mounts() or ()), script, "sh")).orch(*arguments)
    output, complaints, code = (
        (toy.folder / f"first.{end}").read_text(encoding="utf-8") for end in ("out", "err", "code")
    )
    return Two(
        first=Ended(exit_code=int(code), stdout=output, stderr=complaints),
        before=contents(toy.folder / "before"),
        second=second,
        after=contents(toy.folder / "after"),
    )


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}


def good(records: Mapping[str, str]) -> list[tuple[str, int]]:
    return measured([json.loads(text) for text in records.values()])


def assert_continued(two: Two, toy: Toy, launches: list[tuple[str, int]]) -> None:
    """Nothing lost, nothing doubled, nothing left, no traceback, and the first command did not end in 0."""
    assert two.first.exit_code not in {0, 1}
    assert "Traceback" not in two.first.stderr + two.second.stderr
    assert two.second.exit_code == 0, two.second.stderr
    assert two.before.items() <= two.after.items()
    assert good(two.after) == launches
    assert len(two.after) == len(launches)
    assert list((toy.folder / "kept").glob("**/*.partial")) == []
    assert marked_processes(toy) == left_folders(toy) == []


# --- a disk that is full ---------------------------------------------------------------------------------------------


@needs_mounts
@pytest.mark.parametrize("pages", [3, 5, 6])
def test_a_disk_that_fills_up_stops_the_run_and_the_same_command_continues(toy: Toy, pages: int) -> None:
    """Each file takes whole pages: the plan one, each of six records one or two, an empty log none."""
    small = f"mkdir runs; mount -t tmpfs -o size={pages * 4}k none runs"

    two = twice(toy, small, "", "mount -o remount,size=64m runs", RUN)

    assert two.first.exit_code == 2
    assert "cannot be written (No space left on device). Make room; the same command continues." in two.first.stderr
    assert 1 <= len(two.before) < pages
    assert_continued(two, toy, STEADY)


@needs_mounts
def test_a_disk_without_room_for_the_plan_is_told_before_anything_is_measured(toy: Toy) -> None:
    two = twice(
        toy, "mkdir runs; mount -t tmpfs -o nr_inodes=3 none runs", "", "mount -o remount,nr_inodes=1k runs", RUN
    )

    assert "cannot be written (No space left on device)" in two.first.stderr
    assert two.before == {}
    assert_continued(two, toy, STEADY)


@needs_mounts
def test_a_cache_that_is_full_stops_the_run_and_the_same_command_continues(toy: Toy) -> None:
    """The gates that were passed are kept in the cache; here it has no room for one."""
    gates = toy.cache / "orch" / "gates"
    full = f"rm -rf {gates}; mkdir {gates}; mount -t tmpfs -o nr_inodes=1 none {gates}"

    two = twice(toy, full, "", f"umount {gates}", RUN)

    assert "gates" in two.first.stderr
    assert "cannot be written (No space left on device)" in two.first.stderr
    assert_continued(two, toy, STEADY)


# --- a folder that cannot be written ---------------------------------------------------------------------------------


@needs_mounts
def test_a_folder_of_runs_that_is_read_only_is_told_before_anything_is_measured(toy: Toy) -> None:
    two = twice(toy, "mkdir runs; mount --bind -o ro runs runs", "", "umount runs", RUN)

    assert two.first.exit_code == 2
    assert "cannot be written (Read-only file system). Set `runs` in orch.toml." in two.first.stderr
    assert "block 1" not in two.first.stderr
    assert_continued(two, toy, STEADY)


@needs_mounts
def test_a_cache_that_is_read_only_is_told_before_anything_is_measured(toy: Toy) -> None:
    frozen = f"mount --bind -o ro {toy.cache} {toy.cache}"

    two = twice(toy, frozen, "", f"umount {toy.cache}", RUN)

    assert two.first.exit_code == 2
    assert "cannot be written (Read-only file system)" in two.first.stderr
    assert "XDG_CACHE_HOME" in two.first.stderr
    assert_continued(two, toy, STEADY)


@needs_mounts
def test_a_run_folder_that_becomes_read_only_stops_the_run_and_the_same_command_continues(toy: Toy) -> None:
    wait = "until ls runs/*/records/*.json >/dev/null 2>&1 || ! kill -0 $orch; do sleep 0.05; done"
    freeze = "records=$(echo runs/*/records); mount --bind $records $records; mount -o remount,bind,ro $records"

    two = twice(toy, "", f"{wait}; {freeze}", "umount runs/*/records", SLOW)

    assert "cannot be written (Read-only file system)" in two.first.stderr
    assert 1 <= len(two.before) < len(LATER)
    assert_continued(two, toy, LATER)


@needs_mounts
def test_a_finished_run_that_is_read_only_is_reported_and_not_continued(toy: Toy) -> None:
    finished = toy.orch(*RUN)
    script = 'mount --bind -o ro runs runs; exec "$@"'
    frozen = replace(toy, around=(*(private_mounts() or ()), script, "sh"))

    report, again = frozen.orch("report"), frozen.orch(*RUN)

    assert report.exit_code == 0, report.stderr
    assert report.stdout == finished.stdout[: len(report.stdout)]
    assert again.exit_code == 2
    assert "cannot be written (Read-only file system)" in again.stderr
    assert "Traceback" not in report.stderr + again.stderr


# --- a clock that is set back ----------------------------------------------------------------------------------------


def set_clock_back(run: Path, by: timedelta) -> None:
    """Make what lies in a run look as if the clock had been ahead when it was made."""
    name = (datetime.strptime(run.name[:8], "%Y%m%d") + by).strftime(f"%Y%m%d{run.name[8:]}")
    for path in (run / "records").iterdir():
        record = json.loads(path.read_text(encoding="utf-8"))
        record["launch"]["run"] = name
        for when in ("started", "ended"):
            moved = datetime.fromisoformat(record["launch"][when]) + by
            record["launch"][when] = moved.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        path.write_text(json.dumps(record), encoding="utf-8")
    run.rename(run.parent / name)


def test_what_failed_before_the_clock_was_set_back_does_not_outlive_what_worked_after_it(
    toy: Toy, tmp_path: Path
) -> None:
    fresh = replace(toy, cache=tmp_path / "cache")
    broken = tmp_path / "wheels"
    shutil.copytree(toy.wheels, broken)
    with (broken / "toy-2.0.0-py3-none-any.whl").open("r+b") as wheel:
        wheel.write(b"not what was locked")
    failed = replace(fresh, wheels=broken).orch(*RUN)
    (run,) = fresh.runs()
    set_clock_back(run, timedelta(days=1))

    worked = fresh.orch(*RUN)

    assert failed.exit_code == 1
    assert worked.exit_code == 0, worked.stderr
    assert len(fresh.runs()) == 1
    assert measured(fresh.records()) == STEADY
    assert "not launched again" not in worked.stdout


def test_a_fresh_run_is_the_newest_though_the_clock_was_set_back(toy: Toy) -> None:
    toy.orch(*RUN)
    (run,) = toy.runs()
    set_clock_back(run, timedelta(days=400))

    fresh = toy.orch(*RUN, "--fresh")
    again = toy.orch(*RUN)

    assert fresh.run_folder == again.run_folder
    assert measured(toy.records(again.run_folder)) == STEADY


# --- what lies beside a record ---------------------------------------------------------------------------------------


@pytest.fixture
def long(toy: Toy) -> Toy:
    """The project with more samples than a record holds."""
    edit(toy.project / "suites" / "toy_versions.yaml", "samples: 10", "samples: 2001")
    edit(toy.project / "suites" / "toy_versions.yaml", "blocks: 3", "blocks: 1")
    edit(toy.project / "suites" / "benchmarks" / "toy_step" / "benchmark.yaml", r"iterations: \d+", "iterations: 100")
    return toy


def test_more_samples_than_a_record_holds_lie_beside_it_and_make_the_same_table(long: Toy) -> None:
    ended = long.orch(*RUN)

    records, (run,) = long.records(), long.runs()
    assert ended.exit_code == 0, ended.stderr
    assert [record["summaries"]["samples"]["train_step"]["n"] for record in records] == [2001, 2001]  # type: ignore[index]
    assert max(path.stat().st_size for path in (run / "records").iterdir()) <= 32 * 1024
    assert len(list((run / "traces").iterdir())) == 2
    assert "train_step" in ended.stderr
    assert "× 2001" in ended.stderr


@pytest.mark.parametrize("damage", ["missing", "changed"])
def test_a_lost_trace_is_said_in_the_table_which_keeps_its_numbers(long: Toy, damage: str) -> None:
    long.orch(*RUN)
    whole, (run,) = json.loads(long.orch("report", "--json").stdout), long.runs()
    trace = sorted((run / "traces").iterdir())[0]
    if damage == "missing":
        trace.unlink()
    else:
        trace.write_bytes(trace.read_bytes()[:-1])
    before = record_files(run)

    report, again = long.orch("report", "--json"), long.orch(*RUN)

    said = "cannot be read (No such file or directory)" if damage == "missing" else "is not the one that was written"
    assert (report.exit_code, again.exit_code) == (0, 0)
    assert f"the trace of a launch {said}; its summary is used" in str(entries(json.loads(report.stdout), "notes")[0])
    assert entries(json.loads(report.stdout), "value_s") == entries(whole, "value_s") != [None, None]
    assert record_files(run) == before


def entries(comparison: dict[str, object], key: str) -> list[object]:
    """Return one value of each entry of the only row."""
    ((row,),) = [table["rows"] for table in comparison["tables"]]  # type: ignore[attr-defined]
    return [entry[key] for entry in row["entries"]]
