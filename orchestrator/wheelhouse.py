"""The wheelhouse: wheels and source archives on the host, by content, for both engines; no image talks to an index."""

import hashlib
import os
import shutil
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator.errors import ConfigurationError, LockError
from orchestrator.images import ImageVariant
from orchestrator.locking import Lock, Pin, read_lock, read_pins

INSTALLERS = "installers.txt"


@dataclass(frozen=True, kw_only=True)
class Wheelhouse:
    """`<folder>/<first two digits>/<sha256>/<file name>`; any number of processes may use it at once."""

    folder: Path
    env: Mapping[str, str]  # of pip and uv: the user's own

    def path(self, pin: Pin) -> Path:
        """Return where a file lies, or would."""
        return self.folder / pin.sha256[:2] / pin.sha256 / pin.file

    def missing(self, lock: Lock) -> tuple[Pin, ...]:
        """Return the files that are still to be downloaded; one of a wrong size counts as missing."""
        return tuple(pin for pin in lock.files if not self._has(pin))

    def missing_bytes(self, target: ImageVariant) -> int | None:
        """Return what is still to be downloaded for a variant; of one without a lock what its row says, or None."""
        try:
            sizes = [pin.bytes for pin in self.missing(read_lock(target.lock_path))]
        except LockError:
            return target.variant.download_bytes
        return target.variant.download_bytes if None in sizes else sum(size or 0 for size in sizes)

    def remove_damaged(self, lock: Lock) -> tuple[str, ...]:
        """Remove files whose content is no longer what their name says; returns their file names. Reads them all."""
        damaged = [pin for pin in lock.files if self.path(pin).exists() and sha256_of(self.path(pin)) != pin.sha256]
        for pin in damaged:
            self.path(pin).unlink()
        return tuple(pin.file for pin in damaged)

    def link(self, pins: Iterable[Pin], folder: Path) -> None:
        """Put files into a folder as hard links; as copies where it lies on another disk."""
        folder.mkdir(parents=True, exist_ok=True)
        for pin in pins:
            try:
                os.link(self.path(pin), folder / pin.file)
            except FileExistsError:
                continue
            except OSError:
                shutil.copyfile(self.path(pin), folder / pin.file)

    def _has(self, pin: Pin) -> bool:
        path = self.path(pin)
        return path.exists() and pin.bytes in {None, path.stat().st_size}


def find_installer(images: Path, python: str) -> Pin:
    """Return the last pip that runs on a Python, from `images/installers.txt`.

    Raises LockError if the file has none, ConfigurationError if it cannot be read.
    """
    from packaging.markers import Marker

    minor = ".".join(python.split(".")[:2])
    path = images / INSTALLERS
    try:
        pins = read_pins(path)
    except OSError as error:
        remedy = "Copy the one that orch is shipped with: it pins a pip for each Python."
        raise ConfigurationError(f"cannot be read ({error.strerror}). {remedy}", file=str(path)) from error
    for pin in pins:
        if pin.marker and Marker(pin.marker).evaluate({"python_version": minor}):
            return replace(pin, marker=None)
    raise LockError(f"{path}: no pip for Python {minor}. Add its line.")


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def find_unused(wheelhouse: Wheelhouse, images: Collection[Path]) -> tuple[Path, ...]:
    """Return the files that neither a lock of these families nor `installers.txt` names.

    images: folders of families. Raises ConfigurationError for a lock that cannot be read: who knows what it needs.
    """
    pins = [pin for folder in images for path in folder.glob("*/locks/*.txt") for pin in read_lock(path).files]
    pins += [pin for folder in images if (folder / INSTALLERS).exists() for pin in read_pins(folder / INSTALLERS)]
    used = {pin.sha256 for pin in pins}
    return tuple(path for path in sorted(wheelhouse.folder.glob("??/*/*")) if path.parent.name not in used)
