"""The same image against itself: how often a difference is seen where there is none."""

import random
from collections import Counter
from collections.abc import Iterator
from statistics import median

from orchestrator.analysis.stats import paired_ratio
from orchestrator.analysis.verdicts import judge
from orchestrator.engines.docker import DockerEngine
from orchestrator.specs import Protocol
from tests.performance.figures import Figure
from tests.performance.spinning import Spin, spinning

PAIRS, BLOCKS = 300, 5
# Of 300 true nulls at 5 %, 15 are expected; more than 24 come up in 1 % of the cases.
FALSE_AT_MOST = 24
PROTOCOL = Protocol(warmup=2, samples=10, at_most_s=5.0, threads=1, timeout_s=60.0)


def measure_noise() -> Iterator[Figure]:
    """Compare `spin` with itself 300 times, 5 blocks each, no launch used twice; about 15 minutes."""
    verdicts: Counter[str] = Counter()
    with spinning(DockerEngine({}), PROTOCOL) as spin:
        for _ in range(PAIRS):
            verdicts[_compare(spin)] += 1
    yield Figure(
        what=f"same image against itself, {PAIRS} pairs: false verdicts",
        measured=verdicts["faster"] + verdicts["slower"],
        bar=FALSE_AT_MOST,
        note=", ".join(f"{name} {count}" for name, count in verdicts.most_common()),
    )


def _compare(spin: Spin) -> str:
    """Return the verdict of a table of one pair, so that no other pair makes it stricter."""
    times_s: tuple[list[float], list[float]] = ([], [])
    for block in range(1, BLOCKS + 1):
        for which in random.sample((0, 1), 2):
            record = spin.launch(block)
            times_s[which].append(median(record.samples["train_step"]))
    (verdict,) = judge((paired_ratio(*times_s),))
    return verdict.name
