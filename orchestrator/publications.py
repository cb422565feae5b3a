"""What studies published, as it is asked for on the command line: no run and no statistics are needed."""

from pathlib import Path

from orchestrator.analysis.printed import read_study, study_files
from orchestrator.analysis.printed_tables import build_document
from orchestrator.analysis.printing import FORMATS, render_documents
from orchestrator.errors import UsageError
from orchestrator.names import did_you_mean


def render_published(suites: Path, key: str | None, form: str, *, everything: bool) -> str:
    """Write what studies printed, as `terminal`, `markdown`, `csv` or `json`; without any run.

    key: of one study, such as braun2018; None for all. everything: also what stands elsewhere in their repositories.
    Raises UsageError for a study or a form that is not known, ConfigurationError where a file is wrong.
    """
    files = study_files(suites)
    if key is not None and key not in files:
        raise UsageError(f"{key}: no published numbers of such a study.{did_you_mean(key, files)}")
    if form not in FORMATS:
        raise UsageError(f"--format {form}: unknown format. Known: {', '.join(FORMATS)}.")
    studies = [read_study(path) for name, path in files.items() if key in (None, name)]
    return render_documents([build_document(study, everything=everything) for study in studies], form)
