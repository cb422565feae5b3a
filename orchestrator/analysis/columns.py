"""The columns of a table: an image variant as it was run, in one setup of machine, engine and protocol.

Across systems a column is one implementation of it, and is written as a line of its configuration.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import Literal

from packaging.version import Version

from orchestrator.hardware import Gpu
from orchestrator.names import version_key
from orchestrator.records import Record
from orchestrator.specs import Across, Device

IMPORTED = "imported"  # engine of a setup that is not ours: nothing of ours is divided by it
UNKNOWN = "not stated"
Place = tuple[str, str | None, str | None]  # image, implementation, machine
TEXT_AT_MOST = 200  # characters of a program's message in a footnote


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What must agree, besides the code, before two times are divided; field names are what a reader sees."""

    machine: str
    cpu: str
    gpu: str
    power_limit: str
    driver: str
    engine: str
    threads: str
    protocol: str
    precision: str

    def differences(self, other: "Setup") -> tuple[str, ...]:
        """Name what differs, with both values where they mean something to a reader."""
        names = [field.name for field in fields(self) if getattr(self, field.name) != getattr(other, field.name)]
        return tuple(
            "machine" if name == "machine" else f"{spoken(name)}: {getattr(self, name)}, not {getattr(other, name)}"
            for name in names
        )


@dataclass(frozen=True, kw_only=True)
class Column:
    """An image variant, or one system of it, as it was run; setup None where nothing of it could run at all."""

    image: str  # pytorch-1.4.0
    variant: str | None
    device: Device | None  # None: unsupported here, never ran; or of imported times not stated
    setup: Setup | None
    jit: bool = False  # its GPU code was compiled from PTX: no column of native code is divided by it
    implementation: str | None = None  # of a system; None: of any, where the table is across images

    @property
    def family(self) -> str:
        return split_image(self.image)[0]

    @property
    def version(self) -> str:
        return split_image(self.image)[1]

    @property
    def label(self) -> str:
        """Version and variant; where a CUDA build ran on the processor, or by code compiled from PTX, it says so."""
        return f"{self.version} {self.variant or ''}".rstrip() + self._where

    @property
    def build(self) -> str:
        """The variant alone, and where it ran; nothing for a CPU build."""
        return f"{self.variant}{self._where}" if self.variant not in {None, "cpu"} else ""

    @property
    def _where(self) -> str:
        return " on cpu" if self.variant not in {None, "cpu"} and self.device == "cpu" else " jit" if self.jit else ""


def sort_into_columns(records: Sequence[Record], across: Across = "image") -> dict[Column, list[Record]]:
    """Return the records of each column; columns by family, then oldest version first, then setup by appearance.

    What never ran belongs to all columns of its image, or system, on its machine; without any it is one of its own.
    """
    placed = [(record, _column(record, across)) for record in records]
    ran = dict.fromkeys(column for record, column in placed if record.launch.block is not None)
    there: dict[Place, list[Column]] = {}
    for column in ran:
        there.setdefault(_place(column), []).append(column)
    found: dict[Column, list[Record]] = {column: [] for column in ran}
    for record, column in placed:
        own = [column] if record.launch.block is not None else there.get(_place(column))
        for one in own or [_lost(record, column)]:
            found.setdefault(one, []).append(record)
    order: dict[Setup | None, int] = {setup: index for index, setup in enumerate(setups_of(tuple(ran)))}
    columns = sorted(found, key=lambda one: (*_sort_key(one), order.get(one.setup, 0)))
    return {column: found[column] for column in columns}


def _sort_key(column: Column) -> tuple[object, ...]:
    return (column.family, version_order(column.version), column.implementation or "", column.label)


def setups_of(columns: Sequence[Column]) -> tuple[Setup, ...]:
    """Return the setups, each once, in order of appearance."""
    return tuple(dict.fromkeys(column.setup for column in columns if column.setup))


def device_of(record: Record) -> Device:
    """Say where a launch computed."""
    return "cuda" if record.protocol.device == "cuda" else "cpu"


@lru_cache(maxsize=4096)
def split_image(name: str) -> tuple[str, str]:
    """Cut `pytorch-1.4.0` into family and version."""
    found = re.fullmatch(r"(.+?)-(\d.*)", name)
    return (found[1], found[2]) if found else (name, "")


def version_order(version: str) -> tuple[Literal[0, 1], Version, str]:
    """Return what versions are sorted by; what is no version comes last, by name."""
    try:
        return (0, version_key(version), version)
    except ValueError:
        return (1, Version("0"), version)


def spoken(name: str) -> str:
    """Write a name of the code as words."""
    return name.replace("_", " ")


@lru_cache(maxsize=4096)
def clean(text: str) -> str:
    """Make text of a program fit for one line of a table: no control characters, one space, not too long."""
    visible = "".join(" " if unicodedata.category(sign) in {"Cc", "Zl", "Zp"} else sign for sign in text)
    visible = "".join(sign for sign in visible if unicodedata.category(sign)[0] != "C")
    words = " ".join(visible.split())
    return words if len(words) <= TEXT_AT_MOST else words[: TEXT_AT_MOST - 1] + "…"


def _column(record: Record, across: Across) -> Column:
    variant = clean(record.image.variant) if record.image.variant else None
    return Column(
        image=clean(record.image.name),
        variant=variant,
        device=device_of(record) if record.protocol.device else None,
        setup=_setup(record),
        jit=record.image.jit,
        implementation=clean(record.workload.implementation) if across == "system" else None,
    )


def _lost(record: Record, column: Column) -> Column:
    return replace(column, device=device_of(record) if record.image.variant else None, setup=None)


def _place(column: Column) -> Place:
    return column.image, column.implementation, column.setup.machine if column.setup else None


def _gpu(record: Record) -> Gpu | None:
    """Return the GPU a launch computed on; of one that was not launched, the first that could have been."""
    if device_of(record) == "cpu":
        return None
    used = record.launch.gpu
    return next((gpu for gpu in record.machine.gpus if used is None or gpu.uuid == used.uuid), None)


def _setup(record: Record) -> Setup:
    machine, protocol = record.machine, record.protocol
    gpu = _gpu(record)
    if record.provenance.source == IMPORTED:
        return _imported_setup(record, gpu)
    counts = f"{protocol.warmup} warm-up + {protocol.samples} samples, at most {protocol.at_most_s:g} s"
    told = "+".join(clean(phase) for phase in protocol.phases)
    return Setup(
        machine=machine.id,
        cpu=f"{clean(machine.cpu)} ({machine.cores} cores)",
        gpu=clean(gpu.name) if gpu else "none",
        power_limit=f"{gpu.power_limit_w:g} W" if gpu and gpu.power_limit_w else "unknown" if gpu else "none",
        driver=clean(gpu.driver or "unknown") if gpu else "none",
        engine=clean(record.container.engine.split()[0]) if record.container and record.container.engine else "none",
        threads=str(protocol.threads),
        protocol=f"{counts}, {told}, {clean(protocol.caches)} caches",
        precision=clean(protocol.precision),
    )


def _imported_setup(record: Record, gpu: Gpu | None) -> Setup:
    """Return what is known of a machine that others measured on: its device, where they name it."""
    processor = "the processor" if record.protocol.device == "cpu" else UNKNOWN
    return Setup(
        machine=record.machine.id,
        cpu=UNKNOWN,
        gpu=clean(gpu.name) if gpu else processor,
        power_limit=UNKNOWN,
        driver=UNKNOWN,
        engine=IMPORTED,
        threads=UNKNOWN,
        protocol=UNKNOWN,
        precision=UNKNOWN,
    )
