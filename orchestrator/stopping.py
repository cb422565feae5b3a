"""Ctrl-C, SIGTERM and a lost terminal: what they end, and when."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from orchestrator import console

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass
class Stop:
    """Ctrl-C: once lets the launch end and stops; twice kills it; more often changes nothing while that goes on."""

    asked: bool = False
    killing: bool = False

    @property
    def is_near(self) -> bool:
        """Say whether nothing more is to be started."""
        return self.asked or self.killing

    @contextmanager
    def watching(self) -> Iterator["Stop"]:
        """Watch for Ctrl-C, and for SIGTERM and a lost terminal, which kill; what is ignored (nohup) stays so."""
        watched = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
        before = {number: signal.signal(number, self._on_signal) for number in watched}
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if self.killing:
            return  # a container is being removed: it would stay
        if self.asked or number != signal.SIGINT:
            self.killing = True
            raise KeyboardInterrupt
        self.asked = True
        console.note("\nStopping after what is under way; Ctrl-C again kills it. The same command continues later.")
