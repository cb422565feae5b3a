"""The order of launches, what is missing after a stop, and how a run ends."""

import os
import signal
from collections import Counter
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest

from orchestrator.engines import Job, Outcome
from orchestrator.errors import EngineError
from orchestrator.hardware import Gpu
from orchestrator.launching import measure
from orchestrator.ordering import into_blocks, missing_launches, newest_of_each, order_launches
from orchestrator.prepared import Gate, Place, Prepared, Setting
from orchestrator.records import Failure, Record
from orchestrator.running import Run, describe
from orchestrator.stopping import Stop
from orchestrator.store import RunFolder
from tests.launches import GOOD_REPORT, FakeEngine, make_fleet, make_prepared, make_setting, outcome_of


@pytest.fixture
def cells(tmp_path: Path) -> tuple[Prepared, ...]:
    """Two rows of three images."""
    return tuple(
        make_prepared(tmp_path, version, name) for name in ("steady", "other") for version in ("1.0", "2.0", "3.0")
    )


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    (tmp_path / "run" / "records").mkdir(parents=True)
    return RunFolder(path=tmp_path / "run")


def record_of(setting: Setting, prepared: Prepared, block: int | None, attempt: int = 1) -> Record:
    return measure(setting, prepared, Place(block=block, attempt=attempt), Gate())


def make_run(folder: RunFolder, setting: Setting, cells: tuple[Prepared, ...]) -> Run:
    return Run(setting=setting, fleet=make_fleet(), folder=folder, cells=cells, cache=folder.path / "cache")


# --- order -----------------------------------------------------------------------------------------------------------


def test_every_cell_is_launched_once_in_every_block(cells: tuple[Prepared, ...]) -> None:
    ordered = order_launches(cells, blocks=4, seed=1)

    counted = Counter((one.prepared.cell.id, one.block) for one in ordered)
    assert len(counted) == len(ordered) == 6 * 4
    assert [one.position for one in ordered] == list(range(1, 25))


def test_the_cells_of_a_row_run_back_to_back(cells: tuple[Prepared, ...]) -> None:
    ordered = order_launches(cells, blocks=10, seed=1)

    groups = [ordered[start : start + 3] for start in range(0, len(ordered), 3)]
    assert all(len({(one.prepared.cell.row, one.block) for one in group}) == 1 for group in groups)


def test_the_same_seed_gives_the_same_order_and_another_one_another(cells: tuple[Prepared, ...]) -> None:
    def ids(seed: int, given: tuple[Prepared, ...]) -> list[str]:
        return [one.prepared.cell.id for one in order_launches(given, blocks=5, seed=seed)]

    assert ids(1, cells) == ids(1, cells[::-1])
    assert ids(1, cells) != ids(2, cells)


def test_rows_and_cells_take_turns_at_random(cells: tuple[Prepared, ...]) -> None:
    ordered = order_launches(cells, blocks=50, seed=3)

    first_rows = Counter(one.prepared.cell.row for one in ordered[::6])
    first_cells = Counter(one.prepared.cell.image.image.version for one in ordered[::3])
    assert min(first_rows.values()) > 10
    assert min(first_cells.values()) > 15


# --- what is missing -------------------------------------------------------------------------------------------------


def test_nothing_is_missing_once_all_have_a_record(tmp_path: Path, cells: tuple[Prepared, ...]) -> None:
    setting = make_setting(tmp_path)
    found = [record_of(setting, cell, block) for cell in cells for block in (1, 2)]

    assert missing_launches(setting, cells, found) == ()


def test_a_failed_launch_is_not_made_again(tmp_path: Path, cells: tuple[Prepared, ...]) -> None:
    setting = make_setting(tmp_path, FakeEngine(lambda _job: Outcome(status="timeout", exit_code=1, files={}, log="")))
    found = [record_of(setting, cell, block) for cell in cells for block in (1, 2)]

    assert missing_launches(setting, cells, found) == ()


def test_what_the_engine_failed_is_made_again(tmp_path: Path, cells: tuple[Prepared, ...]) -> None:
    def die(job: Job) -> Outcome:
        raise EngineError("gone")

    setting = make_setting(tmp_path, FakeEngine(die))
    found = [record_of(setting, cell, block) for cell in cells for block in (1, 2)]

    assert len(missing_launches(setting, cells, found)) == 12


def test_a_block_that_was_cut_is_finished_but_not_paired(tmp_path: Path, cells: tuple[Prepared, ...]) -> None:
    setting = make_setting(tmp_path)
    ordered = order_launches(cells, 2, setting.seed)
    found = [record_of(setting, one.prepared, one.block) for one in ordered[:4]]

    missing = missing_launches(setting, cells, found)

    assert [one.position for one in missing] == list(range(5, 13))
    assert [one.paired for one in missing] == [False] * 2 + [True] * 6


