"""What a comparison is: frozen values between `tables`, which computes them, and `report`, which writes them."""

from dataclasses import dataclass

from orchestrator.analysis.columns import Column, Setup
from orchestrator.analysis.stats import Interval
from orchestrator.analysis.verdicts import Verdict


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One row in one column. Times in seconds per iteration; ratio = time / time of the baseline."""

    value_s: float | None = None  # geometric mean of the launch medians
    interval: Interval | None = None  # of value_s; None from one launch
    launches: int = 0  # good ones, in value_s
    launched: int = 0
    ratio: float | None = None
    ratio_interval: Interval | None = None
    ratio_n: int | None = None  # pairs of launches, or launches when unpaired
    is_paired: bool | None = None
    verdict: Verdict | None = None  # None: fewer than three blocks
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PublishedEntry:
    value_s: float
    text: str  # as printed: 11 ms
    ratio_to_fastest: float | None
    compared: str  # the fastest of what: PyTorch versions, or frameworks
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PublishedColumn:
    """One framework version of a study, on the study's own device."""

    version: str
    device: str  # short name
    year: str
    notes: tuple[str, ...] = ()  # that hold for all its numbers

    @property
    def label(self) -> str:
        return f"{self.version}, {self.device}, {self.year}"


@dataclass(frozen=True, kw_only=True)
class Row:
    benchmark: str
    implementation: str
    configuration: str
    label: str
    frameworks: frozenset[str]  # of its records, as the study may name them
    entries: tuple[Entry, ...]  # one per measured column
    published: tuple[PublishedEntry | None, ...] = ()  # one per published column


@dataclass(frozen=True, kw_only=True)
class RankAgreement:
    """Kendall's tau between measured and published times over the implementations of one configuration."""

    benchmark: str
    configuration: str
    column: str
    version: str  # published
    tau: float
    n: int  # implementations, at least 3


@dataclass(frozen=True, kw_only=True)
class Table:
    phase: str
    columns: tuple[Column, ...]
    labels: tuple[str, ...]  # of the columns, told apart
    rows: tuple[Row, ...]
    published: tuple[PublishedColumn, ...] = ()
    ranks: tuple[RankAgreement, ...] = ()
    footnotes: tuple[str, ...] = ()  # of all notes, in reading order, each once


@dataclass(frozen=True, kw_only=True)
class Comparison:
    suites: tuple[str, ...]  # with the profile in brackets
    runs: tuple[str, ...]
    setups: tuple[Setup, ...]
    baseline: str  # as asked: oldest, or an image
    started: str  # of the first launch, ISO 8601, UTC
    ended: str
    blocks: int  # most of one cell
    launches: int  # measured ones, good or failed
    failed: int
    study: str | None  # short name of the published columns
    source: str | None  # where they were printed
    tables: tuple[Table, ...]
