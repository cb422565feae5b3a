"""From a run folder to its comparison, and from that to what the user asked to see."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import get_args

from orchestrator import console
from orchestrator.analysis.comparison import Comparison
from orchestrator.analysis.measures import add_measures
from orchestrator.analysis.printed import study_files
from orchestrator.analysis.published import Published, read_published
from orchestrator.analysis.report import render_csv, render_json, render_markdown, render_terminal
from orchestrator.analysis.tables import build_comparison
from orchestrator.conclusions import Conclusion, load_conclusions
from orchestrator.errors import ConfigurationError, UsageError
from orchestrator.names import did_you_mean
from orchestrator.specs import Compare, Measure, Once, Unit
from orchestrator.store import RunFolder, list_runs, save

FORMATS = ("terminal", "markdown", "csv", "json")


def find_run(runs: Path, text: str | None) -> RunFolder:
    """Return a run by its folder or id, the newest without one. Raises UsageError if there is none."""
    if text is None:
        newest = next(iter(list_runs(runs)), None)
        if newest is None:
            raise UsageError(f"{runs}: no runs there. Make one: orch run")
        return newest
    for path in (Path(text), runs / text):
        if (path / "plan.json").is_file():
            return RunFolder(path=path)
    raise UsageError(f"{text}: not a run folder, nor an id of one in {runs}. orch list names them.")


def compare_run(folder: RunFolder, suites: Path) -> Comparison:
    """Compare the records of a run as its plan says, beside the published numbers of its study.

    suites: folder with published/. Complains about records that cannot be read; they are left where they are.
    """
    plan = folder.read_plan()
    records, complaints = folder.read_records()
    for complaint in complaints:
        console.note(f"left out: {complaint}")
    study = plan.get("study")
    labels = plan.get("labels")
    rows = plan.get("rows")
    comparison = build_comparison(
        records,
        compare=_compare_of(plan),
        rows=[str(row) for row in rows] if isinstance(rows, list) else (),
        labels={str(name): str(label) for name, label in labels.items()} if isinstance(labels, Mapping) else {},
        published=find_published(suites, str(study) if study else None),
        conclusions=find_conclusions(suites, str(study) if study else None),
    )
    measures = _measures_of(plan)
    return replace(comparison, tables=tuple(add_measures(table, measures) for table in comparison.tables))


def _measures_of(plan: Mapping[str, object]) -> Mapping[str, Sequence[Measure]]:
    """Read what the benchmarks of a run derive from times; older ones do not say."""
    written = plan.get("measures")
    told = written if isinstance(written, Mapping) else {}
    try:
        return {str(name): [Measure(**one) for one in listed] for name, listed in told.items()}
    except TypeError:
        return {}


def _compare_of(plan: Mapping[str, object]) -> Compare:
    """Read what a run compares; older ones have only a baseline."""
    written = plan.get("compare")
    asked = written if isinstance(written, Mapping) else {"baseline": plan.get("baseline", "oldest")}
    told = asked.get("columns")
    return Compare(
        across="system" if asked.get("across") == "system" else "image",
        baseline=str(asked.get("baseline")),
        unit=next((unit for unit in get_args(Unit) if unit == asked.get("unit")), None),
        columns=tuple(one for one in get_args(Once) if isinstance(told, list) and one in told),
    )


def find_published(suites: Path, study: str | None) -> Published | None:
    """Return the published numbers of a study, None for a suite without one.

    Raises ConfigurationError if there is no such file, or it is wrong.
    """
    if study is None:
        return None
    path = study_files(suites).get(study)
    if path is None:
        raise ConfigurationError(
            f"no published numbers of study '{study}'.{did_you_mean(study, study_files(suites))}",
            file=str(suites / "published" / f"{study}.csv"),
        )
    return read_published(path)


def find_conclusions(suites: Path, study: str | None) -> tuple[Conclusion, ...]:
    """Return what a study concludes, nothing where it has no such file. Raises ConfigurationError if that is wrong."""
    path = study_files(suites).get(study) if study else None
    return load_conclusions(path.with_suffix(".yaml")) if path else ()


def render_comparison(comparison: Comparison, form: str) -> str:
    """Write a comparison as `terminal`, `markdown`, `csv` or `json`. Raises UsageError for another form."""
    if form == "terminal":
        return render_terminal(comparison, console.terminal_width())
    if form == "markdown":
        return render_markdown(comparison)
    if form == "csv":
        return render_csv(comparison)
    if form == "json":
        return render_json(comparison)
    raise UsageError(f"--format {form}: unknown format. Known: {', '.join(FORMATS)}.")


def save_comparison(folder: RunFolder, comparison: Comparison) -> None:
    """Keep the comparison beside its records, for programs."""
    save(folder.path / "comparison.json", render_json(comparison).encode())
