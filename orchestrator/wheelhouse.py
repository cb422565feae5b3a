"""The wheelhouse: wheels and source archives on the host, by content, for both engines; no image talks to an index."""

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from packaging.markers import Marker

from orchestrator import process
from orchestrator.errors import ConfigurationError, LockError, WheelError
from orchestrator.index_files import NOT_ANSWERED, IndexFile, download, list_files
from orchestrator.indexes import PIP, Indexes, read_indexes
from orchestrator.locking import Lock, Pin, read_lock, read_pins
from orchestrator.resolving import exact, find_hashes
from orchestrator.specs import ImageVariant
from orchestrator.wheel_tags import PLATFORMS, abi

_TIMEOUT_S = 4 * 3600.0  # of one image's downloads
_INCOMING = ".incoming-"
_CHECK_INDEXES = "Check pip's index-url, extra-index-url and find-links."
_HASH_WRONG = re.compile(
    r"(?P<what>\S+==\S+|\S+) (?:from|\(from)[^\n]*\n\s+Expected sha256 (?P<want>\w+)\n\s+Got\s+(?P<got>\w+)"
)
_NO_NETWORK = re.compile(
    r"name resolution|Name or service not known|Failed to resolve|Failed to establish a new connection|ConnectTimeout"
    r"|Connection refused|Connection reset|Network is unreachable|No route to host|ProxyError|Max retries exceeded"
)


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

    def fetch(self, lock: Lock, index: str | None = None, log_file: Path | None = None) -> int:
        """Download the missing files of a lock; returns how many bytes came.

        index: package index or page of links besides the user's own.
        Raises WheelError: no network, a wheel that is gone, or one whose content is not what the lock says.
        """
        with process.exclusive(self.folder / ".lock"):
            for leftover in self.folder.glob(f"{_INCOMING}*"):  # of a process that was killed: we hold the lock
                shutil.rmtree(leftover)
            wanted = self.missing(lock)
            if not wanted:
                return 0
            with tempfile.TemporaryDirectory(dir=self.folder, prefix=_INCOMING) as incoming:
                wheels = tuple(pin for pin in wanted if not pin.is_source)
                if wheels:
                    self._download(replace(lock, pins=wheels, build_pins=()), index, Path(incoming), log_file)
                self._fetch_sources(lock.image, [pin for pin in wanted if pin.is_source], index, Path(incoming))
                return self._take_in(lock, wanted, Path(incoming))

    def remove_damaged(self, lock: Lock) -> tuple[str, ...]:
        """Remove files whose content is no longer what their name says; returns their file names. Reads them all."""
        damaged = [pin for pin in lock.files if self.path(pin).exists() and _sha256(self.path(pin)) != pin.sha256]
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

    def reachable(self, target: ImageVariant) -> bool:
        """Say whether all wheels of a locked variant can be had now, from here or from the configured indexes.

        Downloads nothing: what is not here is looked up by its pinned name and version.
        """
        try:
            missing = self.missing(read_lock(target.lock_path))
            wanted = tuple(pin.what for pin in missing)
            found = find_hashes(target, wanted, self.env) if missing else frozenset()
        except LockError:
            return False
        return {pin.sha256 for pin in missing} <= found

    def _has(self, pin: Pin) -> bool:
        path = self.path(pin)
        return path.exists() and pin.bytes in {None, path.stat().st_size}

    def _download(self, lock: Lock, index: str | None, incoming: Path, log_file: Path | None) -> None:
        listed = incoming / "requirements.txt"
        lines = (f"{exact(pin.what)} --hash=sha256:{pin.sha256}\n" for pin in lock.pins)
        listed.write_text("".join(lines), encoding="utf-8")
        for place in _places(index):
            argv = (
                *(*PIP, "download", "--no-deps", "--require-hashes", "--only-binary", ":all:", "--no-cache-dir"),
                *("--progress-bar", "off", "--implementation", "cp", "--python-version", lock.python),
                *(part for name in (abi(lock.python), "abi3", "none") for part in ("--abi", name)),
                *(part for platform in PLATFORMS for part in ("--platform", platform)),
                *(*place, "--dest", str(incoming), "--requirement", str(listed)),
            )
            done = process.run(argv, timeout_s=_TIMEOUT_S, log_file=log_file, env=self.env, check=False)
            if done.exit_code == 0:
                return
            if _HASH_WRONG.search(done.log) or _NO_NETWORK.search(done.log):
                break  # a changed file must be seen, whatever another index has; and one wait is enough
        raise WheelError(f"{lock.image}: {explain_pip(done.log, lock.pins)}")

    def _fetch_sources(self, image: str, pins: Sequence[Pin], index: str | None, incoming: Path) -> None:
        """Download source archives as plain files: `pip download` would run their setup.py."""
        indexes = read_indexes(self.env)
        for pin in pins:
            try:
                download(_find_source(pin, indexes, index), incoming / pin.file, indexes)
            except NOT_ANSWERED as error:
                raise WheelError(f"{image}: {pin.file} cannot be had: {error}. {_CHECK_INDEXES}") from error

    def _take_in(self, lock: Lock, wanted: tuple[Pin, ...], incoming: Path) -> int:
        """Move what came into its place, by its content: each file appears whole or not at all."""
        came = {_sha256(path): path for path in incoming.iterdir()}
        names = {path.name: sha256 for sha256, path in came.items()}
        total = 0
        for pin in wanted:
            if pin.sha256 not in came and pin.file in names:
                raise WheelError(f"{lock.image}: {_changed(pin.file, names[pin.file], pin.sha256)}")
            if pin.sha256 not in came:
                raise WheelError(f"{lock.image}: {pin.file} did not come. Make the lock anew: orch lock {lock.image}")
            total += came[pin.sha256].stat().st_size
            self.path(pin).parent.mkdir(parents=True, exist_ok=True)
            came[pin.sha256].replace(self.path(pin))
        return total


