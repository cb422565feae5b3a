"""A comparison on a terminal: one table where it fits, else one block of lines per row."""

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table as Grid
from rich.text import Text

from orchestrator import console
from orchestrator.analysis import texts
from orchestrator.analysis.columns import version_order
from orchestrator.analysis.comparison import Comparison, Entry, PublishedEntry, Row, Table

STYLES = {"faster": "green", "slower": "red", "inconclusive": "yellow", "not comparable": "yellow"}
WIDE = 10_000
SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def render_terminal(comparison: Comparison, width: int) -> str:
    """Write all tables for a terminal of so many columns; coloured where stdout is one."""
    parts = [part for table in comparison.tables for part in _table_parts(comparison, table, width)]
    return console.render(Group(*parts), width=width) + "\n"


def _table_parts(comparison: Comparison, table: Table, width: int) -> list[RenderableType]:
    whole = _matrix(table)
    fits = Console(width=WIDE).measure(whole).maximum <= width
    body: list[RenderableType] = (
        [whole, Text()] if fits else [part for row in table.rows for part in _block(table, row)]
    )
    return [
        Text(texts.title(comparison, table), style="bold"),
        *(Text(line) for line in texts.heading(comparison)),
        Text(),
        *body,
        *_footnotes(table),
        *(Text(line) for line in texts.rank_lines(comparison, table)),
        *(Text(line, style="dim") for line in texts.legend(comparison, table)),
    ]


def _footnotes(table: Table) -> list[RenderableType]:
    notes = Grid.grid(padding=(0, 1))
    for number, note in enumerate(table.footnotes, start=1):
        notes.add_row(_superscript((number,)), Text(note))
    return [notes, Text()] if table.footnotes else []


def _matrix(table: Table) -> Grid:
    """Lay out rows by columns, three lines an entry."""
    grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, leading=1)
    grid.add_column("")
    for label in table.labels:
        grid.add_column(Text(label), justify="right", no_wrap=True)
    for column in table.published:
        heading = Text(f"{column.version},\n{column.device}, {column.year}")
        grid.add_column(_marked(heading, column.notes, table), justify="right", no_wrap=True)
    for row in table.rows:
        measured = [Text("\n").join(text for text in _cells(entry, table) if text) for entry in row.entries]
        grid.add_row(Text(row.label), *measured, *(_published(entry, table) for entry in row.published))
    return grid


def _block(table: Table, row: Row) -> list[RenderableType]:
    """Lay out one row, a line per version; measured and published share it where the version is the same."""
    grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
    grid.add_column("")
    grid.add_column("time", justify="right", no_wrap=True)
    grid.add_column("ratio", justify="right", no_wrap=True)
    grid.add_column("verdict")
    shared = texts.shared_notes(table)
    if table.published:
        heading = Text(f"{table.published[0].device}, {table.published[0].year}")
        grid.add_column(_marked(heading, shared, table), justify="right", no_wrap=True)
    printed = {
        column.version: _published(entry, table, tuple(note for note in column.notes if note not in shared))
        for column, entry in zip(table.published, row.published, strict=True)
    }
    lines = []
    for column, label, entry in zip(table.columns, table.labels, row.entries, strict=True):
        beside = [printed.pop(column.version, Text())] if table.published else []
        lines.append((version_order(column.version), [Text(label), *_cells(entry, table), *beside]))
    lines += [
        (version_order(version), [Text(version), Text(), Text(), Text(), text]) for version, text in printed.items()
    ]
    for _, cells in sorted(lines, key=lambda line: line[0]):
        grid.add_row(*cells)
    return [Text(row.label, style="bold"), grid, Text()]


def _cells(entry: Entry, table: Table) -> tuple[Text, Text, Text]:
    if entry.value_s is None:
        return (_marked(Text(texts.DASH), entry.notes, table), Text(), Text())
    return (Text(texts.time(entry)), Text(texts.ratio(entry)), _marked(_verdict(entry), entry.notes, table))


def _verdict(entry: Entry) -> Text:
    return Text(texts.verdict(entry), style=STYLES.get(entry.verdict.name, "") if entry.verdict else "")


def _published(entry: PublishedEntry | None, table: Table, notes: tuple[str, ...] = ()) -> Text:
    text = Text(texts.published_text(entry))
    return _marked(text, (*entry.notes, *notes), table) if entry else text


def _marked(text: Text, notes: tuple[str, ...], table: Table) -> Text:
    numbers = texts.marks(notes, table)
    return text.append(f" {_superscript(numbers)}" if text and numbers else _superscript(numbers))


def _superscript(numbers: tuple[int, ...]) -> str:
    return " ".join(str(number).translate(SUPERSCRIPTS) for number in numbers)
