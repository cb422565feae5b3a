"""What studies printed, written for terminals, Markdown, spreadsheets and programs."""

import csv
import io
import json
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence

from orchestrator import console
from orchestrator.analysis.printed import Printed
from orchestrator.analysis.printed_tables import PrintedCell, PrintedDocument, PrintedTable

# orch.published/1: first version.
SCHEMA = "orch.published/1"
FORMATS = ("terminal", "markdown", "csv", "json")
SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
DASH = "–"
COLUMNS = (
    *("study", "benchmark", "configuration", "framework", "version", "implementation", "binding", "device", "cuda"),
    *("cudnn", "metric", "unit", "per", "mean", "std", "text", "iteration_s", "origin", "source", "defects"),
)


def render_documents(documents: Sequence[PrintedDocument], form: str) -> str:
    """Write all tables of studies. form: one of FORMATS."""
    if form == "json":
        content = {"schema": SCHEMA, "studies": [_as_json(document) for document in documents]}
        return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    if form == "csv":
        return _render_csv(documents)
    render = _markdown if form == "markdown" else _terminal
    return "\n\n".join(render(document) for document in documents) + "\n"


def _as_json(document: PrintedDocument) -> Mapping[str, object]:
    study = document.study
    return {
        "key": study.key,
        "study": study.name,
        "year": study.year,
        "source": study.source,
        "footnotes": document.footnotes,
        "numbers": [_number(number) for number in document.numbers],
    }


def _number(number: Printed) -> Mapping[str, object]:
    """Return all that is known of a number; None or empty where it was not stated."""
    names = (*COLUMNS[3:19], "warmup", "timed", "notes", "defects")
    own = {name: getattr(number, name) for name in names}
    return {
        "benchmark": number.benchmark,
        "configuration": number.configuration,
        "parameters": number.parameters,
        **own,
    }


def _render_csv(documents: Iterable[PrintedDocument]) -> str:
    file = io.StringIO()
    writer = csv.DictWriter(file, COLUMNS, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    for document in documents:
        for number in document.numbers:
            content = {**_number(number), "study": document.study.name, "defects": "; ".join(number.defects)}
            writer.writerow({name: "" if value is None else value for name, value in content.items()})
    return file.getvalue()


def _count(document: PrintedDocument) -> str:
    others = len(document.numbers) - sum(number.origin == "seed" for number in document.numbers)
    more = f", {others} of them elsewhere in its repository" if others else ""
    return f"{len(document.numbers)} numbers{more}"


def _terminal(document: PrintedDocument) -> str:
    width = console.terminal_width()
    parts = [_wrapped(f"{document.study.source}: {_count(document)}{_superscript(document.marks)}", width)]
    for table in document.tables:
        headings = ("", *(f">{column}" for column in table.columns))
        rows = [(label, *(_joined(cell, _superscript) for cell in cells)) for label, cells in table.rows]
        title = [table.title + _superscript(table.marks), *([_wrapped(table.told, width)] if table.told else [])]
        parts.append(console.table(headings, rows, title="\n".join(title)).rstrip())
    notes = [
        _wrapped(f"{_superscript((place,)).strip()} {note}", width)
        for place, note in enumerate(document.footnotes, start=1)
    ]
    return "\n\n".join((*parts, "\n".join(notes))).rstrip()


def _wrapped(text: str, width: int) -> str:
    return textwrap.fill(text, width, subsequent_indent="  ", break_long_words=False)


def _markdown(document: PrintedDocument) -> str:
    parts = [f"**{_escape(document.study.source)}**: {_count(document)}{_raised(document.marks)}"]
    parts += [_markdown_table(table) for table in document.tables]
    notes = [f"<sup>{place}</sup> {_escape(note)}" for place, note in enumerate(document.footnotes, start=1)]
    return "\n\n".join((*parts, "\\\n".join(notes))).rstrip()


def _markdown_table(table: PrintedTable) -> str:
    lines = [
        ("", *(_escape(column) for column in table.columns)),
        ("---", *("---:" for _ in table.columns)),
        *((_escape(label), *(_joined(cell, _raised) for cell in cells)) for label, cells in table.rows),
    ]
    told = f"\\\n{_escape(table.told)}" if table.told else ""
    body = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"{_escape(table.title)}{_raised(table.marks)}{told}\n\n{body}"


def _joined(cell: PrintedCell, mark: Callable[[Sequence[int]], str]) -> str:
    escape = _escape if mark is _raised else str
    return ", ".join(escape(text) + mark(marks) for text, marks in cell.texts) or DASH


def _superscript(marks: Sequence[int]) -> str:
    return "".join(f" {mark}".translate(SUPERSCRIPTS) for mark in marks)


def _raised(marks: Sequence[int]) -> str:
    return f" <sup>{', '.join(map(str, marks))}</sup>" if marks else ""


def _escape(text: str) -> str:
    """Keep text from being read as Markdown or HTML; what was printed holds nothing of it but | < and *."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|").replace("*", "\\*")
