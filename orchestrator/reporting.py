"""From a run folder to its comparison, and from that to what the user asked to see."""

from collections.abc import Mapping
from pathlib import Path

from orchestrator import console
from orchestrator.analysis.comparison import Comparison
from orchestrator.analysis.published import Published, read_published
from orchestrator.analysis.report import render_csv, render_json, render_markdown, render_terminal
from orchestrator.analysis.tables import build_comparison
from orchestrator.errors import ConfigurationError, UsageError
from orchestrator.names import did_you_mean
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
    return build_comparison(
        records,
        baseline=str(plan.get("baseline", "oldest")),
        rows=[str(row) for row in rows] if isinstance(rows, list) else (),
        labels={str(name): str(label) for name, label in labels.items()} if isinstance(labels, Mapping) else {},
        published=find_published(suites, str(study) if study else None),
    )


def find_published(suites: Path, study: str | None) -> Published | None:
    """Return the published numbers of a study, None for a suite without one.

    Raises ConfigurationError if there is no such file, or it is wrong.
    """
    if study is None:
        return None
    path = suites / "published" / f"{study}.csv"
    if not path.is_file():
        known = [one.stem for one in path.parent.glob("*.csv")]
        raise ConfigurationError(
            f"no published numbers of study '{study}'.{did_you_mean(study, known)}", file=str(path)
        )
    return read_published(path)


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
