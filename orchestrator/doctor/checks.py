"""One finding of the doctor, and what to do about it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warning", "missing", "not reached"]


@dataclass(frozen=True, kw_only=True)
class Advice:
    """What to do: sentences, then commands that can be typed as they are."""

    text: str = ""
    commands: tuple[str, ...] = ()


NO_ADVICE = Advice()


@dataclass(frozen=True, kw_only=True)
class Check:
    """What was looked at, what was found, and the remedy where something is wrong."""

    name: str
    state: State
    found: str
    advice: Advice = NO_ADVICE

    @property
    def is_good(self) -> bool:
        return self.state in {"ok", "warning"}


def not_reached(name: str, after: str) -> Check:
    """Return a step that was not tried, since one before it failed."""
    return Check(name=name, state="not reached", found=f"after: {after}")


def find_check(checks: Iterable[Check], name: str) -> Check | None:
    """Return the check of that name."""
    return next((check for check in checks if check.name == name), None)


def is_good(checks: Iterable[Check], name: str) -> bool:
    """Say whether a check was made and found nothing missing."""
    check = find_check(checks, name)
    return check is not None and check.is_good
