"""The run folder: one JSON file per launch, written atomically and never changed; found again on resume."""

import fcntl
import hashlib
import json
import os
import re
import secrets
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import count
from pathlib import Path

from orchestrator.errors import ConfigurationError, DiskError, OrchError, RecordError, UsageError
from orchestrator.loading import read_record
from orchestrator.records import Record
from orchestrator.specs import Scalar
from orchestrator.summaries import Trace
from orchestrator.traces import cut, fits, record_bytes, separate, trace_bytes

PLAN = "plan.json"
_PARTIAL = ".partial"
_STAMP = "%Y%m%dT%H%M%SZ"
_NUMBERING = threading.Lock()  # each GPU has a thread that writes records


@dataclass(frozen=True, kw_only=True)
class RunFolder:
    """One run: `runs/<id>/` with plan.json, records/, traces/, logs/ and comparison.json."""

    path: Path

    @property
    def id(self) -> str:
        return self.path.name

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    def write_record(self, record: Record) -> Record:
        """Save a record for good and return it as it lies there; its file name says cell, block and attempt.

        What is too long for it goes to its trace; one that does not fit for another reason becomes a failed one, and
        is kept whole in logs/. Raises DiskError if it cannot be written.
        """
        with _NUMBERING:
            record = replace(record, launch=replace(record.launch, number=next(self._numbers)))
        if not self.path.is_dir():
            raise DiskError(f"{self.path}: the run folder is gone. Its records are lost; start again.")
        path = self.record_path(record)
        stored, columns = separate(record)
        trace = trace_bytes(columns) if columns else b""
        if trace:
            stored = replace(stored, trace=Trace(name=f"traces/{path.stem}.csv.gz", sha256=_sha256(trace)))
        content = record_bytes(stored)
        if not fits(content):
            whole = self.logs / f"{path.stem}.whole.json"
            save(whole, record_bytes(record))
            stored = cut(stored, len(content), f"logs/{whole.name}")
            content = record_bytes(stored)
        elif stored.trace:
            save(self.path / stored.trace.name, trace)
        save(path, content)
        return stored

    def record_path(self, record: Record) -> Path:
        """Return where a record lies."""
        return self._record_path(record.cell.id, record.launch.block, record.launch.attempt)

    def next_attempt(self, cell_id: str, block: int | None) -> int:
        """Return the first attempt, from 1, that has no record yet: no record is ever written over."""
        return next(number for number in count(1) if not self._record_path(cell_id, block, number).exists())

    def read_records(self) -> tuple[tuple[Record, ...], tuple[str, ...]]:
        """Return the readable records and a complaint for each that is not; the latter are kept in broken/."""
        records, complaints = [], []
        for path in sorted((self.path / "records").glob("*.json")):
            try:
                records.append(self._with_trace(read_record(path)))
            except RecordError as error:
                complaints.append(str(error))
        return tuple(records), tuple(complaints)

    def set_broken_aside(self) -> tuple[str, ...]:
        """Move records that cannot be read to broken/, so that their launches are made again; say which."""
        complaints = []
        for path in sorted((self.path / "records").glob("*.json")):
            try:
                read_record(path)
            except RecordError as error:
                aside = self.path / "broken" / f"{path.name}.{secrets.token_hex(2)}"
                aside.parent.mkdir(exist_ok=True)
                path.rename(aside)
                complaints.append(f"{error} Kept as {aside}; that launch is made again.")
        return tuple(complaints)

    @cached_property
    def _numbers(self) -> Iterator[int]:
        """Count the records: none is ever removed, only set aside."""
        return count(1 + sum(len(list((self.path / name).glob("*.json*"))) for name in ("records", "broken")))

    def _with_trace(self, record: Record) -> Record:
        """Say in a record what is wrong with its trace, if anything is."""
        if record.trace is None:
            return record
        try:
            found = _sha256((self.path / "traces" / Path(record.trace.name).name).read_bytes())
        except OSError as error:
            problem = f"cannot be read ({error.strerror})"
        else:
            problem = "" if found == record.trace.sha256 else "is not the one that was written"
        return replace(record, trace=replace(record.trace, problem=problem))

    def _record_path(self, cell_id: str, block: int | None, attempt: int) -> Path:
        place = "unmeasured" if block is None else f"block{block}"
        return self.path / "records" / f"{slug(cell_id)}.{place}.attempt{attempt}.json"

    def read_plan(self) -> Mapping[str, object]:
        """Return plan.json. Raises ConfigurationError if it is not there or damaged."""
        try:
            plan = json.loads((self.path / PLAN).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ConfigurationError(
                f"no readable plan ({error}). Name another run folder.", file=str(self.path / PLAN)
            ) from error
        if not isinstance(plan, dict):
            raise ConfigurationError("not a plan. Name another run folder.", file=str(self.path / PLAN))
        return plan

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the folder against a second `orch run`, and clear it of half-written files. Raises UsageError."""
        try:
            lock = (self.path / "lock").open("a")
        except OSError as error:
            raise UsageError(f"{self.path}: cannot be written ({error.strerror}). Start a new run: --fresh.") from error
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise UsageError(
                    f"{self.path}: another orch run is measuring there. Wait for it; the same command then continues."
                ) from error
            for half_written in self.path.glob(f"**/*{_PARTIAL}"):
                half_written.unlink()
            yield


def create_run(runs: Path, plan: Mapping[str, object]) -> RunFolder:
    """Make a new run folder with its plan. Raises OrchError's UsageError if it cannot be written."""
    folder = RunFolder(path=runs / f"{_next_stamp(runs)}-{secrets.token_hex(2)}")
    try:
        (folder.path / "records").mkdir(parents=True)
        write_atomically(folder.path / PLAN, json.dumps(plan, indent=1, allow_nan=False) + "\n")
    except OSError as error:
        raise UsageError(f"{folder.path}: cannot be written ({error.strerror}). Set `runs` in orch.toml.") from error
    return folder


def _next_stamp(runs: Path) -> str:
    """Return the time, or a second after the newest run: the newest is the last by name, wherever the clock is."""
    stamp = datetime.now(UTC).replace(tzinfo=None)
    for run in list_runs(runs):
        with suppress(ValueError):  # renamed by its owner
            stamp = max(stamp, datetime.strptime(run.id[:16], _STAMP) + timedelta(seconds=1))
    return stamp.strftime(_STAMP)


def list_runs(runs: Path) -> tuple[RunFolder, ...]:
    """Return the run folders, newest first."""
    return tuple(RunFolder(path=plan.parent) for plan in sorted(runs.glob(f"*/{PLAN}"), reverse=True))


def find_run(runs: Path, identity: Mapping[str, Scalar | None]) -> RunFolder | None:
    """Return the newest run with the same suite, profile, engine, device and machine, None if there is none."""
    for folder in list_runs(runs):
        try:
            plan = folder.read_plan()
        except OrchError:
            continue
        if plan.get("identity") == dict(identity):
            return folder
    return None


def save(path: Path, content: bytes) -> None:
    """Write a file of a run, whole. Raises DiskError with the remedy if it cannot be."""
    try:
        write_atomically(path, content)
    except OSError as error:
        raise DiskError(
            f"{path}: cannot be written ({error.strerror}). Make room; the same command continues."
        ) from error


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file so that it is there whole or not at all, also after a power cut."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f".{secrets.token_hex(8)}{_PARTIAL}"
    raw = content.encode() if isinstance(content, str) else content
    try:
        with temporary.open("xb") as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _sha256(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def slug(cell_id: str) -> str:
    """Turn a cell's id into a file name: `/` becomes `_`, what a file system may not like `-`."""
    return re.sub(r"[^A-Za-z0-9._+-]", "-", cell_id.replace("/", "_"))
