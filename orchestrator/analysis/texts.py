"""Numbers and notes of a comparison as short texts, the same in every format."""

import math

from orchestrator.analysis.columns import Setup
from orchestrator.analysis.comparison import Comparison, Entry, PublishedEntry, Table
from orchestrator.analysis.stats import SAME_WITHIN, Interval

DASH = "–"
MEASURED = (
    "time: geometric mean of the launch medians ± half of its 95 % interval",
    "ratio: time / time of the baseline [95 % interval]; below 1 is faster",
    f"faster, slower: at 5 % false discoveries over the table; same: the interval within ±{SAME_WITHIN * 100:.0f} %",
)
INCONCLUSIVE = "inconclusive +N: N blocks more would settle it in 9 of 10 cases, by the noise seen"
UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))


def seconds(value_s: float) -> str:
    """Write a time in a fitting unit with 3 significant digits."""
    # 0.9995 s would be rounded to 1000 ms.
    scale, unit = next((pair for pair in UNITS if value_s >= 0.9995 * pair[0]), UNITS[-1])
    return f"{digits(value_s / scale)} {unit}"


def digits(value: float) -> str:
    """Write a number with 3 significant digits, never as a power of ten; whole above 1000."""
    if value == 0:
        return "0"
    places = max(0, 2 - math.floor(math.log10(abs(float(f"{value:.2e}")))))
    return f"{value:.{places}f}"


def spread(interval: Interval | None) -> str:
    """Write an interval as the half width around its geometric centre; nothing from one launch."""
    if interval is None:
        return ""
    half = math.sqrt(interval.high / interval.low) - 1
    return f"±{half:.1%}".replace("%", " %") if half < 1 else f"×÷{digits(1 + half)}"


def entry_lines(entry: Entry) -> tuple[str, ...]:
    """Write time, ratio and verdict, a line each; a dash where there is no time."""
    if entry.value_s is None:
        return (DASH,)
    return tuple(line for line in (time(entry), ratio(entry), verdict(entry)) if line)


def time(entry: Entry) -> str:
    """Write `145 ms ±1.2 %`."""
    return f"{seconds(entry.value_s)} {spread(entry.interval)}".rstrip() if entry.value_s else DASH


def ratio(entry: Entry) -> str:
    """Write `0.272 [0.265, 0.280]`, without an interval below three blocks."""
    if entry.ratio is None:
        return ""
    bounds = entry.ratio_interval
    return _factor(entry.ratio) + (f" [{_factor(bounds.low)}, {_factor(bounds.high)}]" if bounds else "")


def _factor(value: float) -> str:
    # Around 1 the third decimal decides: same means within 2 %.
    return f"{value:.3f}" if 0.1 <= value < 10 else digits(value)


def verdict(entry: Entry) -> str:
    """Write the verdict; an inconclusive one with the blocks more that would settle it."""
    if entry.verdict is None or entry.value_s is None:
        return ""
    more = entry.verdict.blocks_more
    return f"{entry.verdict.name} +{more}" if more else entry.verdict.name


def published_text(entry: PublishedEntry | None) -> str:
    """Write the printed time and its ratio to the study's fastest."""
    if entry is None:
        return DASH
    return entry.text + (f", {entry.ratio_to_fastest:.1f}×" if entry.ratio_to_fastest else "")


def marks(notes: tuple[str, ...], table: Table) -> tuple[int, ...]:
    """Return the numbers of footnotes, from 1."""
    return tuple(sorted(table.footnotes.index(note) + 1 for note in set(notes)))


def title(comparison: Comparison, table: Table) -> str:
    """Name suite, profile and measure."""
    return f"{', '.join(comparison.suites)}: time per {table.phase.replace('_', ' ')}"


def heading(comparison: Comparison) -> tuple[str, ...]:
    """Say on what, how and when it was measured, a line each."""
    setups = [_setup(setup) for setup in comparison.setups]
    if len(setups) > 1:
        setups = [f"setup {number}: {text}" for number, text in enumerate(setups, start=1)]
    bad = f", {comparison.failed} of them not ok" if comparison.failed else ""
    began, ended = (text[:16].replace("T", " ") for text in (comparison.started, comparison.ended))
    when = began if began == ended else f"{began} to {ended[11:] if began[:10] == ended[:10] else ended}"
    blocks = f"{comparison.blocks} block{'s' * (comparison.blocks != 1)}"
    return (*setups, f"{when} UTC; {blocks}, {comparison.launches} launches{bad}; run {', '.join(comparison.runs)}")


def shared_notes(table: Table) -> tuple[str, ...]:
    """Return the notes that hold for every published number."""
    others = [set(column.notes) for column in table.published[1:]]
    return tuple(note for column in table.published[:1] for note in column.notes if all(note in one for one in others))


def rank_lines(comparison: Comparison, table: Table) -> tuple[str, ...]:
    """Write the rank agreement with the study, a line per configuration."""
    groups: dict[tuple[str, str, int], list[str]] = {}
    for rank in table.ranks:
        line = groups.setdefault((rank.benchmark, rank.configuration, rank.n), [])
        line.append(f"{rank.column} {rank.tau:.2f}")
    if not groups:
        return ()
    first = f"Rank agreement with {comparison.study}, {table.ranks[0].version} (Kendall's tau over n implementations):"
    lines = (f"{configuration}, n = {n}: {'; '.join(told)}" for (_, configuration, n), told in groups.items())
    return (first, *lines)


def legend(comparison: Comparison, table: Table) -> tuple[str, ...]:
    """Say what the numbers are, a line each."""
    verdicts = {entry.verdict.name for row in table.rows for entry in row.entries if entry.verdict}
    open_ones = (INCONCLUSIVE,) if "inconclusive" in verdicts else ()
    printed = [entry for row in table.rows for entry in row.published if entry and entry.ratio_to_fastest]
    compared = " or ".join(sorted({entry.compared for entry in printed}))
    ratios = f"N.N×: as the study prints it, to the fastest of its {compared} at the same configuration"
    return (*MEASURED, *open_ones, *((f"{ratios} ({comparison.source})",) if printed else ()))


def _setup(setup: Setup) -> str:
    threads = f"{setup.threads} thread{'s' * (setup.threads != '1')}"
    device = f"{setup.gpu} ({setup.power_limit}, driver {setup.driver}), " if setup.gpu != "none" else ""
    return f"{device}{setup.cpu}, {threads}; {setup.engine}; {setup.protocol}; {setup.precision}"
