"""What a comparison is: frozen values between `tables`, which computes them, and `report`, which writes them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from orchestrator.analysis.columns import Column, Setup
from orchestrator.analysis.conclusions import JudgedConclusion
from orchestrator.analysis.stats import Interval
from orchestrator.analysis.verdicts import Verdict
from orchestrator.specs import Across, Once, Scalar, Unit


@dataclass(frozen=True, kw_only=True)
class Derived:
    """A measure of a benchmark, with the 95 % interval of the time it is derived from."""

    value: float | None
    low: float | None  # None from one launch
    high: float | None
    unit: str  # s, or what there is of in a second: 1/s, images/s
    better: Literal["lower", "higher"]


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
    once_s: Mapping[str, float] = field(default_factory=dict)  # setup_cold_s, setup_s, first_step_s: geometric means
    measures: Mapping[str, Derived] = field(default_factory=dict)  # of the benchmark, by name
    verdict: Verdict | None = None  # None: fewer than three blocks
    notes: tuple[str, ...] = ()
    is_recorded: bool = True  # False: no record says that it was tried in this row


@dataclass(frozen=True, kw_only=True)
class PublishedEntry:
    value_s: float
    text: str  # as printed: 11 ms
    ratio_to_fastest: float | None
    compared: str  # the fastest of what: PyTorch versions, or frameworks
    ratio_is_printed: bool = True  # False: divided here
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PublishedColumn:
    """One framework version of a study, on the study's own device."""

    version: str
    device: str  # short name
    year: str
    notes: tuple[str, ...] = ()  # that hold for all its numbers
    system: str | None = None  # across systems: PyTorch 0.4.0 cuDNNLSTM

    @property
    def name(self) -> str:
        """What a line of it alone is called."""
        return self.system or self.version

    @property
    def label(self) -> str:
        return f"{self.name}, {self.device}, {self.year}"


@dataclass(frozen=True, kw_only=True)
class Row:
    benchmark: str
    implementation: str | None  # None: across systems, each of which has its own
    configuration: str
    label: str
    frameworks: frozenset[str]  # of its records, as the study may name them
    entries: tuple[Entry, ...]  # one per measured column
    published: tuple[PublishedEntry | None, ...] = ()  # one per published column
    parameters: Mapping[str, Scalar] = field(default_factory=dict)  # of the configuration

    @property
    def batch(self) -> int | None:
        """Examples in an iteration, where the configuration says."""
        told = self.parameters.get("batch")
        return told if type(told) is int and told > 0 else None


@dataclass(frozen=True, kw_only=True)
class Line:
    """What stands on one line of a row: a measured column, a published one, or one beside the other."""

    label: str
    column: Column | None
    entry: Entry | None
    printed: PublishedColumn | None
    number: PublishedEntry | None

    @property
    def notes(self) -> tuple[str, ...]:
        """All that is noted of what stands on the line."""
        published = (*self.printed.notes, *self.number.notes) if self.printed and self.number else ()
        return (*(self.entry.notes if self.entry else ()), *published)


@dataclass(frozen=True, kw_only=True)
class RankAgreement:
    """Kendall's tau between measured and published times over the implementations, or systems, of a configuration."""

    benchmark: str
    configuration: str
    column: str  # empty: of systems
    version: str  # published; empty: each system's own
    tau: float
    n: int  # at least 3


@dataclass(frozen=True, kw_only=True)
class Table:
    phase: str
    columns: tuple[Column, ...]
    labels: tuple[str, ...]  # of the columns, told apart
    rows: tuple[Row, ...]
    published: tuple[PublishedColumn, ...] = ()
    beside: tuple[str | None, ...] = ()  # per measured column: name of the published one that shares its lines
    ranks: tuple[RankAgreement, ...] = ()
    footnotes: tuple[str, ...] = ()  # of all notes, in reading order, each once
    across: Across = "image"
    unit: Unit | None = None  # that times are written in; here they are seconds per iteration
    once: tuple[Once, ...] = ()  # of an entry's once_s, those to show

    @property
    def is_in_lines(self) -> bool:
        """Say whether each row is written as lines of its own: across systems, and where there is more than a time."""
        return self.across == "system" or bool(self.once)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    suites: tuple[str, ...]  # with the profile in brackets
    runs: tuple[str, ...]
    setups: tuple[Setup, ...]
    baseline: str  # as asked: oldest, or an image; across systems fastest, or image/implementation
    started: str  # of the first launch, ISO 8601, UTC
    ended: str
    blocks: int  # most of one cell
    launches: int  # measured ones, good or failed
    failed: int
    study: str | None  # short name of the published columns
    source: str | None  # where they were printed
    tables: tuple[Table, ...]
    conclusions: tuple[JudgedConclusion, ...] = ()  # of the study