def test_new_code_is_measured_anew(tmp_path: Path) -> None:
    setting = make_setting(tmp_path)
    old, new = make_prepared(tmp_path, code="a"), make_prepared(tmp_path, code="b")
    found = [record_of(setting, old, block) for block in (1, 2)]

    assert len(missing_launches(setting, (new,), found)) == 2


@pytest.mark.parametrize(("phase", "left"), [("record", 0), ("gate", 2)])
def test_a_failed_gate_is_tried_again_only_where_the_reference_may_have_changed(
    tmp_path: Path, phase: str, left: int
) -> None:
    setting, cell = make_setting(tmp_path), make_prepared(tmp_path)
    failure = Failure(phase=phase, kind="K", message="m")
    found = replace(record_of(setting, cell, None), status="failed", failure=failure)

    assert len(missing_launches(setting, (cell,), [found])) == left


# --- a run -----------------------------------------------------------------------------------------------------------


def test_each_cell_passes_its_gate_once_before_anything_is_measured(
    tmp_path: Path, folder: RunFolder, cells: tuple[Prepared, ...]
) -> None:
    engine = FakeEngine()

    ended = make_run(folder, make_setting(tmp_path, engine), cells).execute(())

    modes = ["gate" if b'"gate"' in job.files["job.json"] else "measure" for job in engine.jobs]
    assert modes == ["gate"] * 6 + ["measure"] * 12
    assert len(ended.made) == len(folder.read_records()[0]) == 12
    assert not ended.interrupted


def test_a_record_is_saved_before_the_next_launch_starts(tmp_path: Path, folder: RunFolder) -> None:
    seen: list[int] = []

    def count(job: Job) -> Outcome:
        seen.append(len(folder.read_records()[0]))
        return outcome_of(GOOD_REPORT)

    make_run(folder, make_setting(tmp_path, FakeEngine(count)), (make_prepared(tmp_path),)).execute(())

    assert seen == [0, 0, 1]


def test_a_cell_that_fails_its_gate_is_recorded_and_stops_no_other(tmp_path: Path, folder: RunFolder) -> None:
    bad, good = make_prepared(tmp_path, "1.0"), make_prepared(tmp_path, "2.0")

    def answer(job: Job) -> Outcome:
        is_bad = "1.0" in job.labels["cell"]
        return Outcome(status="exited", exit_code=7, files={}, log="") if is_bad else outcome_of(GOOD_REPORT)

    ended = make_run(folder, make_setting(tmp_path, FakeEngine(answer)), (bad, good)).execute(())

    assert [(record.status, record.launch.block) for record in ended.made] == [("failed", None), ("ok", 1), ("ok", 2)]


def test_an_interrupt_ends_the_run_and_keeps_what_is_measured(tmp_path: Path, folder: RunFolder) -> None:
    def answer(job: Job) -> Outcome:
        if len(folder.read_records()[0]) == 1:
            raise KeyboardInterrupt
        return outcome_of(GOOD_REPORT)

    ended = make_run(folder, make_setting(tmp_path, FakeEngine(answer)), (make_prepared(tmp_path),)).execute(())

    assert ended.interrupted
    assert len(folder.read_records()[0]) == 1


def test_ctrl_c_once_lets_the_launch_end_and_starts_no_other(tmp_path: Path, folder: RunFolder) -> None:
    def answer(job: Job) -> Outcome:
        if b'"measure"' in job.files["job.json"]:
            os.kill(os.getpid(), signal.SIGINT)
        return outcome_of(GOOD_REPORT)

    engine = FakeEngine(answer)
    ended = make_run(folder, make_setting(tmp_path, engine), (make_prepared(tmp_path),)).execute(())

    assert ended.interrupted
    assert [record.status for record in folder.read_records()[0]] == ["ok"]
    assert len(engine.jobs) == 2


def test_the_second_ctrl_c_kills_and_later_ones_do_not_disturb_the_cleaning_up() -> None:
    before = signal.getsignal(signal.SIGINT)
    stop = Stop()

    with stop.watching():
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.asked
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_termination_and_a_lost_terminal_kill_at_once(number: signal.Signals) -> None:
    with Stop().watching(), pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), number)


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Stop().watching():
            os.kill(os.getpid(), signal.SIGHUP)
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_repeated_launch_has_the_next_attempt_and_replaces_no_record(tmp_path: Path, folder: RunFolder) -> None:
    setting, cell = make_setting(tmp_path), make_prepared(tmp_path)
    make_run(folder, setting, (cell,)).execute(())

    changed = make_prepared(tmp_path, code="d")
    make_run(folder, setting, (changed,)).execute(folder.read_records()[0])

    records = folder.read_records()[0]
    assert sorted((one.launch.block, one.launch.attempt) for one in records) == [(1, 1), (1, 2), (2, 1), (2, 2)]


