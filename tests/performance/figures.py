"""What a bench prints: one line with what was measured, its bar, and whether it is met."""

import os
import random
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

LINE = "{what:<58} {measured:>9}   bar {bar:>7}   {state}   {note}"


class NotMeasuredError(Exception):
    """A bench that cannot be made here, and why."""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One number and its bar: the largest value that is good."""

    what: str
    measured: float
    bar: float
    unit: str = ""  # s; empty: a ratio or a count
    note: str = ""

    @property
    def is_met(self) -> bool:
        return self.measured <= self.bar

    @property
    def line(self) -> str:
        unit = f" {self.unit}" if self.unit else ""
        return LINE.format(
            what=self.what,
            measured=f"{self.measured:.3g}{unit}",
            bar=f"{self.bar:.3g}{unit}",
            state="met   " if self.is_met else "MISSED",
            note=self.note,
        ).rstrip()


def clock(work: Callable[[], object]) -> float:
    """Return how long a call takes, seconds of wall time."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def interleave(works: Mapping[str, Callable[[], object]], rounds: int, seed: int = 1) -> dict[str, tuple[float, ...]]:
    """Time several calls in turns, each round in random order, so that what drifts on the machine meets all alike.

    Returns name -> (rounds,) seconds.
    """
    generator = random.Random(seed)
    times_s: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name in generator.sample(sorted(works), len(works)):
            times_s[name].append(clock(works[name]))
    return {name: tuple(values) for name, values in times_s.items()}


def run_quietly(argv: Sequence[str], **options: object) -> None:
    """Run a program to its end, its modules compiled once, as a user's are; what it says is shown only if it fails."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    how = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "env": env}
    done = subprocess.run(argv, check=False, **how, **options)  # type: ignore[call-overload]
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(argv)} ended with {done.returncode}:\n{done.stdout[-2000:]}")
