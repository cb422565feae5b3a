"""What a study printed, cut into tables as it prints them: systems by metrics, or systems by configurations."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.analysis.printed import Printed, PrintedStudy
from orchestrator.analysis.published import short_device

HIDDEN = ("configuration", "comparison")  # told by the title itself
RATIOS = ("relative_to_fastest", "claimed_ratio")

Notes = tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class PrintedCell:
    """Numbers of one place of a table, mostly one, as they were printed, each with its footnotes' numbers."""

    texts: tuple[tuple[str, tuple[int, ...]], ...]


@dataclass(frozen=True, kw_only=True)
class PrintedTable:
    """One table; footnotes that hold for all its numbers stand at its title."""

    title: str
    told: str  # parameters that all its numbers share
    marks: tuple[int, ...]
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[PrintedCell, ...]], ...]


@dataclass(frozen=True, kw_only=True)
class PrintedDocument:
    """All tables of a study; footnotes that hold for all its numbers stand at its title."""

    study: PrintedStudy
    numbers: tuple[Printed, ...]
    marks: tuple[int, ...]
    tables: tuple[PrintedTable, ...]
    footnotes: tuple[str, ...]


def build_document(study: PrintedStudy, *, everything: bool = False) -> PrintedDocument:
    """Cut a study into tables. everything: with the numbers that stand elsewhere in its repository."""
    numbers = study.numbers if everything else study.seed
    groups = list(_groups(numbers))
    common = _shared(numbers)
    told = [_shared(found) for _, found in groups]
    order = [*common]
    for (_, found), shared in zip(groups, told, strict=True):
        order += [*shared, *(note for number in found for note in number.defects)]
    footnotes = tuple(dict.fromkeys(order))
    places = {note: place for place, note in enumerate(footnotes, start=1)}
    return PrintedDocument(
        study=study,
        numbers=numbers,
        marks=_marks(common, places),
        tables=tuple(
            _table(title, found, [note for note in shared if note not in common], {*common, *shared}, places)
            for (title, found), shared in zip(groups, told, strict=True)
        ),
        footnotes=footnotes,
    )


def _groups(numbers: Sequence[Printed]) -> Iterator[tuple[str, Sequence[Printed]]]:
    """Return title and numbers of each table: of one place in the document and, with several metrics, one work."""
    by_source: dict[str, list[Printed]] = {}
    for number in numbers:
        by_source.setdefault(number.source, []).append(number)
    for source, found in by_source.items():
        if len({number.metric for number in found}) == 1:
            yield source, found
            continue
        works: dict[tuple[str, ...], list[Printed]] = {}
        for number in found:
            works.setdefault((number.benchmark, *map("=".join, number.parameters.items())), []).append(number)
        for work in works.values():
            yield _title(source, work[0]), work


def _title(source: str, number: Printed) -> str:
    is_told = number.benchmark.rpartition("/")[2] in number.configuration
    names = [name for name in ("" if is_told else number.benchmark, number.configuration) if f"({name})" not in source]
    panel = f"{number.panel} comparison".replace("_", " ") if number.panel else ""
    return ", ".join(part for part in (source, " ".join(names).strip(), panel) if part)


def _table(
    title: str, numbers: Sequence[Printed], shared: Sequence[str], told: set[str], places: Mapping[str, int]
) -> PrintedTable:
    is_one = not _differ(numbers, "metric") and not _differ(numbers, "benchmark")
    is_by_configuration = is_one and _differ(numbers, "configuration")
    column_of = _configuration if is_by_configuration else _heading
    several = {
        "benchmark": _differ(numbers, "benchmark"),
        "device": _differ(numbers, "device"),
    }
    columns = tuple(dict.fromkeys(column_of(number) for number in numbers))
    rows: dict[str, dict[str, list[Printed]]] = {}
    for number in numbers:
        rows.setdefault(_system(number, several), {}).setdefault(column_of(number), []).append(number)
    measure = f", {_heading(numbers[0])}" if is_by_configuration else ""
    return PrintedTable(
        title=title + measure,
        told="; ".join(_parameters(numbers)),
        marks=_marks(shared, places),
        columns=columns,
        rows=tuple(
            (label, tuple(_cell(cells.get(column, ()), told, places) for column in columns))
            for label, cells in rows.items()
        ),
    )


def _cell(numbers: Iterable[Printed], told: set[str], places: Mapping[str, int]) -> PrintedCell:
    return PrintedCell(
        texts=tuple(
            (number.text, _marks([note for note in number.defects if note not in told], places)) for number in numbers
        )
    )


def _parameters(numbers: Sequence[Printed]) -> Iterator[str]:
    """Say what all numbers of a table share: parameters, device and its libraries."""
    first = numbers[0]
    for name, value in first.parameters.items():
        if name not in HIDDEN and all(number.parameters.get(name) == value for number in numbers):
            yield f"{name}={value}"
    for name, value in (("", short_device(first.device)), ("CUDA ", first.cuda), ("cuDNN ", first.cudnn)):
        attribute = name.strip().lower() or "device"
        if value and not _differ(numbers, attribute):
            yield f"{name}{value}"


def _differ(numbers: Iterable[Printed], attribute: str) -> bool:
    return len({getattr(number, attribute) for number in numbers}) > 1


def _configuration(number: Printed) -> str:
    return number.configuration


def _heading(number: Printed) -> str:
    """Name a metric with its unit; ratios have none."""
    name = number.metric.replace("_", " ")
    if number.metric in RATIOS:
        return name
    per = f"/{number.per}" if number.per and "/" not in number.unit else ""
    return f"{name}, {number.unit.replace('us', 'µs')}{per}"


def _system(number: Printed, several: Mapping[str, bool]) -> str:
    """Name who computed: framework, version and the study's own word for the implementation."""
    where = [number.benchmark] if several["benchmark"] else []
    framework = "" if number.framework == "any" else number.framework
    system = " ".join(part for part in (framework, number.version, number.implementation) if part)
    binding = f" ({number.binding})" if number.binding else ""
    device = f", {short_device(number.device)}" if several["device"] and number.device else ""
    return ": ".join((*where, system + binding)) + device


def _shared(numbers: Sequence[Printed]) -> Notes:
    first = numbers[0].defects if numbers else ()
    return tuple(note for note in first if all(note in number.defects for number in numbers))


def _marks(notes: Iterable[str], places: Mapping[str, int]) -> tuple[int, ...]:
    return tuple(sorted(places[note] for note in set(notes)))
