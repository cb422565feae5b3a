"""Closures that a row states by hand: exact versions, looked up in the file lists of the indexes. Nothing is run.

A row states its closure where no resolver can know it: for Python 2.7, and where a package is only a source archive,
which would have to be run to be asked what it needs.
"""

import re
import urllib.parse
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import InvalidVersion, Version

from orchestrator.errors import LockError
from orchestrator.images import ImageVariant
from orchestrator.index_files import NOT_ANSWERED, IndexFile, list_files, with_hash, with_sizes
from orchestrator.indexes import Indexes
from orchestrator.locking import ARCHIVES, Pin
from orchestrator.wheel_tags import WHEEL, best_wheel

ADVICE = (
    "Check the row and the network; files that lie elsewhere are found through pip's own configuration"
    " (index-url, extra-index-url, find-links)."
)
_AT_ONCE = 8
_EGG = re.compile(r"egg=[\w.-]+-(?P<version>\d[^&]*)")
_SHA256 = re.compile(r"sha256=([0-9a-f]{64})")


@dataclass(frozen=True, kw_only=True)
class _Stated:
    """One requirement of a stated closure: a name, and a version or an address."""

    name: str
    version: str
    url: str | None


def look_up(target: ImageVariant, requirements: Sequence[str], indexes: Indexes) -> tuple[Pin, ...]:
    """Find the one file of each requirement: the best wheel for the image's Python, else the source archive.

    Raises LockError if one is not pinned, or no index has a file of it.
    """
    stated = [_read(text, target) for text in requirements]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        try:
            found = list(pool.map(partial(_find, target=target, indexes=indexes), stated))
        except NOT_ANSWERED as error:
            raise LockError(f"{target.name}: an index does not answer ({error}).", ADVICE) from error
    return tuple(
        Pin(
            name=one.name,
            version=one.version,
            file=file.name,
            sha256=file.sha256 or "",
            bytes=file.bytes,
            url=one.url,
        )
        for one, file in zip(stated, with_sizes(found, indexes), strict=True)
    )


def _read(text: str, target: ImageVariant) -> _Stated:
    """Read `name==version`, or `name @ address`, which says `#egg=name-version` where the file's name does not."""
    try:
        asked = Requirement(text)
    except InvalidRequirement as error:
        raise LockError(f"{target.name}: '{text}' is no requirement: {error}.", _HOW) from error
    pinned = [one.version for one in asked.specifier if one.operator == "==" and not one.version.endswith("*")]
    version = _version_of_address(asked.url) if asked.url else next(iter(pinned), None)
    if version is None or len(asked.specifier) > 1 or asked.marker or asked.extras:
        raise LockError(f"{target.name}: '{text}' names no exact version.", _HOW)
    return _Stated(name=asked.name, version=version, url=asked.url)


_HOW = (
    "Where no resolver can help (Python 2.7, source archives) a row states all it installs as name==version, or as"
    " name @ address#egg=name-version."
)


def _version_of_address(url: str) -> str | None:
    address, _, fragment = url.partition("#")
    said = _EGG.search(fragment)
    named = _identity(_file_name(address))
    return said["version"] if said else str(named[1]) if named else None


def _file_name(address: str) -> str:
    return urllib.parse.unquote(PurePosixPath(urllib.parse.urlsplit(address).path).name)


def _identity(file: str) -> tuple[str, Version] | None:
    """Return the package and the version that the name of a wheel or a source archive tells, None if it is neither."""
    try:
        return parse_wheel_filename(file)[:2] if file.endswith(WHEEL) else parse_sdist_filename(file)
    except (InvalidWheelFilename, InvalidSdistFilename, InvalidVersion):
        return None


def _find(one: _Stated, target: ImageVariant, indexes: Indexes) -> IndexFile:
    """Return the file of a requirement, with its hash."""
    if one.url:
        return with_hash(_of_address(one, one.url), indexes)
    python, wanted = target.python, (canonicalize_name(one.name), Version(one.version))
    listed = [file for file in list_files(one.name, indexes, target.variant.index) if _identity(file.name) == wanted]
    fitting = {file.name: file for file in reversed(listed) if _runs_on(file, python)}  # the first place wins
    best = best_wheel(tuple(fitting), python) or next((name for name in fitting if name.endswith(ARCHIVES)), None)
    if best is None:
        there = ", ".join(sorted({file.name for file in listed})) or "no file of it"
        what = f"{target.name}: no wheel and no source archive of {one.name}=={one.version} for Python {python}"
        raise LockError(f"{what} (the indexes have {there}).", ADVICE)
    return with_hash(fitting[best], indexes)


def _of_address(one: _Stated, url: str) -> IndexFile:
    address, _, fragment = url.partition("#")
    name = _file_name(address)
    if _identity(name) is None:
        suffix = next((suffix for suffix in ARCHIVES if name.endswith(suffix)), ARCHIVES[0])
        name = f"{one.name}-{one.version}{suffix}"  # pip finds it by this name
    digest = _SHA256.search(fragment)
    return IndexFile(name=name, url=address, sha256=digest[1] if digest else None)


def _runs_on(file: IndexFile, python: str) -> bool:
    try:
        return SpecifierSet(file.requires_python).contains(python)
    except InvalidSpecifier:  # of old packages; pip does not heed it either
        return True
