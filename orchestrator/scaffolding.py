"""What every `orch new` does: check names, fill templates, write files but never over others."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from orchestrator.errors import UsageError
from orchestrator.yaml_lines import shown_path

TEMPLATES = Path(__file__).parent / "templates"
SCHEMAS = Path(__file__).parent / "schemas"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def check_name(name: str, what: str) -> None:
    """Raise UsageError for a name that cannot be one of a file. what: suite, benchmark …"""
    if not _NAME.fullmatch(name):
        raise UsageError(f"new {what} '{name}': no name. Use letters, digits, '_' and '-', 64 at most.")


def fill(template: str, **values: str) -> str:
    """Return a shipped template with every @NAME@ in it replaced by the value of `name`."""
    text = (TEMPLATES / f"{template}.template").read_text(encoding="utf-8")
    return re.sub(r"@([A-Z]+)@", lambda found: values[found[1].lower()], text)


def schema_for(kind: str, path: Path, root: Path) -> str:
    """Say where an editor finds the schema of a new file: relative to it where both lie in the project.

    kind: suite, benchmark … root: the project.
    """
    schema = SCHEMAS / f"{kind}.json"
    return Path(os.path.relpath(schema, path.parent)).as_posix() if schema.is_relative_to(root) else schema.as_uri()


def write_new(files: Mapping[Path, str], cwd: Path) -> tuple[str, ...]:
    """Write files with their folders, all or none, and return their paths as they are shown.

    Raises UsageError if one is there already, or cannot be written.
    """
    taken = [shown_path(path, cwd) for path in files if path.exists()]
    if taken:
        raise UsageError(f"{', '.join(taken)}: there already, and kept as it is. Choose another name or remove it.")
    written: list[Path] = []
    for path, text in files.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8") as stream:
                written.append(path)
                stream.write(text)
        except OSError as error:
            for half in written:
                half.unlink()
            raise UsageError(
                f"{shown_path(path, cwd)}: cannot be written ({error.strerror}). Choose another folder."
            ) from error
    return tuple(shown_path(path, cwd) for path in files)
