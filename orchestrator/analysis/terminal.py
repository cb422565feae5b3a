"""A comparison on a terminal: one table where it fits, else a block per row, a line or three for each version."""

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table as Grid
from rich.text import Text

from orchestrator import console
from orchestrator.analysis import texts
from orchestrator.analysis.columns import version_order
from orchestrator.analysis.comparison import Comparison, Entry, PublishedEntry, Row, Table
from orchestrator.images import framework_version

STYLES = {"faster": "green", "slower": "red", "inconclusive": "yellow", "not comparable": "yellow"}
WIDE = 10_000
SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def render_terminal(comparison: Comparison, width: int) -> str:
    """Write all tables for a terminal of so many columns; coloured where stdout is one."""
    parts = [part for table in comparison.tables for part in _table_parts(comparison, table, width)]
    return console.render(Group(*parts), width=width) + "\n"


def _table_parts(comparison: Comparison, table: Table, width: int) -> list[RenderableType]:
    return [
        Text(texts.title(comparison, table), style="bold"),
        *(Text(line) for line in texts.heading(comparison)),
        Text(),
        *_body(table, width),
        *_footnotes(table),
        *(Text(line) for line in texts.rank_lines(comparison, table)),
        *(Text(line, style="dim") for line in texts.legend(comparison, table)),
    ]


def _body(table: Table, width: int) -> list[RenderableType]:
    """Take the first layout that fits, so that nothing is cut off; in the last one labels may wrap."""
    whole = _matrix(table)
    if _fits(whole, width):
        return [whole, Text()]
    blocks = [_block(table, row) for row in table.rows]
    if not all(_fits(block, width) for block in blocks):
        blocks = [_block(table, row, is_narrow=True) for row in table.rows]
    pairs = zip(table.rows, blocks, strict=True)
    return [part for row, block in pairs for part in (Text(row.label, style="bold"), block, Text())]


def _fits(grid: Grid, width: int) -> bool:
    return Console(width=WIDE).measure(grid).maximum <= width


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
        measured = [_stack(entry, table) for entry in row.entries]
        grid.add_row(Text(row.label), *measured, *(_published(entry, table) for entry in row.published))
    return grid


def _block(table: Table, row: Row, *, is_narrow: bool = False) -> Grid:
    """Lay out one row, a line per version, three where it is narrow; published ones share it with their version."""
    grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0), leading=int(is_narrow))
    grid.add_column("", no_wrap=not is_narrow, overflow="fold")
    for heading in ("time, ratio, verdict",) if is_narrow else ("time", "ratio", "verdict"):
        grid.add_column(heading, justify="left" if heading == "verdict" else "right", no_wrap=True)
    shared = texts.shared_notes(table)
    if table.published:
        whose = Text(f"{table.published[0].device}, {table.published[0].year}")
        grid.add_column(_marked(whose, shared, table), justify="right", no_wrap=True)
    printed = {
        column.version: _published(entry, table, tuple(note for note in column.notes if note not in shared))
        for column, entry in zip(table.published, row.published, strict=True)
    }
    lines = []
    for column, label, entry in zip(table.columns, table.labels, row.entries, strict=True):
        cells = (_stack(entry, table),) if is_narrow else _cells(entry, table)
        beside = [printed.pop(framework_version(column.version), Text())] if table.published else []
        lines.append((version_order(column.version), [Text(label), *cells, *beside]))
    blank = [Text()] * (1 if is_narrow else 3)
    lines += [(version_order(version), [Text(version), *blank, text]) for version, text in printed.items()]
    for _, cells_of_line in sorted(lines, key=lambda line: line[0]):
        grid.add_row(*cells_of_line)
    return grid


def _stack(entry: Entry, table: Table) -> Text:
    return Text("\n").join(text for text in _cells(entry, table) if text)


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
