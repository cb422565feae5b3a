"""What the venv engine keeps: environments and compile caches, as folders of the cache."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from orchestrator.engines.claims import is_any_alive
from orchestrator.engines.stock import Kept, Kind
from orchestrator.engines.venv import MARKER
from orchestrator.errors import EngineError


class VenvStock:
    """See Stock."""

    def __init__(self, cache: Path) -> None:
        self._cache = cache

    def kept(self) -> tuple[Kept, ...]:
        """Return environments, and compile caches where no launch may be using them; see Stock."""
        caches = () if is_any_alive(self._cache / "launches") else sorted((self._cache / "compile").glob("*/"))
        return (*self._environments(), *(_folder("compile cache", one) for one in caches))

    def remove(self, kept: Kept) -> None:
        """Remove a folder; see Stock."""
        try:
            shutil.rmtree(kept.reference)
        except FileNotFoundError:
            return
        except OSError as error:
            raise EngineError(f"venv: {kept.reference}: cannot be removed ({error.strerror}).") from error

    def _environments(self) -> Iterator[Kept]:
        for marker in sorted((self._cache / "venvs").glob(f"*/{MARKER}")):
            _, _, inputs, _ = marker.read_text(encoding="utf-8").split()
            kept = _folder("image", marker.parent)
            yield replace(kept, name=kept.name.removesuffix(f"-{inputs[:12]}"), inputs_sha256=inputs)


def _folder(kind: Kind, folder: Path) -> Kept:
    made_s = folder.stat().st_mtime
    return Kept(kind=kind, name=folder.name, reference=str(folder), bytes=disk_bytes(folder), made_s=made_s)


def disk_bytes(folder: Path) -> int:
    """Return what a folder takes on disk."""
    return sum(path.lstat().st_blocks * 512 for path in folder.rglob("*"))
