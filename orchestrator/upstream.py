"""`orch lock --check`: what upstream has moved or deleted since images were locked. Downloads and changes nothing."""

import urllib.parse
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

from orchestrator.errors import BaseGoneError, EngineError, Exit
from orchestrator.images import ImageVariant
from orchestrator.index_files import NOT_ANSWERED, IndexFile, is_there, look_around
from orchestrator.indexes import Indexes
from orchestrator.locking import Lock, Pin

AT_ONCE = 8  # look-ups: they wait for the network
State = Literal["changed", "gone", "moved", "not reached"]
AskRegistry = Callable[[str, ImageVariant], str]  # reference -> digest, as DockerEngine.registry_digest
Answer = tuple[str, State, str]  # what, and what has become of it
Looked = tuple[tuple[IndexFile, ...], Mapping[str, str]]
MIRROR = 'Keep your own copy and name it in orch.toml under [mirrors]: "{base}" = "…"'

_ELSEWHERE = "Name a mirror in pip's configuration, or connect to it"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One difference between what is locked and what upstream has."""

    what: str  # a file, a base image, or a place that does not answer
    state: State
    text: str
    images: tuple[str, ...]  # whose locks name it

    @property
    def line(self) -> str:
        more = f" and {len(self.images) - 1} more" if len(self.images) > 1 else ""
        return f"{self.images[0]}{more}: {self.what}: {self.state}: {self.text}"


def check_locks(
    locks: Sequence[tuple[ImageVariant, Lock]],
    indexes: Indexes,
    ask_registry: AskRegistry | None,
    mirrored: Collection[str] = (),
) -> tuple[Finding, ...]:
    """Compare locks with the indexes of pip's configuration and the registries of their bases; returns what differs.

    ask_registry: None where no engine answers. mirrored: bases that are not asked for, as others stand in for them.
    """
    own_bases = [(target, lock) for target, lock in locks if lock.base not in mirrored]
    return (*_check_files(locks, indexes), *_check_bases(own_bases, ask_registry))


def exit_code(findings: Sequence[Finding]) -> Exit:
    """Return 1 if something differs, 3 if all that answered is as it was and something did not answer."""
    if any(one.state != "not reached" for one in findings):
        return Exit.LAUNCHES_FAILED
    return Exit.ENGINE if findings else Exit.OK


def _check_files(locks: Sequence[tuple[ImageVariant, Lock]], indexes: Indexes) -> Iterator[Finding]:
    owners: dict[tuple[Pin, str | None], list[str]] = {}
    for target, lock in locks:
        for pin in lock.files:
            owners.setdefault((pin, target.variant.index), []).append(target.name)
    places = dict.fromkeys((pin.name, index) for pin, index in owners if pin.url is None)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        looked = dict(
            zip(places, pool.map(lambda place: look_around(place[0], indexes, place[1]), places), strict=True)
        )
        answers = list(
            pool.map(
                lambda one: (
                    _at_address(one[0], indexes) if one[0].url else _in_lists(one[0], looked[one[0].name, one[1]])
                ),
                owners,
            )
        )
    grouped: dict[Answer, list[str]] = {}
    for answer, images in zip(answers, owners.values(), strict=True):
        if answer is not None:
            grouped.setdefault(answer, []).extend(images)
    for (what, state, text), images in grouped.items():
        yield Finding(what=what, state=state, text=text, images=tuple(dict.fromkeys(images)))


def _in_lists(pin: Pin, looked: Looked) -> Answer | None:
    """Say what has become of a file of the indexes; None if it is as it was locked."""
    files, silent = looked
    listed = [file for file in files if file.name == pin.file]
    if any(_is_same(file, pin) for file in listed):
        return None
    if listed:
        has = f"sha256 {listed[0].sha256}" if listed[0].sha256 else f"{listed[0].bytes} bytes"
        return pin.file, "changed", f"the index has {has}, the lock {pin.sha256}, {pin.bytes} bytes"
    if silent:
        return " and ".join(silent), "not reached", f"{'; '.join(dict.fromkeys(silent.values()))}. {_ELSEWHERE}"
    return pin.file, "gone", "no index of pip's configuration lists it any more"


def _is_same(file: IndexFile, pin: Pin) -> bool:
    if file.sha256 is not None:
        return file.sha256 == pin.sha256
    return None in (file.bytes, pin.bytes) or file.bytes == pin.bytes


def _at_address(pin: Pin, indexes: Indexes) -> Answer | None:
    address = (pin.url or "").partition("#")[0]
    try:
        is_same = is_there(IndexFile(name=pin.file, url=address, bytes=pin.bytes), indexes)
    except NOT_ANSWERED as error:
        return _host(address), "not reached", f"{getattr(error, 'reason', error)}. {_ELSEWHERE}"
    return None if is_same else (pin.file, "gone", f"no such file, or one of another size, at {address}")


def _host(address: str) -> str:
    return urllib.parse.urlsplit(address).hostname or address


def _check_bases(locks: Sequence[tuple[ImageVariant, Lock]], ask: AskRegistry | None) -> Iterator[Finding]:
    owners: dict[tuple[str, str | None], list[ImageVariant]] = {}
    for target, lock in locks:
        owners.setdefault((lock.base, lock.base_digest), []).append(target)
    if ask is None and locks:
        text = "no Docker engine answers that could ask registries"
        images = tuple(target.name for target, _ in locks)
        yield Finding(what=f"{len(owners)} base images", state="not reached", text=text, images=images)
    if ask is None:
        return
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(lambda one: _of_base(one[0], one[1], owners[one][0], ask), owners))
    for answer, targets in zip(answers, owners.values(), strict=True):
        if answer is not None:
            what, state, text = answer
            yield Finding(what=what, state=state, text=text, images=tuple(one.name for one in targets))


def _of_base(base: str, digest: str | None, target: ImageVariant, ask: AskRegistry) -> Answer | None:
    """Say what has become of a tag, and whether what was locked of it can still be had."""
    what = f"base {base}"
    state: State = "moved"
    try:
        now = ask(base, target)
        if digest in (None, now):
            return None
        text = f"the tag is {now} now, locked is {digest}"
    except BaseGoneError as error:
        state, text = "gone", str(error).partition("which ")[2].partition(". Name")[0]
    except EngineError as error:
        return what, "not reached", str(error).partition("registry: ")[2].partition(". Connect")[0] or str(error)
    is_kept = digest is not None and _can_be_had(f"{base}@{digest}", target, ask)
    return what, state, f"{text}. {'The locked digest can still be had' if is_kept else MIRROR.format(base=base)}"


def _can_be_had(reference: str, target: ImageVariant, ask: AskRegistry) -> bool:
    try:
        return bool(ask(reference, target))
    except EngineError:
        return False
