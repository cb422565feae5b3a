"""Numbers and notes of a comparison as short texts, the same in every format."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.analysis.columns import IMPORTED, UNKNOWN, Setup
from orchestrator.analysis.comparison import Comparison, Entry, PublishedEntry, Row, Table
from orchestrator.analysis.stats import SAME_WITHIN, Interval
from orchestrator.specs import Once

DASH = "–"
MEASURED = (
    "time: geometric mean of the launch medians ± its 95 % interval: ±5 % is from ÷1.05 to ×1.05",
    "ratio: time / time of the baseline [95 % interval]; below 1 is faster",
    f"faster, slower: at 5 % false discoveries over the table; same: the interval within ±{SAME_WITHIN * 100:.0f} %",
)
CHOSEN = "baseline: the fastest of its configuration, chosen by these very times, which flatters it a little"
INCONCLUSIVE = "inconclusive +N: N blocks more would settle it in 9 of 10 cases, taken alone and by the noise seen"
PER = {"ms/batch": "batch", "us/example": "example"}
ONCE_OF: Mapping[Once, tuple[str, ...]] = {"setup": ("setup_cold_s", "setup_s"), "first_step": ("first_step_s",)}
ONCE = {
    "setup_cold_s": (
        "set-up, cold",
        "the longer one of the two of the gate launch, which compiles what caches then hold",
    ),
    "setup_s": ("set-up", "net, data and compilation before the first step, as the caches are in measured launches"),
    "first_step_s": ("first step", "the first iteration of a launch, of its first phase"),
}
UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))


@dataclass(frozen=True, kw_only=True)
class Scale:
    """How the times of a row are written: those of an iteration, multiplied, in a unit that the title explains."""

    factor: float
    unit: str


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
    """Write by what factor an interval goes beyond its geometric centre, both ways; nothing from one launch."""
    if interval is None:
        return ""
    half = math.sqrt(interval.high / interval.low) - 1
    return f"±{half:.1%}".replace("%", " %") if half < 1 else f"×÷{digits(1 + half)}"


def entry_lines(entry: Entry, scale: Scale | None = None) -> tuple[str, ...]:
    """Write time, ratio and verdict, a line each; a dash where there is no time."""
    if entry.value_s is None:
        return (DASH,)
    return tuple(line for line in (time(entry, scale), ratio(entry), verdict(entry)) if line)


def scale_of(table: Table, row: Row) -> Scale | None:
    """Return the scale a suite asks for; None for a fitting unit of each time."""
    if table.unit == "ms/batch":
        return Scale(factor=1e3, unit="ms")
    return Scale(factor=1e6 / row.batch, unit="µs") if table.unit == "us/example" and row.batch else None


def time(entry: Entry, scale: Scale | None = None) -> str:
    """Write `145 ms ±1.2 %`."""
    if not entry.value_s:
        return DASH
    value = f"{digits(entry.value_s * scale.factor)} {scale.unit}" if scale else seconds(entry.value_s)
    return f"{value} {spread(entry.interval)}".rstrip()


def once_headings(table: Table) -> tuple[str, ...]:
    """Return the headings of what happens once in a launch."""
    return tuple(ONCE[name][0] for asked in table.once for name in ONCE_OF[asked])


def once_texts(entry: Entry, table: Table) -> tuple[str, ...]:
    """Write what happens once in a launch, under those headings."""
    names = [name for asked in table.once for name in ONCE_OF[asked]]
    return tuple(seconds(entry.once_s[name]) if name in entry.once_s else DASH for name in names)


def ratio(entry: Entry) -> str:
    """Write `0.272 [0.265, 0.280]`, without an interval below three blocks."""
    if entry.ratio is None:
        return ""
    bounds = entry.ratio_interval
    return factor(entry.ratio) + (f" [{factor(bounds.low)}, {factor(bounds.high)}]" if bounds else "")


def factor(value: float) -> str:
    """Write a ratio."""
    # Around 1 the third decimal decides: same means within 2 %.
    return f"{value:.3f}" if 0.1 <= value < 10 else digits(value)


def verdict(entry: Entry) -> str:
    """Write the verdict; an inconclusive one with the blocks more that would settle it."""
    if entry.verdict is None or entry.value_s is None:
        return ""
    more = entry.verdict.blocks_more
    return f"{entry.verdict.name} +{more}" if more else entry.verdict.name


def published_text(entry: PublishedEntry | None, table: Table) -> str:
    """Write the printed time and its ratio to the study's fastest; per what, only where the title does not say so."""
    if entry is None:
        return DASH
    text = entry.text.removesuffix(f" per {PER[table.unit]}") if table.unit else entry.text
    return text + (f", {entry.ratio_to_fastest:.1f}×" if entry.ratio_to_fastest else "")


