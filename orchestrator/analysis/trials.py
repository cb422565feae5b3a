"""A study's claim on one pair of systems, tried on records."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal

from orchestrator.analysis.columns import Column, sort_into_columns, version_order
from orchestrator.analysis.launches import Launches, summarise
from orchestrator.analysis.ratios import Ratio, differences, divide
from orchestrator.analysis.stats import SAME_WITHIN, Interval
from orchestrator.analysis.systems import framework_of, label_systems, what_sets_apart
from orchestrator.conclusions import Conclusion, NamedSystem
from orchestrator.images import framework_version
from orchestrator.names import matches
from orchestrator.records import Record
from orchestrator.specs import Device

Outcome = Literal["holds", "does not hold", "inconclusive", "cannot be tested here"]
Size = Literal["as claimed", "less than claimed", "more than claimed"]
Pair = tuple[Column, Column]  # slower, faster, by the claim


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What came of it: the time of the system that is claimed slower over that of the faster."""

    slower: str  # as tables label it; where it was not measured as the study names it
    faster: str
    configuration: str
    phase: str
    outcome: Outcome
    reason: str | None = None  # of what cannot be tested, and of a ratio without an interval
    is_absent: bool = False  # a system is not among the records at all, not even as a failure
    is_elsewhere: bool = False  # at a configuration that the claim is not about, where its own was not measured
    ratio: float | None = None
    interval: Interval | None = None
    size: Size | None = None  # None: no size is claimed, or there is no interval
    device: Device | None = None


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A conclusion on one pair of systems."""

    conclusion: Conclusion
    slower: NamedSystem
    faster: NamedSystem
    configuration: str
    phase: str

    def place(self, system: NamedSystem) -> str:
        """Return the configuration that the claim is about."""
        return system.configuration or self.configuration

    @property
    def text(self) -> str:
        """Name the configuration, or the two that are held against each other."""
        return " against ".join(dict.fromkeys((self.place(self.slower), self.place(self.faster))))

    @property
    def is_of_releases(self) -> bool:
        """Say whether the two differ in nothing but their release, which then has to be the study's own."""
        slower, faster = self.slower, self.faster
        same = (slower.framework, slower.back_end, slower.implementation) == (
            faster.framework,
            faster.back_end,
            faster.implementation,
        )
        return same and slower.version != faster.version


class Bench:
    """The records by system and configuration; summed up when asked for."""

    def __init__(self, records: Sequence[Record], labels: Mapping[str, str]) -> None:
        """labels: implementation -> the study's name for it."""
        columns = sort_into_columns(records, "system")
        self.columns = tuple(columns)
        self.names = dict(zip(self.columns, label_systems(self.columns, labels), strict=True))
        self.configurations = frozenset(record.workload.configuration for record in records)
        self._systems: dict[tuple[str, str], dict[str, list[Column]]] = {}  # by framework and label
        for column in self.columns:
            family = framework_of(column.family), what_sets_apart(column.family)
            label = labels.get(column.implementation or "", column.implementation or "")
            self._systems.setdefault(family, {}).setdefault(label, []).append(column)
        self._records: dict[tuple[Column, str], list[Record]] = {}
        for column, found in columns.items():
            for record in found:
                self._records.setdefault((column, record.workload.configuration), []).append(record)

    def find(self, system: NamedSystem, *, is_of_release: bool) -> list[Column]:
        """Return the systems of that name, measured or not: the study's own release first, then from the oldest on."""
        on = f" on {system.back_end}" if system.back_end else ""
        found = [
            column
            for apart in (on, f"{on} compat")
            for label, columns in self._systems.get((system.framework, apart), {}).items()
            for column in columns
            if matches(label, (system.implementation,))
        ]
        own = [one for one in found if framework_version(one.version) == system.version]
        others = [] if is_of_release else [one for one in found if one not in own]
        return [*own, *sorted(others, key=lambda one: version_order(one.version))]

    def launches(self, column: Column, configuration: str, phase: str) -> Launches | None:
        """Return the launches of a system at a configuration, None where nothing of it is recorded."""
        records = self._records.get((column, configuration))
        return summarise(records, phase) if records else None


