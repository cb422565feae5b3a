"""Write a diagnosis for people and for programs."""

import textwrap
from collections.abc import Iterator, Sequence
from itertools import groupby

from orchestrator import console
from orchestrator.doctor.checks import Check
from orchestrator.doctor.verdict import Diagnosis


def as_json(diagnosis: Diagnosis) -> dict[str, object]:
    """Return a diagnosis as JSON has it."""
    return {
        "can_run": [{"engine": way.engine, "device": way.device} for way in diagnosis.ways],
        "verdict": " ".join(diagnosis.verdict),
        "next": diagnosis.next,
        "checks": [
            {
                "name": check.name,
                "state": check.state,
                "found": check.found,
                "remedy": check.advice.text,
                "commands": list(check.advice.commands),
            }
            for check in diagnosis.checks
        ],
    }


def render(diagnosis: Diagnosis, width: int) -> str:
    """Write a diagnosis for a terminal: the verdict, what was found, and what to do about it.

    Commands are never broken: a terminal wraps them by itself, and they can be copied whole.
    """
    head = [line for sentence in diagnosis.verdict for line in textwrap.wrap(sentence, width)]
    head += textwrap.wrap(f"Next: {diagnosis.next}", width, subsequent_indent="      ", break_on_hyphens=False)
    table = console.table(("check", "state", "found"), list(_rows(diagnosis.checks)), width=width).rstrip()
    todo = [line for check in diagnosis.checks for line in _advice(check, width)]
    return "\n".join([*head, table, *(["", "What to do", *todo] if todo else [])])


def _rows(checks: Sequence[Check]) -> Iterator[tuple[str, str, str]]:
    """Yield a row for each check; steps in a row that were not reached for the same reason share one."""
    for _, group in groupby(checks, key=lambda check: check.found if check.state == "not reached" else check.name):
        same = list(group)
        if len(same) == 1:
            yield same[0].name, same[0].state, same[0].found
        else:
            names = ", ".join(check.name for check in same)
            yield f"{len(same)} steps more", same[0].state, f"{names}; {same[0].found}"


def _advice(check: Check, width: int) -> Iterator[str]:
    if not check.advice.text and not check.advice.commands:
        return
    yield ""
    text = f"{check.name}: {check.advice.text}".strip()
    yield from textwrap.wrap(text, width, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)
    yield from (f"    {command}" for command in check.advice.commands)
