"""What a study concludes, tested on records: holds, does not hold, or why that cannot be said."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

from orchestrator.analysis.trials import Bench, Claim, Outcome, Trial, try_claim
from orchestrator.conclusions import Conclusion
from orchestrator.records import Record

WORST_FIRST: tuple[Outcome, ...] = ("does not hold", "inconclusive", "holds", "cannot be tested here")


@dataclass(frozen=True, kw_only=True)
class JudgedConclusion:
    """A conclusion and what became of it: the worst outcome of its trials, those that could not be made left out."""

    name: str
    says: str
    where: str
    ratio: tuple[float, ...]  # claimed
    outcome: Outcome
    reason: str | None  # of what cannot be tested
    trials: tuple[Trial, ...]

    @property
    def is_absent(self) -> bool:
        """Say whether the records are of other systems altogether."""
        return bool(self.trials) and all(trial.is_absent for trial in self.trials)


def judge_conclusions(
    records: Sequence[Record], conclusions: Sequence[Conclusion], labels: Mapping[str, str]
) -> tuple[JudgedConclusion, ...]:
    """Test every conclusion of a study; labels: implementation -> the study's name for it."""
    if not conclusions:
        return ()
    bench = Bench(records, labels)
    return tuple(_judge(one, bench) for one in conclusions)


def _judge(conclusion: Conclusion, bench: Bench) -> JudgedConclusion:
    trials = tuple(_trials(conclusion, conclusion.configurations or ("",), bench))
    outcomes = {trial.outcome for trial in trials}
    outcome = next((one for one in WORST_FIRST if one in outcomes), WORST_FIRST[-1])
    reasons = dict.fromkeys(trial.reason for trial in trials if trial.reason)
    reason = conclusion.untested or "; ".join(reason for reason in reasons if reason)
    return JudgedConclusion(
        name=conclusion.name,
        says=conclusion.says,
        where=conclusion.where,
        ratio=conclusion.ratio,
        outcome=outcome,
        reason=reason if outcome == "cannot be tested here" else None,
        trials=(*trials, *_elsewhere(conclusion, bench)),
    )


def _trials(conclusion: Conclusion, configurations: Iterable[str], bench: Bench) -> Iterator[Trial]:
    for configuration, phase in product(configurations, conclusion.phases):
        for slower, faster in product(conclusion.slower, conclusion.faster):
            claim = Claim(conclusion=conclusion, slower=slower, faster=faster, configuration=configuration, phase=phase)
            yield try_claim(claim, bench)


def _elsewhere(conclusion: Conclusion, bench: Bench) -> Iterator[Trial]:
    """Try a claim whose configurations were not measured at those that were: that does not judge it, but tells."""
    if conclusion.configurations and not bench.configurations.intersection(conclusion.configurations):
        for trial in _trials(conclusion, sorted(bench.configurations), bench):
            if trial.ratio is not None:
                yield replace(trial, is_elsewhere=True, size=None)
