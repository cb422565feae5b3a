"""Inputs into, and outputs out of, the folder of a local launch. What comes out is untrusted."""

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from orchestrator.engines import OUTPUT_AT_MOST_BYTES
from orchestrator.errors import EngineError


def put_inputs(files: Mapping[str, bytes], folder: Path) -> None:
    """Write files below `in/` of a launch folder, and make its empty `out/`.

    files: path below in/ -> content. Raises EngineError for a path that leads out of it.
    """
    (folder / "out").mkdir()
    for name, content in files.items():
        parts = PurePosixPath(name).parts
        if ".." in parts or name.startswith("/"):
            raise EngineError(f"venv: an input leads out of its folder: {name!r}. Name it relative to in/.")
        path = folder.joinpath("in", *parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def fetch_outputs(out: Path) -> tuple[Mapping[str, bytes], str]:
    """Return the files of `out/` and what to add to the log: an output that is refused is the program's fault."""
    try:
        return collect_outputs(out, OUTPUT_AT_MOST_BYTES), ""
    except (ValueError, FileNotFoundError) as error:
        return {}, f"\norch: the output is refused: {error}.\n"


def collect_outputs(folder: Path, at_most_bytes: int) -> Mapping[str, bytes]:
    """Read all files below a folder: path below it -> content.

    at_most_bytes: of all files together. No link is followed.
    Raises ValueError if there is more, or anything but regular files and folders.
    """
    if folder.is_symlink():
        raise ValueError("out/ is a link")
    files: dict[str, bytes] = {}
    left = at_most_bytes
    for path in _walk(folder):
        name = path.relative_to(folder).as_posix()
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with open(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise ValueError(f"out/ holds a link or a special file: {name!r}")
            content = file.read(left + 1)
        left -= len(content)
        if left < 0:
            raise ValueError(f"out/ is larger than {at_most_bytes >> 20} MiB")
        files[name] = content
    return files


def _walk(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        mode = path.lstat().st_mode
        if stat.S_ISDIR(mode):
            yield from _walk(path)
        elif stat.S_ISREG(mode):
            yield path
        else:
            raise ValueError(f"out/ holds a link or a special file: {path.name!r}")
