"""Write a comparison for terminals, Markdown, spreadsheets and programs."""

import csv
import io
import json
import re
from collections.abc import Iterator
from dataclasses import asdict

from orchestrator.analysis import conclusion_texts, texts
from orchestrator.analysis.columns import IMPORTED
from orchestrator.analysis.comparison import Comparison, Entry, PublishedEntry, Row, Table
from orchestrator.analysis.launches import ONCE
from orchestrator.analysis.lines import lines_of
from orchestrator.analysis.terminal import render_terminal

__all__ = ["render_csv", "render_json", "render_markdown", "render_terminal"]

# orch.comparison/1: first version.
SCHEMA = "orch.comparison/1"
CSV_HEAD = (
    *("source", "phase", "benchmark", "implementation", "configuration", "column", "image", "variant", "device"),
    *("setup", "value_s", "low_s", "high_s", "launches", "launched", "ratio", "ratio_low", "ratio_high", "paired"),
    *("verdict", "blocks_more", "ratio_to_fastest", *ONCE, "notes"),
)
MEASURE = "measure_"  # before the name of a benchmark's measure
NO_BREAK = "\N{NO-BREAK SPACE}"
FORMULA = ("=", "+", "-", "@", "\t")  # a spreadsheet would compute a text that starts so


def render_json(comparison: Comparison) -> str:
    """Write everything with full precision; times in seconds."""
    content = {"schema": SCHEMA, **asdict(comparison)}
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False, default=sorted) + "\n"


def render_csv(comparison: Comparison) -> str:
    """Write one line per row and column, measured and published; times in seconds, full precision."""
    file = io.StringIO()
    rows = [row for table in comparison.tables for row in table.rows]
    measures = dict.fromkeys(f"{MEASURE}{name}" for row in rows for entry in row.entries for name in entry.measures)
    writer = csv.DictWriter(file, (*CSV_HEAD, *measures), restval="", lineterminator="\n")
    writer.writeheader()
    for table in comparison.tables:
        for row in table.rows:
            writer.writerows(_csv_lines(comparison, table, row))
    return file.getvalue()


def _csv_lines(comparison: Comparison, table: Table, row: Row) -> Iterator[dict[str, object]]:
    common = {
        "phase": table.phase,
        "benchmark": row.benchmark,
        "implementation": row.implementation,
        "configuration": row.configuration,
    }
    for column, label, entry in zip(table.columns, table.labels, row.entries, strict=True):
        own = {"implementation": column.implementation} if column.implementation else {}
        setup = comparison.setups.index(column.setup) + 1 if column.setup else None
        where = {"image": column.image, "variant": column.variant, "device": column.device, "setup": setup}
        source = IMPORTED if column.setup and column.setup.engine == IMPORTED else "measured"
        yield _safe({"source": source, **common, **own, "column": label, **where, **_csv_entry(entry)})
    for printed, number in zip(table.published, row.published, strict=True):
        if number:
            told = {
                "device": printed.device,
                "value_s": number.value_s,
                "ratio_to_fastest": number.ratio_to_fastest,
                "notes": "; ".join((*number.notes, *printed.notes)),
            }
            yield _safe({"source": comparison.study, **common, "column": printed.label, **told})


def _csv_entry(entry: Entry) -> dict[str, object]:
    return {
        "value_s": entry.value_s,
        "low_s": entry.interval and entry.interval.low,
        "high_s": entry.interval and entry.interval.high,
        "launches": entry.launches,
        "launched": entry.launched,
        "ratio": entry.ratio,
        "ratio_low": entry.ratio_interval and entry.ratio_interval.low,
        "ratio_high": entry.ratio_interval and entry.ratio_interval.high,
        "paired": entry.is_paired,
        "verdict": entry.verdict and entry.verdict.name,
        "blocks_more": entry.verdict and entry.verdict.blocks_more,
        **entry.once_s,
        **{f"{MEASURE}{name}": one.value for name, one in entry.measures.items()},
        "notes": "; ".join(entry.notes),
    }


def _safe(line: dict[str, object]) -> dict[str, object]:
    return {
        name: f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value
        for name, value in line.items()
    }


