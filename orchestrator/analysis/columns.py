"""The columns of a table: an image variant as it was run, in one setup of machine, engine and protocol."""

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
from orchestrator.specs import Device

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
    """An image variant as it was run; setup None where nothing of it could run at all."""

    image: str  # pytorch-1.4.0
    variant: str | None
    device: Device | None  # None: unsupported here, never ran
    setup: Setup | None
    jit: bool = False  # its GPU code was compiled from PTX: no column of native code is divided by it

    @property
    def family(self) -> str:
        return split_image(self.image)[0]

    @property
    def version(self) -> str:
        return split_image(self.image)[1]

    @property
    def label(self) -> str:
        """Version and variant; where a CUDA build ran on the processor, or by code compiled from PTX, it says so."""
        where = " on cpu" if self.variant not in {None, "cpu"} and self.device == "cpu" else " jit" if self.jit else ""
        return f"{self.version} {self.variant or ''}".rstrip() + where


def columns_of(records: Sequence[Record]) -> tuple[Column, ...]:
    """Return the columns of all records: by family, then oldest version first, then setup in order of appearance."""
    ran = {_column(record): None for record in records if record.launch.block is not None}
    places = {(column.image, column.setup.machine) for column in ran if column.setup}
    never = [record for record in records if record.launch.block is None]
    lost = {_lost_column(one): None for one in never if _whereabouts(one) not in places}
    order: dict[Setup | None, int] = {setup: index for index, setup in enumerate(setups_of(tuple(ran)))}
    return tuple(
        sorted(
            (*ran, *lost), key=lambda one: (one.family, version_order(one.version), one.label, order.get(one.setup, 0))
        )
    )


def place(record: Record, columns: Sequence[Column]) -> tuple[Column, ...]:
    """Return the columns a record belongs to: where nothing was measured, all of its image on its machine."""
    if record.launch.block is not None:
        return (_column(record),)
    there = [one for one in columns if one.setup and (one.image, one.setup.machine) == _whereabouts(record)]
    return tuple(there) or (_lost_column(record),)


def setups_of(columns: Sequence[Column]) -> tuple[Setup, ...]:
    """Return the setups, each once, in order of appearance."""
    return tuple(dict.fromkeys(column.setup for column in columns if column.setup))


def device_of(record: Record) -> Device:
    """Say where a launch computed."""
    return "cuda" if record.protocol.device == "cuda" else "cpu"


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


def _column(record: Record) -> Column:
    variant = clean(record.image.variant) if record.image.variant else None
    return Column(
        image=clean(record.image.name),
        variant=variant,
        device=device_of(record),
        setup=_setup(record),
        jit=record.image.jit,
    )


def _lost_column(record: Record) -> Column:
    device = device_of(record) if record.image.variant else None
    return replace(_column(record), device=device, setup=None)


def _whereabouts(record: Record) -> tuple[str, str]:
    return clean(record.image.name), record.machine.id


def _gpu(record: Record) -> Gpu | None:
    """Return the GPU a launch computed on; of one that was not launched, the first that could have been."""
    if device_of(record) == "cpu":
        return None
    used = record.launch.gpu
    return next((gpu for gpu in record.machine.gpus if used is None or gpu.uuid == used.uuid), None)


def _setup(record: Record) -> Setup:
    machine, protocol = record.machine, record.protocol
    gpu = _gpu(record)
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
