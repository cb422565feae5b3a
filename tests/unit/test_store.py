"""The run folder: whole files, nothing written over, broken records set aside, one run at a time."""

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.errors import ConfigurationError, DiskError, UsageError
from orchestrator.launching import measure
from orchestrator.prepared import Gate, Place
from orchestrator.records import Record
from orchestrator.store import RunFolder, create_run, find_run, list_runs, slug, write_atomically
from orchestrator.traces import RECORD_AT_MOST_BYTES
from tests.launches import make_prepared, make_setting
from tests.records import RECORD

IDENTITY = {"suite": "toy", "profile": None}


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return create_run(tmp_path / "runs", {"identity": IDENTITY})


def write(folder: RunFolder, record: Record) -> Path:
    """Write a record and return where it lies."""
    return folder.record_path(folder.write_record(record))


def make_record(tmp_path: Path, block: int = 1, attempt: int = 1) -> Record:
    return measure(make_setting(tmp_path), make_prepared(tmp_path), Place(block=block, attempt=attempt), Gate())


def test_a_record_is_read_as_it_was_written(tmp_path: Path, folder: RunFolder) -> None:
    written = folder.write_record(make_record(tmp_path))

    assert folder.read_records() == ((written,), ())


def test_records_are_numbered_in_the_order_they_were_written_whatever_the_clock_said(folder: RunFolder) -> None:
    late, early = (replace(RECORD.launch, block=block, started=at) for block, at in ((1, "2027-"), (2, "2026-")))

    written = [folder.write_record(replace(RECORD, launch=launch)) for launch in (late, early)]

    assert [record.launch.number for record in written] == [1, 2]
    assert max(written, key=lambda record: record.launch.order).launch.block == 2


def test_numbers_go_on_where_a_run_is_continued_and_a_record_was_set_aside(tmp_path: Path, folder: RunFolder) -> None:
    for block in (1, 2):
        write(folder, make_record(tmp_path, block=block)).write_text("{", encoding="utf-8")
    folder.set_broken_aside()

    again = RunFolder(path=folder.path).write_record(make_record(tmp_path, block=1))

    assert again.launch.number == 3


def test_a_run_comes_after_every_other_by_name_though_the_clock_was_set_back(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    for name in ("29991231T235958Z-ffff", "20260101T000000Z-0000", "0 my own name"):
        write_atomically(runs / name / "plan.json", json.dumps({"identity": IDENTITY}))

    made = create_run(runs, {"identity": IDENTITY})

    assert made.id.startswith("29991231T235959Z-")
    assert find_run(runs, IDENTITY) == made


def test_long_samples_lie_in_a_trace_whose_hash_the_record_names(folder: RunFolder) -> None:
    folder.write_record(replace(RECORD, samples={"step": (0.5,) * 2001}))

    ((record,), _) = folder.read_records()

    assert record.trace is not None
    content = (folder.path / record.trace.name).read_bytes()
    assert record.trace.name == "traces/a-1.0+cpu_b_c_d.block1.attempt1.csv.gz"
    assert record.trace.sha256 == f"sha256:{hashlib.sha256(content).hexdigest()}"
    assert (record.trace.problem, record.count("step"), record.median_s("step")) == ("", 2001, 0.5)


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (Path.unlink, "cannot be read (No such file or directory)"),
        (lambda path: path.write_bytes(b""), "is not the one that was written"),
    ],
    ids=["missing", "changed"],
)
def test_a_record_whose_trace_is_lost_is_read_and_says_so(
    folder: RunFolder, damage: Callable[[Path], object], problem: str
) -> None:
    written = folder.write_record(replace(RECORD, samples={"step": (0.5,) * 2001}))
    assert written.trace is not None
    damage(folder.path / written.trace.name)

    (records, complaints) = folder.read_records()

    assert [record.trace and record.trace.problem for record in records] == [problem]
    assert (records[0].median_s("step"), complaints) == (0.5, ())


def test_a_trace_is_looked_for_in_its_own_run_only(folder: RunFolder) -> None:
    written = folder.write_record(replace(RECORD, samples={"step": (0.5,) * 2001}))
    path = folder.record_path(written)
    elsewhere = path.read_text(encoding="utf-8").replace('"traces/', '"../../../etc/')
    path.write_text(elsewhere, encoding="utf-8")

    ((record,), _) = folder.read_records()

    assert record.trace is not None
    assert (record.trace.name.startswith("../"), record.trace.problem) == (True, "")


def test_a_record_that_does_not_fit_is_a_failed_one_and_kept_whole(folder: RunFolder) -> None:
    measures = {f"m{number}": float(number) for number in range(5000)}

    stored = folder.write_record(replace(RECORD, measures=measures))

    whole = folder.logs / "a-1.0+cpu_b_c_d.block1.attempt1.whole.json"
    assert (stored.status, stored.failure and stored.failure.kind) == ("failed", "RecordTooLarge")
    assert folder.read_records() == ((stored,), ())
    assert folder.record_path(stored).stat().st_size <= RECORD_AT_MOST_BYTES
    assert json.loads(whole.read_text(encoding="utf-8"))["measures"] == measures


def test_a_record_begins_with_its_schema(tmp_path: Path, folder: RunFolder) -> None:
    path = write(folder, make_record(tmp_path))

    first = next(iter(json.loads(path.read_text(encoding="utf-8")).items()))

    assert first == ("schema", "orch.record/1")


def test_the_name_of_a_record_says_cell_block_and_attempt(tmp_path: Path, folder: RunFolder) -> None:
    path = write(folder, make_record(tmp_path, block=2, attempt=3))

    assert path.name == "toy-1.0+cpu_step_steady_small.block2.attempt3.json"