def try_claim(claim: Claim, bench: Bench) -> Trial:
    """Divide the two systems of a claim, or say why that cannot be done here."""
    sides = (claim.slower, claim.faster)
    named = [bench.find(system, is_of_release=claim.is_of_releases) for system in sides]
    absent = [system.text for system, columns in zip(sides, named, strict=True) if not columns]
    if absent:
        return _untried(claim, f"not measured: {', '.join(dict.fromkeys(absent))}", is_absent=True)
    if claim.conclusion.needs and not any(column.device == "cuda" for column in bench.columns):
        return _untried(claim, f"the claim is about {claim.conclusion.needs}")
    there = [_launches(claim, system, columns, bench) for system, columns in zip(sides, named, strict=True)]
    missing = [claim.place(system) for system, launches in zip(sides, there, strict=True) if not launches]
    if missing:
        return _untried(claim, f"not measured: {', '.join(dict.fromkeys(missing))}")
    timed = [{one: told for one, told in launches.items() if told.medians_s} for launches in there]
    lost = [launches for launches, good in zip(there, timed, strict=True) if not good]
    if lost:
        told = (next(iter(launches.items())) for launches in lost)
        return _untried(claim, "; ".join(f"{bench.names[one]}: {launches.failure}" for one, launches in told))
    slower, faster = _choose(tuple(timed[0]), tuple(timed[1]))
    different = differences(slower, timed[0][slower], faster, timed[1][faster])
    if different:
        return _untried(claim, f"the two are not comparable: {'; '.join(different)}")
    return _weigh(claim, (slower, faster), divide(timed[0][slower], timed[1][faster]), bench)


def _untried(claim: Claim, reason: str, *, is_absent: bool = False) -> Trial:
    return Trial(
        slower=claim.slower.text,
        faster=claim.faster.text,
        configuration=claim.text,
        phase=claim.phase,
        outcome="cannot be tested here",
        reason=reason,
        is_absent=is_absent,
    )


def _launches(claim: Claim, system: NamedSystem, columns: Sequence[Column], bench: Bench) -> dict[Column, Launches]:
    found = ((column, bench.launches(column, claim.place(system), claim.phase)) for column in columns)
    return {column: launches for column, launches in found if launches}


def _choose(slower: Sequence[Column], faster: Sequence[Column]) -> Pair:
    """Return the pair to divide: of one setup and image if there is one, of the study's releases, else the oldest."""

    def apart(places: tuple[int, int]) -> tuple[bool, bool, int]:
        pair = slower[places[0]], faster[places[1]]
        return pair[0].setup != pair[1].setup, pair[0].image != pair[1].image, sum(places)

    best = min(product(range(len(slower)), range(len(faster))), key=apart)
    return slower[best[0]], faster[best[1]]


def _weigh(claim: Claim, pair: Pair, ratio: Ratio, bench: Bench) -> Trial:
    interval = ratio.estimate.interval if ratio.estimate else None
    return Trial(
        slower=bench.names[pair[0]],
        faster=bench.names[pair[1]],
        configuration=claim.text,
        phase=claim.phase,
        outcome=_outcome(interval),
        reason=None if interval else ratio.note,
        ratio=ratio.value,
        interval=interval,
        size=_size(interval, claim.conclusion.ratio) if interval and claim.conclusion.ratio else None,
        device=pair[0].device,
    )


def _outcome(interval: Interval | None) -> Outcome:
    """Judge the direction alone; of two that are the same within 2 % none is faster."""
    if interval is None:
        return "inconclusive"
    is_same = interval.low >= 1 / (1 + SAME_WITHIN) and interval.high <= 1 + SAME_WITHIN
    if interval.high < 1 or is_same:
        return "does not hold"
    return "holds" if interval.low > 1 else "inconclusive"


def _size(interval: Interval, claimed: Sequence[float]) -> Size:
    """Say whether the interval and the claimed ratio, or range, rounded as printed, have a value in common."""
    least, most = min(claimed), max(claimed)
    if interval.high < least - _rounding(least):
        return "less than claimed"
    return "more than claimed" if interval.low > most + _rounding(most) else "as claimed"


def _rounding(printed: float) -> float:
    """Return half of the last digit that was printed, of at least one decimal: 0.05 of 1.6 and of 2."""
    return 0.5 * 10.0 ** -max(len(f"{printed:g}".partition(".")[2]), 1)
