"""What became of a study's conclusions, as short texts, the same in every format."""

from collections.abc import Sequence

from orchestrator.analysis.comparison import Comparison
from orchestrator.analysis.conclusions import JudgedConclusion
from orchestrator.analysis.texts import factor
from orchestrator.analysis.trials import Trial

LEGEND = (
    "holds: the 95 % interval of time slower / time faster lies above 1, by less: all of it below the size claimed; "
    "does not hold: it lies below 1, or within ±2 %. Intervals are not corrected for their number."
)


def heading(comparison: Comparison) -> str:
    """Say what the texts are about."""
    if judged_texts(comparison):
        return f"What {comparison.study} concludes, on these records:"
    count = len(comparison.conclusions)
    return f"None of the {count} conclusions of {comparison.study} can be tested on these records."


def judged_texts(comparison: Comparison) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return outcome and lines of each conclusion that these records bear on; across versions if one was tried.

    Systems were measured to test them, so that there each has its reason.
    """
    is_told = _is_any_tried(comparison) or any(table.across == "system" for table in comparison.tables)
    judged = [one for one in comparison.conclusions if is_told and not one.is_absent]
    return tuple((outcome_text(one), (_sentence(one), *_evidence(one))) for one in judged)


def outcome_text(one: JudgedConclusion) -> str:
    """Say of what holds in its direction alone that it does: nobody reads a size that was not reached as confirmed."""
    sizes = {trial.size for trial in one.trials if trial.size and not trial.is_elsewhere}
    return "holds, but by less" if one.outcome == "holds" and sizes == {"less than claimed"} else one.outcome


def below(comparison: Comparison) -> tuple[str, ...]:
    """Return what stands below them: how many are about something else, and how they are judged."""
    texts = (absent_text(comparison) if judged_texts(comparison) else "", LEGEND if _is_any_tried(comparison) else "")
    return tuple(text for text in texts if text)


def _is_any_tried(comparison: Comparison) -> bool:
    return any(trial.ratio is not None for one in comparison.conclusions for trial in one.trials)


def absent_text(comparison: Comparison) -> str:
    """Count the conclusions about systems that are not among the records."""
    count = sum(one.is_absent for one in comparison.conclusions)
    more = "more " if count < len(comparison.conclusions) else ""
    what = f"{count} {more}conclusion{'s' * (count != 1)} of the study"
    return f"{what}: about systems that are not among these records." if count else ""


def _sentence(one: JudgedConclusion) -> str:
    return f"{one.says} ({one.where})" + (f": {one.reason}" if one.reason else "")


def _evidence(one: JudgedConclusion) -> tuple[str, ...]:
    several = len({trial.phase for trial in one.trials}) > 1
    told = [trial for trial in one.trials if trial.is_elsewhere or not one.reason]
    return tuple(_trial(trial, one.ratio, is_phase_told=several) for trial in told)


def _trial(trial: Trial, claimed: Sequence[float], *, is_phase_told: bool) -> str:
    instead = "instead at " if trial.is_elsewhere else ""
    phase = f", {trial.phase.replace('_', ' ')}" if is_phase_told else ""
    pair = f"{instead}{trial.configuration}{phase}: {trial.slower} / {trial.faster}"
    if trial.ratio is None:
        return f"{pair}: {trial.outcome}: {trial.reason}"
    bounds = f" [{factor(trial.interval.low)}, {factor(trial.interval.high)}]" if trial.interval else ""
    where = " on the CPU" if trial.device == "cpu" else ""
    size = f"; {trial.size}, {' to '.join(f'{value:g}' for value in claimed)}" if trial.size else ""
    why = f"; {trial.reason}" if trial.reason else ""
    return f"{pair} = {factor(trial.ratio)}{bounds}{where}{size}{why}"
