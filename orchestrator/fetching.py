"""Fetching: what a lock names comes into the wheelhouse, by its hash, from the indexes of the user's pip."""

import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from orchestrator import process
from orchestrator.errors import LockError, WheelError
from orchestrator.images import ImageVariant
from orchestrator.index_files import NOT_ANSWERED, IndexFile, download, list_files
from orchestrator.indexes import PIP, Indexes, read_indexes
from orchestrator.locking import Lock, Pin, read_lock
from orchestrator.resolving import exact, find_hashes
from orchestrator.wheel_tags import PLATFORMS, abi
from orchestrator.wheelhouse import Wheelhouse, sha256_of

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


def fetch_files(wheelhouse: Wheelhouse, lock: Lock, index: str | None = None, log_file: Path | None = None) -> int:
    """Download the missing files of a lock; returns how many bytes came.

    index: package index or page of links besides the user's own.
    Raises WheelError: no network, a wheel that is gone, or one whose content is not what the lock says.
    """
    with process.exclusive(wheelhouse.folder / ".lock"):
        for leftover in wheelhouse.folder.glob(f"{_INCOMING}*"):  # of a process that was killed: we hold the lock
            shutil.rmtree(leftover)
        wanted = wheelhouse.missing(lock)
        if not wanted:
            return 0
        with tempfile.TemporaryDirectory(dir=wheelhouse.folder, prefix=_INCOMING) as incoming:
            wheels = tuple(pin for pin in wanted if not pin.is_source)
            if wheels:
                _download(wheelhouse.env, replace(lock, pins=wheels, build_pins=()), index, Path(incoming), log_file)
            _fetch_sources(wheelhouse.env, lock.image, [pin for pin in wanted if pin.is_source], index, Path(incoming))
            return _take_in(wheelhouse, lock, wanted, Path(incoming))


def is_reachable(wheelhouse: Wheelhouse, target: ImageVariant) -> bool:
    """Say whether all wheels of a locked variant can be had now, from here or from the configured indexes.

    Downloads nothing: what is not here is looked up by its pinned name and version.
    """
    try:
        missing = wheelhouse.missing(read_lock(target.lock_path))
        wanted = tuple(pin.what for pin in missing)
        found = find_hashes(target, wanted, wheelhouse.env) if missing else frozenset()
    except LockError:
        return False
    return {pin.sha256 for pin in missing} <= found


def _download(env: Mapping[str, str], lock: Lock, index: str | None, incoming: Path, log_file: Path | None) -> None:
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
        done = process.run(argv, timeout_s=_TIMEOUT_S, log_file=log_file, env=env, check=False)
        if done.exit_code == 0:
            return
        if _HASH_WRONG.search(done.log) or _NO_NETWORK.search(done.log):
            break  # a changed file must be seen, whatever another index has; and one wait is enough
    raise WheelError(f"{lock.image}: {explain_pip(done.log, lock.pins)}")


def _fetch_sources(env: Mapping[str, str], image: str, pins: Sequence[Pin], index: str | None, incoming: Path) -> None:
    """Download source archives as plain files: `pip download` would run their setup.py."""
    indexes = read_indexes(env)
    for pin in pins:
        try:
            download(_find_source(pin, indexes, index), incoming / pin.file, indexes)
        except NOT_ANSWERED as error:
            raise WheelError(f"{image}: {pin.file} cannot be had: {error}. {_CHECK_INDEXES}") from error


def _take_in(wheelhouse: Wheelhouse, lock: Lock, wanted: tuple[Pin, ...], incoming: Path) -> int:
    """Move what came into its place, by its content: each file appears whole or not at all."""
    came = {sha256_of(path): path for path in incoming.iterdir()}
    names = {path.name: sha256 for sha256, path in came.items()}
    total = 0
    for pin in wanted:
        if pin.sha256 not in came and pin.file in names:
            raise WheelError(f"{lock.image}: {_changed(pin.file, names[pin.file], pin.sha256)}")
        if pin.sha256 not in came:
            raise WheelError(f"{lock.image}: {pin.file} did not come. Make the lock anew: orch lock {lock.image}")
        total += came[pin.sha256].stat().st_size
        wheelhouse.path(pin).parent.mkdir(parents=True, exist_ok=True)
        came[pin.sha256].replace(wheelhouse.path(pin))
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
