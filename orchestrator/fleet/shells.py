"""A shell on another machine: what is asked of it, and what it answers."""

from dataclasses import dataclass
from typing import Protocol

from orchestrator.engines.links import Link


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a command there wrote, and its exit code."""

    text: str
    exit_code: int


class Shell(Link, Protocol):
    """One bash over there, for all commands: what they open stays open until the connection is lost."""

    def ask(self, command: str, /) -> Answer:
        """Run one line there, again if the connection is lost meanwhile. Raises HostError if it stays lost."""

    def tell(self, command: str, /) -> None:
        """Run one line there, unless the connection is lost."""

    def reaches_engine(self) -> bool:
        """Say whether an engine answers at the other end of the tunnel."""
