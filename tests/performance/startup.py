"""How long the command line takes to answer when nothing is to be done."""

import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import median

from tests.performance.figures import Figure, NotMeasuredError, interleave, run_quietly

ROUNDS = 15
BARS_S = {"--help": 0.20, "--version": 0.05}
ORCH = Path(sys.executable).parent / "orch"
BARE = "bare"


def measure_startup() -> Iterator[Figure]:
    """Time `orch --help` and `orch --version`, warm, beside an interpreter that does nothing."""
    if not ORCH.exists():
        raise NotMeasuredError(f"no {ORCH}: install the project beside this Python")
    works: dict[str, Callable[[], object]] = {BARE: partial(run_quietly, (sys.executable, "-c", "pass"))}
    works |= {option: partial(run_quietly, (str(ORCH), option)) for option in BARS_S}
    interleave(works, 2)
    times_s = interleave(works, ROUNDS)
    bare_s = median(times_s[BARE])
    for option, bar_s in BARS_S.items():
        note = f"an interpreter that does nothing: {bare_s:.3f} s"
        yield Figure(what=f"orch {option}, warm", measured=median(times_s[option]), bar=bar_s, unit="s", note=note)