def _find_source(pin: Pin, indexes: Indexes, index: str | None) -> IndexFile:
    """Say where a source archive lies: the one of its hash, else of its name. Raises OSError if it is nowhere."""
    if pin.url:
        return IndexFile(name=pin.file, url=pin.url.partition("#")[0])
    listed = list_files(pin.name, indexes, index)
    same = [file for file in listed if file.sha256 == pin.sha256] + [file for file in listed if file.name == pin.file]
    if not same:
        raise FileNotFoundError("no index lists it")
    return same[0]


def _places(index: str | None) -> tuple[tuple[str, ...], ...]:
    """Ask the user's own indexes first: they may be all that answers here; then the row's index as well."""
    if index is None:
        return ((),)
    return ((), ("--find-links" if index.endswith(".html") else "--extra-index-url", index))


def find_installer(images: Path, python: str) -> Pin:
    """Return the last pip that runs on a Python, from `images/installers.txt`.

    Raises LockError if the file has none, ConfigurationError if it cannot be read.
    """
    minor = ".".join(python.split(".")[:2])
    path = images / "installers.txt"
    try:
        pins = read_pins(path)
    except OSError as error:
        remedy = "Copy the one that orch is shipped with: it pins a pip for each Python."
        raise ConfigurationError(f"cannot be read ({error.strerror}). {remedy}", file=str(path)) from error
    for pin in pins:
        if pin.marker and Marker(pin.marker).evaluate({"python_version": minor}):
            return replace(pin, marker=None)
    raise LockError(f"{path}: no pip for Python {minor}. Add its line.")


def explain_pip(log: str, pins: tuple[Pin, ...]) -> str:
    """Turn the end of a failed download into what, why and next step."""
    wrong = _HASH_WRONG.search(log)
    if wrong:
        file = next((pin.file for pin in pins if pin.sha256 == wrong["want"]), wrong["what"])
        return _changed(file, wrong["got"], wrong["want"])
    if _NO_NETWORK.search(log):
        names = ", ".join(pin.file for pin in pins[:3]) + (f" and {len(pins) - 3} more" if len(pins) > 3 else "")
        return (
            f"no network for {names}. Connect once, or name a mirror or a folder of wheels in pip's own "
            "configuration: pip config set global.index-url URL, or global.find-links FOLDER."
        )
    errors = [line.removeprefix("ERROR: ") for line in log.splitlines() if line.startswith("ERROR:")]
    return f"{' '.join(errors[-2:]) or log.strip()[-300:]} {_CHECK_INDEXES}"


def _changed(file: str, got: str, want: str) -> str:
    return (
        f"{file} has sha256 {got}, the lock says {want}. It was changed on its way or on the index: do not use it. "
        "Download again, or from another index; if the change is known, orch lock."
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
