"""A comparison on a terminal: one table where it fits, else a block per row, a line or three for each version.

Across systems always a block per configuration, a line for each system.
"""

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table as Grid
from rich.text import Text

from orchestrator import console
from orchestrator.analysis import conclusion_texts, texts
from orchestrator.analysis.comparison import Comparison, Entry, Line, PublishedEntry, Row, Table
from orchestrator.analysis.lines import lines_of, shared_notes

STYLES = {
    "faster": "green",
    "slower": "red",
    "inconclusive": "yellow",
    "not comparable": "yellow",
    "holds": "green",
    "does not hold": "red",
}
WIDE = 10_000
LABEL_WIDTH = 20  # below which labels are not wrapped, but what stands beside them is stacked
SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def render_terminal(comparison: Comparison, width: int) -> str:
    """Write all tables for a terminal of so many columns; coloured where stdout is one."""
    tables = [_table_parts(comparison, table, width) for table in comparison.tables]
    parts = [part for table in (*tables, _conclusions(comparison)) for part in (*table, Text()) if table][:-1]
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


def _conclusions(comparison: Comparison) -> list[RenderableType]:
    """Write what the study concludes beside what became of it; nothing where nothing of it is written down."""
    if not comparison.conclusions:
        return []
    grid = Grid.grid(padding=(0, 2, 0, 0))
    for outcome, lines in conclusion_texts.judged_texts(comparison):
        grid.add_row(Text(outcome, style=STYLES.get(outcome, "")), Text("\n".join(lines)))
    heading = Text(conclusion_texts.heading(comparison), style="bold" if grid.row_count else "")
    below = [Text(line, style="dim") for line in conclusion_texts.below(comparison)]
    return [heading, *([grid] if grid.row_count else []), *below]


def _body(table: Table, width: int) -> list[RenderableType]:
    """Take the first layout that fits, so that nothing is cut off; in the last one labels may wrap."""
    if not table.is_in_lines and _fits(whole := _matrix(table), width):
        return [whole, Text()]
    blocks = [_block(table, row) for row in table.rows]
    if not all(_fits(block, width) for block in blocks):
        room = min(
            width - _width(block) + len(_longest_label(table, row))
            for block, row in zip(blocks, table.rows, strict=True)
        )
        blocks = [_block(table, row, label_width=room) for row in table.rows]
        if room < LABEL_WIDTH:
            blocks = [_block(table, row, is_narrow=True) for row in table.rows]
    pairs = zip(table.rows, blocks, strict=True)
    return [part for row, block in pairs for part in (Text(row.label, style="bold"), block, Text())]


def _longest_label(table: Table, row: Row) -> str:
    return max((line.label for line in lines_of(table, row)), key=len, default="")


def _width(grid: Grid) -> int:
    return Console(width=WIDE).measure(grid).maximum


def _fits(grid: Grid, width: int) -> bool:
    return _width(grid) <= width


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
        measured = [_stack(entry, row, table) for entry in row.entries]
        grid.add_row(Text(row.label), *measured, *(_published(entry, table) for entry in row.published))
    return grid


def _block(table: Table, row: Row, *, label_width: int | None = None, is_narrow: bool = False) -> Grid:
    """Lay out one row, a line per version or system, with its published number; narrow: what it says one below another.

    label_width: longer labels take several lines.
    """
    is_wrapped = is_narrow or label_width is not None
    grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0), leading=int(is_wrapped))
    grid.add_column("", no_wrap=not is_wrapped, overflow="fold", max_width=label_width)
    once = texts.once_headings(table)
    stacked = ", ".join(("time", "ratio", "verdict", *once))
    for heading in (stacked,) if is_narrow else ("time", "ratio", "verdict", *once):
        grid.add_column(heading, justify="left" if heading == "verdict" else "right", no_wrap=True)
    shared = shared_notes(table)
    if table.published:
        whose = Text(f"{table.published[0].device}, {table.published[0].year}")
        grid.add_column(_marked(whose, shared, table), justify="right", no_wrap=True)
    for line in lines_of(table, row):
        measured: tuple[Text, ...] = (Text(),) * (1 if is_narrow else 3 + len(once))
        if line.entry:
            measured = (_stack(line.entry, row, table),) if is_narrow else _cells(line.entry, row, table)
        grid.add_row(Text(line.label), *measured, *([_beside(line, shared, table)] if table.published else []))
    return grid


def _beside(line: Line, shared: tuple[str, ...], table: Table) -> Text:
    """Write the published number of a line, without the notes that stand in the heading."""
    if line.printed is None:
        return Text()
    return _published(line.number, table, tuple(note for note in line.printed.notes if note not in shared))


def _stack(entry: Entry, row: Row, table: Table) -> Text:
    return Text("\n").join(text for text in _cells(entry, row, table) if text)


def _cells(entry: Entry, row: Row, table: Table) -> tuple[Text, ...]:
    if entry.value_s is None:
        return (_marked(Text(texts.DASH), entry.notes, table), *(Text(),) * (2 + len(texts.once_headings(table))))
    return (
        Text(texts.time(entry, texts.scale_of(table, row))),
        Text(texts.ratio(entry)),
        _marked(_verdict(entry), entry.notes, table),
        *(Text(text) for text in texts.once_texts(entry, table)),
    )


def _verdict(entry: Entry) -> Text:
    return Text(texts.verdict(entry), style=STYLES.get(entry.verdict.name, "") if entry.verdict else "")


def _published(entry: PublishedEntry | None, table: Table, notes: tuple[str, ...] = ()) -> Text:
    text = Text(texts.published_text(entry, table))
    return _marked(text, (*entry.notes, *notes), table) if entry else text


def _marked(text: Text, notes: tuple[str, ...], table: Table) -> Text:
    numbers = texts.marks(notes, table)
    return text.append(f" {_superscript(numbers)}" if text and numbers else _superscript(numbers))


def _superscript(numbers: tuple[int, ...]) -> str:
    return " ".join(str(number).translate(SUPERSCRIPTS) for number in numbers)