# --- several GPUs ----------------------------------------------------------------------------------------------------

GPUS = tuple(Gpu(name="NVIDIA H100", compute="9.0", uuid=f"GPU-{number}", index=number) for number in range(2))


def test_the_launches_of_a_block_are_on_one_gpu(
    tmp_path: Path, folder: RunFolder, cells: tuple[Prepared, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    setting = make_setting(tmp_path)

    replace(make_run(folder, setting, cells), fleet=make_fleet(GPUS)).execute(())

    launches = [record.launch for record in folder.read_records()[0]]
    places = {(one.row, one.block, one.gpu.uuid if one.gpu else None) for one in launches}
    assert len(launches) == 12
    assert len(places) == len({(row, block) for row, block, _ in places}) == 4
    assert "block 1  GPU " in capsys.readouterr().err


def test_what_was_killed_with_its_run_leaves_no_record(
    tmp_path: Path, folder: RunFolder, cells: tuple[Prepared, ...]
) -> None:
    ended = Event()

    def answer(job: Job) -> Outcome:
        if b'"gate"' in job.files["job.json"]:
            return outcome_of(GOOD_REPORT)
        os.kill(os.getpid(), signal.SIGTERM)
        ended.wait(30)
        return Outcome(status="exited", exit_code=-9, files={}, log="")

    class Engine(FakeEngine):
        def end(self, run: str) -> None:
            super().end(run)
            ended.set()

    engine = Engine(answer)
    run = replace(make_run(folder, make_setting(tmp_path, engine), cells), fleet=make_fleet(GPUS))

    outcome = run.execute(())

    assert outcome.interrupted
    assert folder.read_records()[0] == outcome.made == ()
    assert set(engine.ended) == {folder.id}


def test_a_remedy_is_told_once(
    tmp_path: Path, folder: RunFolder, cells: tuple[Prepared, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    failure = {"phase": "setup", "kind": "RuntimeError", "message": "no kernel image is available for execution"}
    engine = FakeEngine(lambda _job: outcome_of({"status": "failed", "failure": failure}, exit_code=1))

    make_run(folder, make_setting(tmp_path, engine), cells).execute(())

    assert capsys.readouterr().err.count("The variant has no code for this GPU") == 1


def test_blocks_are_cut_where_row_or_block_changes(cells: tuple[Prepared, ...]) -> None:
    blocks = into_blocks(order_launches(cells, blocks=2, seed=1))

    assert [len(block) for block in blocks] == [3, 3, 3, 3]
    assert all(len({(one.prepared.cell.row, one.block) for one in block}) == 1 for block in blocks)


# --- what is said ----------------------------------------------------------------------------------------------------


def test_a_good_launch_is_described_by_its_median(tmp_path: Path) -> None:
    assert describe(record_of(make_setting(tmp_path), make_prepared(tmp_path), 1)) == "train_step 200 ms × 3"


@pytest.mark.parametrize(
    ("message", "said"),
    [("boom\nmore", "failed: boom more"), ("", "failed: K"), ("\x1b[31mred\x07", "failed: [31mred")],
)
def test_a_failure_is_described_without_signs_that_steer_a_terminal(tmp_path: Path, message: str, said: str) -> None:
    record = record_of(make_setting(tmp_path), make_prepared(tmp_path), 1)

    failed = replace(record, status="failed", failure=Failure(phase="p", kind="K", message=message))

    assert describe(failed) == said


def test_only_the_last_attempt_of_a_launch_counts(tmp_path: Path) -> None:
    setting, cell = make_setting(tmp_path), make_prepared(tmp_path)
    first, second = record_of(setting, cell, 1), record_of(setting, cell, 1, attempt=2)

    assert newest_of_each([second, first]) == (second,)


def test_a_failed_gate_counts_until_its_cell_is_launched(tmp_path: Path) -> None:
    setting, cell = make_setting(tmp_path), make_prepared(tmp_path)
    gate, launch = record_of(setting, cell, None), record_of(setting, cell, 1)
    before = replace(gate, launch=replace(gate.launch, started="2026-01-01"))
    after = replace(gate, launch=replace(gate.launch, started="9999-01-01"))

    assert newest_of_each([before, launch]) == (launch,)
    assert newest_of_each([after, launch]) == (after, launch)