def marks(notes: tuple[str, ...], table: Table) -> tuple[int, ...]:
    """Return the numbers of footnotes, from 1."""
    return tuple(sorted(table.footnotes.index(note) + 1 for note in set(notes)))


def title(comparison: Comparison, table: Table) -> str:
    """Name suite, profile and measure; the benchmark where others have tables of their own."""
    benchmarks = {row.benchmark for one in comparison.tables for row in one.rows}
    of = f", {table.rows[0].benchmark}" if table.across == "system" and len(benchmarks) > 1 else ""
    phase = table.phase.replace("_", " ")
    measure = f"time per {PER[table.unit]}, {phase}" if table.unit else f"time per {phase}"
    return f"{', '.join(comparison.suites)}: {measure}{of}"


def heading(comparison: Comparison) -> tuple[str, ...]:
    """Say on what, how and when it was measured, a line each."""
    setups = [_setup(setup) for setup in comparison.setups]
    if len(setups) > 1:
        setups = [f"setup {number}: {text}" for number, text in enumerate(setups, start=1)]
    bad = f", {comparison.failed} of them not ok" if comparison.failed else ""
    began, ended = (text[:16].replace("T", " ") for text in (comparison.started, comparison.ended))
    when = began if began == ended else f"{began} to {ended[11:] if began[:10] == ended[:10] else ended}"
    when = f"{when} UTC" if began else "date not stated"
    blocks = f"{comparison.blocks} block{'s' * (comparison.blocks != 1)}"
    return (*setups, f"{when}; {blocks}, {comparison.launches} launches{bad}; run {', '.join(comparison.runs)}")


def rank_lines(comparison: Comparison, table: Table) -> tuple[str, ...]:
    """Write the rank agreement with the study, a line per configuration."""
    groups: dict[tuple[str, str, int], list[str]] = {}
    for rank in table.ranks:
        line = groups.setdefault((rank.benchmark, rank.configuration, rank.n), [])
        line.append(f"{rank.column} {rank.tau:.2f}".lstrip())
    if not groups:
        return ()
    version = f", {table.ranks[0].version}" if table.ranks[0].version else ""
    what = "implementations" if version else "systems that both measured"
    if not version and not any(column.version for column in table.published):
        what += ", of any release: it does not state its own"
    first = f"Rank agreement with {comparison.study}{version} (Kendall's tau over n {what}):"
    lines = (f"{configuration}, n = {n}: {'; '.join(told)}" for (_, configuration, n), told in groups.items())
    return (first, *lines)


def legend(comparison: Comparison, table: Table) -> tuple[str, ...]:
    """Say what the numbers are, a line each."""
    verdicts = {entry.verdict.name for row in table.rows for entry in row.entries if entry.verdict}
    open_ones = (INCONCLUSIVE,) if "inconclusive" in verdicts else ()
    printed = [entry for row in table.rows for entry in row.published if entry and entry.ratio_to_fastest]
    compared = " or ".join(sorted({entry.compared for entry in printed}))
    whose = "as the study prints it" if all(entry.ratio_is_printed for entry in printed) else "divided here"
    ratios = f"N.N×: {whose}, to the fastest of its {compared} at the same configuration"
    chosen = (CHOSEN,) if comparison.baseline == "fastest" else ()
    once = tuple(f"{ONCE[name][0]}: {ONCE[name][1]}" for asked in table.once for name in ONCE_OF[asked])
    return (*MEASURED, *chosen, *once, *open_ones, *((f"{ratios} ({comparison.source})",) if printed else ()))


def _setup(setup: Setup) -> str:
    if setup.engine == IMPORTED:
        device = "device not stated" if setup.gpu == UNKNOWN else setup.gpu
        return f"{device}; imported, measured by others: what is not told here they did not state"
    threads = f"{setup.threads} thread{'s' * (setup.threads != '1')}"
    device = f"{setup.gpu} ({setup.power_limit}, driver {setup.driver}), " if setup.gpu != "none" else ""
    return f"{device}{setup.cpu}, {threads}; {setup.engine}; {setup.protocol}; {setup.precision}"
