"""The run folder: one JSON file per launch, written atomically and never changed; found again on resume."""

import dataclasses
import fcntl
import json
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from orchestrator.errors import ConfigurationError, DiskError, OrchError, RecordError, UsageError
from orchestrator.loading import read_record
from orchestrator.records import Record
from orchestrator.specs import Scalar

PLAN = "plan.json"
_PARTIAL = ".partial"


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunFolder:
    """One run: `runs/<id>/` with plan.json, records/, logs/ and comparison.json."""

    path: Path

    @property
    def id(self) -> str:
        return self.path.name

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    def write_record(self, record: Record) -> Path:
        """Save a record for good; its name says cell, block and attempt. Raises DiskError if it cannot be."""
        path = self._record_path(record.cell.id, record.launch.block, record.launch.attempt)
        content = {"schema": record.schema, **dataclasses.asdict(record)}  # what it is stands first
        text = json.dumps(content, indent=1, allow_nan=False) + "\n"
        if not self.path.is_dir():
            raise DiskError(f"{self.path}: the run folder is gone. Its records are lost; start again.")
        try:
            write_atomically(path, text)
        except OSError as error:
            raise DiskError(
                f"{path}: cannot be written ({error.strerror}). Make room; the same command continues."
            ) from error
        return path

    def next_attempt(self, cell_id: str, block: int | None) -> int:
        """Return the first attempt, from 1, that has no record yet: no record is ever written over."""
        return next(number for number in count(1) if not self._record_path(cell_id, block, number).exists())

    def read_records(self) -> tuple[tuple[Record, ...], tuple[str, ...]]:
        """Return the readable records and a complaint for each that is not; the latter are kept in broken/."""
        records, complaints = [], []
        for path in sorted((self.path / "records").glob("*.json")):
            try:
                records.append(read_record(path))
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
    now = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    folder = RunFolder(path=runs / f"{now}-{secrets.token_hex(2)}")
    try:
        (folder.path / "records").mkdir(parents=True)
        write_atomically(folder.path / PLAN, json.dumps(plan, indent=1, allow_nan=False) + "\n")
    except OSError as error:
        raise UsageError(f"{folder.path}: cannot be written ({error.strerror}). Set `runs` in orch.toml.") from error
    return folder


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


def write_atomically(path: Path, text: str) -> None:
    """Write a file so that it is there whole or not at all, also after a power cut."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f".{secrets.token_hex(8)}{_PARTIAL}"
    try:
        with temporary.open("x", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def slug(cell_id: str) -> str:
    """Turn a cell's id into a file name: `/` becomes `_`, what a file system may not like `-`."""
    return re.sub(r"[^A-Za-z0-9._+-]", "-", cell_id.replace("/", "_"))
