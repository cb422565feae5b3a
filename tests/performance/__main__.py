"""Measure how quick `orch` is: `make bench`, or a part of it: `make bench ARGS="startup launches"`."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence

from tests.performance.agreement import measure_agreement
from tests.performance.builds import measure_builds
from tests.performance.figures import Figure, NotMeasuredError
from tests.performance.launches import measure_launches
from tests.performance.noise import measure_noise
from tests.performance.startup import measure_startup
from tests.performance.tables import measure_plan, measure_report

Bench = Callable[[], Iterator[Figure]]
BENCHES: Mapping[str, Bench] = {
    "startup": measure_startup,
    "plan": measure_plan,
    "report": measure_report,
    "launches": measure_launches,
    "builds": measure_builds,
    "agreement": measure_agreement,
}
ON_REQUEST: Mapping[str, Bench] = {"aa": measure_noise}  # a quarter of an hour


def main(names: Sequence[str]) -> int:
    """Run the benches named, all but the longest without names; returns 1 if a bar is missed."""
    known = {**BENCHES, **ON_REQUEST}
    unknown = [name for name in names if name not in known]
    if unknown:
        say(f"no bench {', '.join(unknown)}. There are {', '.join(BENCHES)}; on request {', '.join(ON_REQUEST)}.")
        return 2
    met = True
    for name in names or BENCHES:
        try:
            for figure in known[name]():
                say(figure.line)
                met = met and figure.is_met
        except NotMeasuredError as reason:
            say(f"{name}: not measured: {reason}")
    return 0 if met else 1


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