def test_files_are_as_readable_as_the_umask_says(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_atomically(tmp_path / "file", "text")
    finally:
        os.umask(before)

    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    write_atomically(tmp_path / "file", "old")

    with pytest.raises(UnicodeEncodeError):
        write_atomically(tmp_path / "file", "\udcff")

    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text(encoding="utf-8") == "old"


def test_the_next_attempt_is_the_first_without_a_record(tmp_path: Path, folder: RunFolder) -> None:
    record = make_record(tmp_path)

    assert folder.next_attempt(record.cell.id, 1) == 1
    folder.write_record(record)

    assert folder.next_attempt(record.cell.id, 1) == 2
    assert folder.next_attempt(record.cell.id, 2) == 1
    assert folder.next_attempt(record.cell.id, None) == 1


@pytest.mark.parametrize("damage", [b"", b"{", b"\x00\xff", b'{"schema": "orch.record/9"}', b"[]"], ids=repr)
def test_a_broken_record_is_set_aside_and_said(tmp_path: Path, folder: RunFolder, damage: bytes) -> None:
    good = write(folder, make_record(tmp_path, block=1))
    bad = write(folder, make_record(tmp_path, block=2))
    bad.write_bytes(damage)

    (complaint,) = folder.set_broken_aside()

    (aside,) = (folder.path / "broken").iterdir()
    assert str(bad) in complaint
    assert str(aside) in complaint
    assert aside.read_bytes() == damage
    assert [path.name for path in (folder.path / "records").iterdir()] == [good.name]


def test_records_broken_again_and_again_are_all_kept(tmp_path: Path, folder: RunFolder) -> None:
    for damage in ("one", "two"):
        write(folder, make_record(tmp_path)).write_text(damage, encoding="utf-8")
        folder.set_broken_aside()

    assert sorted(path.read_text(encoding="utf-8") for path in (folder.path / "broken").iterdir()) == ["one", "two"]


def test_a_report_only_complains_of_a_broken_record(tmp_path: Path, folder: RunFolder) -> None:
    path = write(folder, make_record(tmp_path))
    path.write_text("{", encoding="utf-8")

    records, complaints = folder.read_records()

    assert records == ()
    assert len(complaints) == 1
    assert path.exists()


def test_a_folder_that_is_held_is_refused_to_a_second_run(folder: RunFolder) -> None:
    with folder.held(), pytest.raises(UsageError, match="another orch run is measuring there"), folder.held():
        pass


def test_a_folder_is_free_again_after_a_run_that_raised(folder: RunFolder) -> None:
    with pytest.raises(KeyboardInterrupt), folder.held():
        raise KeyboardInterrupt

    with folder.held():
        assert folder.path.exists()


def test_what_a_killed_run_left_half_written_is_removed(folder: RunFolder) -> None:
    left = folder.path / "records" / ".0123456789abcdef.partial"
    left.write_text("{", encoding="utf-8")

    with folder.held():
        assert not left.exists()


def test_the_newest_run_of_the_same_identity_is_continued(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    for name, identity in (
        ("20260101T000000Z-a", IDENTITY),
        ("20260102T000000Z-b", IDENTITY),
        ("20260103T000000Z-c", {}),
    ):
        write_atomically(runs / name / "plan.json", json.dumps({"identity": identity}))

    found = find_run(runs, IDENTITY)

    assert found is not None
    assert found.id == "20260102T000000Z-b"
    assert [run.id[-1] for run in list_runs(runs)] == ["c", "b", "a"]


def test_runs_of_another_suite_or_without_a_readable_plan_are_not_continued(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    write_atomically(runs / "a" / "plan.json", "{")
    write_atomically(runs / "b" / "plan.json", "[]")
    write_atomically(runs / "c" / "plan.json", json.dumps({"identity": {**IDENTITY, "profile": "quick"}}))

    assert find_run(runs, IDENTITY) is None
    assert find_run(tmp_path / "none", IDENTITY) is None


@pytest.mark.parametrize("text", ["", "{", "[]", "\x00"], ids=repr)
def test_a_damaged_plan_is_an_error_that_names_it(folder: RunFolder, text: str) -> None:
    (folder.path / "plan.json").write_text(text, encoding="utf-8")

    with pytest.raises(ConfigurationError, match=r"plan\.json: "):
        folder.read_plan()


def test_a_folder_that_cannot_be_made_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file", encoding="utf-8")

    with pytest.raises(UsageError, match=r"cannot be written .*Set `runs` in orch\.toml"):
        create_run(tmp_path / "runs", {})


def test_a_record_that_cannot_be_written_is_an_error_that_names_it(tmp_path: Path, folder: RunFolder) -> None:
    (folder.path / "records").rmdir()
    (folder.path / "records").write_text("a file", encoding="utf-8")

    with pytest.raises(DiskError, match=r"block1\.attempt1\.json: cannot be written"):
        folder.write_record(make_record(tmp_path))


def test_numbers_that_json_lacks_are_never_written(tmp_path: Path, folder: RunFolder) -> None:
    record = replace(make_record(tmp_path), measures={"setup_s": float("nan")})

    with pytest.raises(ValueError, match="not JSON compliant"):
        folder.write_record(record)

    assert folder.read_records() == ((), ())


@pytest.mark.parametrize(
    ("cell_id", "name"), [("a-1.0+cpu/b/c/1x320/CE-short", "a-1.0+cpu_b_c_1x320_CE-short"), ("a b/ü*[x]", "a-b_---x-")]
)
def test_a_cell_id_becomes_a_plain_file_name(cell_id: str, name: str) -> None:
    assert slug(cell_id) == name
