"""Results go to stdout, progress and complaints to stderr; nothing else writes to the terminal."""

import io
import os
import shutil
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from orchestrator.errors import DiskError

if TYPE_CHECKING:
    from rich.console import RenderableType


def result(text: str) -> None:
    """Write a result to stdout as it is. Raises DiskError if that is a file that cannot be written."""
    try:
        sys.stdout.write(text if text.endswith("\n") else text + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        raise  # who read it, such as `head`, has seen enough
    except OSError as error:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - what is left is not written at exit
        raise DiskError(f"stdout: not written ({error.strerror}). Free disk space, or write elsewhere.") from error


def note(text: str) -> None:
    """Write progress or a complaint to stderr."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def render(renderable: "RenderableType", *, width: int | None = None) -> str:
    """Turn something of rich into text: coloured only on a terminal, and never under NO_COLOR."""
    from rich.console import Console

    text = io.StringIO()
    is_terminal = sys.stdout.isatty()
    Console(file=text, width=width or terminal_width(), highlight=False, force_terminal=is_terminal).print(renderable)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines())


def terminal_width() -> int:
    """Columns of the terminal, or as many as COLUMNS says; 120 where the output is piped."""
    return shutil.get_terminal_size((120, 24)).columns


def table(
    headings: Sequence[str], rows: Sequence[Sequence[str]], *, title: str | None = None, width: int | None = None
) -> str:
    """Render a plain table of text; a heading that starts with '>' is aligned to the right.

    width: columns; None: of the terminal.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    built = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in headings:
        built.add_column(heading.lstrip(">"), justify="right" if heading.startswith(">") else "left", overflow="fold")
    for row in rows:
        built.add_row(*(Text(cell) for cell in row))
    text = render(built, width=width)
    return f"{title}\n{text}" if title else text


def duration(seconds: float) -> str:
    """Format seconds for people: `42 s`, `3 min`, `1 h 20 min`."""
    if seconds < 90:
        return f"{max(seconds, 0):.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


def size(count: int) -> str:
    """Format bytes for people, in decimal units as downloads are: `0.53 GB`, `12 MB`."""
    return f"{count / 1e9:.2f} GB" if count >= 1e8 else f"{count / 1e6:.0f} MB"


class Progress:
    """Says which step of how many runs, what the last one gave and when all will be done.

    On a terminal one line that is rewritten, elsewhere a plain line per step.
    """

    def __init__(self, steps: int, estimate_s: float | None = None, after_s: float = 0.0) -> None:
        """estimate_s: of these steps, until one is done. after_s: what follows them before all is done."""
        self._steps = steps
        self._done = 0
        self._estimate_s, self._after_s = estimate_s, after_s
        self._began = time.monotonic()
        self._live = sys.stderr.isatty()

    def start(self, what: str) -> None:
        """Show the step that begins; on a terminal only, where the line is replaced when it ends."""
        if self._live:
            line = f"{self._count(self._done + 1)} {what} …{self._eta()}"
            sys.stderr.write("\r\x1b[2K" + line[: shutil.get_terminal_size().columns - 1])
            sys.stderr.flush()

    def finish(self, what: str, outcome: str) -> None:
        """Write the line of a step that ended."""
        self._done += 1
        if self._live:
            sys.stderr.write("\r\x1b[2K")
        note(f"{self._count(self._done)} {what}  {outcome}{self._eta()}")

    def _count(self, step: int) -> str:
        return f"[{step:>{len(str(self._steps))}}/{self._steps}]"

    def _eta(self) -> str:
        left = self._steps - self._done
        if self._done:
            seconds = (time.monotonic() - self._began) / self._done * left
        elif self._estimate_s is not None:
            seconds = self._estimate_s
        else:
            return ""
        return f"  (about {duration(seconds + self._after_s)} left)" if left or self._after_s else ""