def render_markdown(comparison: Comparison) -> str:
    """Write GitHub Markdown: one table per phase, its footnotes below it; then the study's conclusions."""
    parts = [*(_markdown_table(comparison, table) for table in comparison.tables), *_markdown_conclusions(comparison)]
    return "\n\n".join(parts) + "\n"


def _markdown_conclusions(comparison: Comparison) -> Iterator[str]:
    if not comparison.conclusions:
        return
    judged = conclusion_texts.judged_texts(comparison)
    heading = _escape(conclusion_texts.heading(comparison))
    yield f"**{heading}**" if judged else heading
    items = (f"- **{outcome}**: {'<br>'.join(_escape(line) for line in lines)}" for outcome, lines in judged)
    for lines in ("\n".join(items), "\\\n".join(_escape(line) for line in conclusion_texts.below(comparison))):
        if lines:
            yield lines


def _markdown_table(comparison: Comparison, table: Table) -> str:
    parts = [f"**{_escape(texts.title(comparison, table))}**"]
    parts.append("\\\n".join(_escape(line) for line in texts.heading(comparison)))
    grids = [_markdown_lines(table, row) for row in table.rows] if table.is_in_lines else [_markdown(table)]
    for head, *lines in grids:
        rule = ["---", *("---:" for _ in head[1:])]
        parts.append("\n".join(f"| {' | '.join(line)} |" for line in (head, rule, *lines)))
    notes = [f"<sup>{number}</sup> {_escape(note)}" for number, note in enumerate(table.footnotes, start=1)]
    if notes:
        parts.append("\\\n".join(notes))
    for lines_below in (texts.rank_lines(comparison, table), texts.legend(comparison, table)):
        parts += ["\\\n".join(_escape(line) for line in lines_below)] if lines_below else []
    return "\n\n".join(parts)


def _markdown(table: Table) -> list[list[str]]:
    printed = [_escape(column.label) + _sup(column.notes, table) for column in table.published]
    return [
        ["", *(_escape(label) for label in table.labels), *printed],
        *(_markdown_row(table, row) for row in table.rows),
    ]


def _markdown_lines(table: Table, row: Row) -> list[list[str]]:
    """Write a configuration, a line per system."""
    whose = [_escape(f"{table.published[0].device}, {table.published[0].year}")] if table.published else []
    once = texts.once_headings(table)
    grid = [[f"**{_escape(row.label)}**", "time, ratio, verdict", *once, *whose]]
    for line in lines_of(table, row):
        measured = _markdown_entry(line.entry, row, table) if line.entry else ""
        told = texts.once_texts(line.entry, table) if line.entry else ("",) * len(once)
        notes = (*line.number.notes, *line.printed.notes) if line.number and line.printed else ()
        beside = [_escape(texts.published_text(line.number, table)) + _sup(notes, table) if line.number else ""]
        grid.append([_escape(line.label), measured, *told, *(beside if whose else [])])
    return grid


def _markdown_row(table: Table, row: Row) -> list[str]:
    measured = [_markdown_entry(entry, row, table) for entry in row.entries]
    printed = [_escape(texts.published_text(entry, table)) + _sup_of(entry, table) for entry in row.published]
    return [_escape(row.label), *measured, *printed]


def _markdown_entry(entry: Entry, row: Row, table: Table) -> str:
    lines = [line.replace(" ", NO_BREAK) for line in texts.entry_lines(entry, texts.scale_of(table, row))]
    if entry.verdict and entry.verdict.name in {"faster", "slower"}:
        lines[-1] = f"**{lines[-1]}**"
    return "<br>".join(lines) + _sup(entry.notes, table)


def _sup_of(entry: PublishedEntry | None, table: Table) -> str:
    return _sup(entry.notes, table) if entry else ""


def _sup(notes: tuple[str, ...], table: Table) -> str:
    numbers = ", ".join(str(number) for number in texts.marks(notes, table))
    return f" <sup>{numbers}</sup>" if numbers else ""


def _escape(text: str) -> str:
    """Keep text from being read as Markdown or HTML; an underscore inside a name is none."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*|\[\]~]|(?<![^\W_])_|_(?![^\W_]))", r"\\\1", text)
