"""Find the Python interpreters of this machine, for the venv engine. A found one has been run, not guessed."""

import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from uv import find_uv_bin

from orchestrator import process
from orchestrator.errors import ProgramError

MINORS = ("2.7", *(f"3.{minor}" for minor in range(6, 15)))
_TIMEOUT_S = 20.0
# One line that any Python from 2.7 on runs; a shim that only looks like one fails here.
_ASK = (
    "import platform as p, struct, sys;"
    r"sys.stdout.write('%s\n%s\n%d\n%s' % (p.python_implementation(), p.python_version(), 8 * struct.calcsize('P'),"
    " sys.executable))"
)
_HOME_FOLDERS = (".pyenv/versions", ".local/share/uv/python", ".asdf/installs/python")
_SYSTEM_FOLDERS = (Path("/opt/python"), Path("/opt"), Path("/usr/local"), Path("/usr"))


@dataclass(frozen=True, kw_only=True)
class Interpreter:
    """A CPython that answered."""

    path: Path
    version: str  # 3.6.15


def find_interpreter(python: str, env: Mapping[str, str]) -> Interpreter | None:
    """Return an interpreter of the same minor version: the same patch where there is one, else the newest.

    python: "3.6.15", or "3.6" for any. env: PATH and HOME say where to look. None if there is none.
    """
    return _find(python, env.get("PATH", ""), env.get("HOME", ""))


def list_interpreters(env: Mapping[str, str] | None = None) -> Mapping[str, Interpreter]:
    """Return one interpreter for each minor version that is on this machine. env: None: our own."""
    found = {minor: find_interpreter(minor, os.environ if env is None else env) for minor in MINORS}
    return {minor: one for minor, one in found.items() if one is not None}


@cache
def _find(python: str, path: str, home: str) -> Interpreter | None:
    minor = ".".join(python.split(".")[:2])
    found: list[Interpreter] = []
    for candidate in _candidates(minor, path, home):
        one = _ask(candidate)
        if one is not None and f"{one.version}.".startswith(f"{python}."):
            return one  # nobody else need be asked: a shim takes half a second to answer
        if one is not None and one.version.startswith(f"{minor}."):
            found.append(one)
    return max(found, key=lambda one: int(one.version.rsplit(".", 1)[1].split("+")[0]), default=None)


def _candidates(minor: str, path: str, home: str) -> Iterator[Path]:
    """Yield what may be such an interpreter, plain files before shims."""
    folders = [Path(home) / folder for folder in _HOME_FOLDERS] if home else []
    for folder in (*folders, *_SYSTEM_FOLDERS):
        yield from sorted(folder.glob(f"*/bin/python{minor}"), reverse=True)
        yield from folder.glob(f"bin/python{minor}")
    named = shutil.which(f"python{minor}", path=path)
    if named:
        yield Path(named)
    yield from _known_to_uv(minor, path, home)


def _known_to_uv(minor: str, path: str, home: str) -> Iterator[Path]:
    argv = (find_uv_bin(), "python", "find", "--no-python-downloads", "--no-config", "--no-project", "--system", minor)
    try:
        done = process.run(argv, timeout_s=_TIMEOUT_S, env={"PATH": path, "HOME": home}, check=False)
    except ProgramError:
        return
    if done.exit_code == 0:
        yield Path(done.stdout.strip())


@cache
def _ask(candidate: Path) -> Interpreter | None:
    """Return a 64-bit CPython, None for what does not answer as one."""
    try:
        done = process.run((str(candidate), "-c", _ASK), timeout_s=_TIMEOUT_S, env={}, check=False)
    except (ProgramError, OSError):
        return None
    lines = done.stdout.split("\n")
    is_usable = done.exit_code == 0 and len(lines) == 4 and lines[0] == "CPython" and lines[2] == "64"
    return Interpreter(path=Path(lines[3]), version=lines[1]) if is_usable else None
