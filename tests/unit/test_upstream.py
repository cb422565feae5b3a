"""What `orch lock --check` says of files and bases that are as they were, changed, gone, or not to be reached."""

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

import pytest

from orchestrator.errors import BaseGoneError, EngineError, Exit
from orchestrator.images import Image, ImageVariant, Variant
from orchestrator.indexes import Indexes
from orchestrator.locking import Lock, Pin
from orchestrator.upstream import AskRegistry, Finding, check_locks, exit_code

WHEEL = b"content"
FILE = "toy-1.0-py3-none-any.whl"
PIN = Pin(name="toy", version="1.0", file=FILE, sha256=sha256(WHEEL).hexdigest(), bytes=len(WHEEL))
BASE = "python:3.11-slim-bookworm"
OLD, NEW = f"sha256:{'0' * 64}", f"sha256:{'1' * 64}"


def locked(version: str = "1.0", digest: str | None = OLD, pin: Pin = PIN) -> tuple[ImageVariant, Lock]:
    row = Image(family="toy", framework="toy", version=version, released="2026", base=BASE, folder=Path("toy"))
    target = ImageVariant(image=row, variant=Variant(name="cpu"))
    lock = Lock(image=target.name, python="3.11.7", base=BASE, base_digest=digest, date="2026-11-21", pins=(pin,))
    return target, lock


def registry(held: Mapping[str, str]) -> AskRegistry:
    """Answer as the engine does. held: reference -> digest; what is not there is gone, "" does not answer."""

    def ask(reference: str, target: ImageVariant) -> str:
        if reference not in held:
            raise BaseGoneError(f"docker: {target.name} needs {reference}, which is gone. Name another image …")
        if not held[reference]:
            raise EngineError(f"docker: … to be had from its registry: connection refused. Connect to {reference}")
        return held[reference]

    return ask


UNMOVED = registry({BASE: OLD})


def links(folder: Path, *lines: str) -> Indexes:
    """Write a page of links, as an index has one for a package."""
    (folder / "index.html").write_text("".join(f"<a href={line}>file</a>\n" for line in lines), encoding="utf-8")
    return Indexes(no_index=True, find_links=(str(folder),))


def only(found: tuple[Finding, ...]) -> Finding:
    (finding,) = found
    return finding


def test_nothing_is_said_of_what_is_as_it_was_locked(tmp_path: Path) -> None:
    indexes = links(tmp_path, f"{FILE}#sha256={PIN.sha256}")

    found = check_locks([locked()], indexes, UNMOVED)

    assert found == ()
    assert exit_code(found) == Exit.OK


def test_a_file_that_no_index_lists_is_gone_and_named_once_with_its_images(tmp_path: Path) -> None:
    indexes = links(tmp_path, f"toy-2.0-py3-none-any.whl#sha256={PIN.sha256}")

    found = check_locks([locked("1.0"), locked("1.1")], indexes, UNMOVED)

    assert only(found).line == (
        f"toy-1.0+cpu and 1 more: {FILE}: gone: no index of pip's configuration lists it any more"
    )
    assert exit_code(found) == Exit.LAUNCHES_FAILED


@pytest.mark.parametrize("hash_of_other", [True, False], ids=["hash", "size"])
def test_a_file_of_another_content_has_changed(tmp_path: Path, hash_of_other: bool) -> None:
    (tmp_path / FILE).write_bytes(b"other content")
    listed = links(tmp_path, f"{FILE}#sha256={'f' * 64}") if hash_of_other else None

    found = check_locks([locked()], listed or Indexes(no_index=True, find_links=(str(tmp_path),)), UNMOVED)

    assert only(found).state == "changed"
    assert only(found).text == (
        f"the index has {'sha256 ' + 'f' * 64 if hash_of_other else '13 bytes'}, the lock {PIN.sha256}, 7 bytes"
    )


def test_an_index_that_does_not_answer_has_deleted_nothing() -> None:
    indexes = Indexes(no_index=True, find_links=("nowhere://me:secret@links.example.com/",))

    found = check_locks([locked()], indexes, UNMOVED)

    assert only(found).state == "not reached"
    assert only(found).what == "nowhere://links.example.com/"
    assert exit_code(found) == Exit.ENGINE


def test_what_one_index_has_is_there_though_another_does_not_answer(tmp_path: Path) -> None:
    indexes = links(tmp_path, f"{FILE}#sha256={PIN.sha256}")
    both = Indexes(no_index=True, find_links=("nowhere://links.example.com/", *indexes.find_links))

    assert check_locks([locked()], both, UNMOVED) == ()


@pytest.mark.parametrize(
    ("held", "state", "text"),
    [
        ({BASE: NEW, f"{BASE}@{OLD}": OLD}, "moved", f"the tag is {NEW} now, locked is {OLD}. The locked digest can"),
        ({BASE: NEW}, "moved", f"the tag is {NEW} now, locked is {OLD}. Keep your own copy and name it in orch.toml"),
        ({f"{BASE}@{OLD}": OLD}, "gone", "is gone. The locked digest can still be had"),
        ({}, "gone", f'is gone. Keep your own copy and name it in orch.toml under [mirrors]: "{BASE}" = "…"'),
        ({BASE: ""}, "not reached", "connection refused"),
    ],
    ids=["moved", "moved and deleted", "tag deleted", "deleted", "not reached"],
)
def test_what_has_become_of_a_base_is_said(tmp_path: Path, held: Mapping[str, str], state: str, text: str) -> None:
    indexes = links(tmp_path, f"{FILE}#sha256={PIN.sha256}")

    found = only(check_locks([locked()], indexes, registry(held)))

    assert (found.what, found.state) == (f"base {BASE}", state)
    assert found.text.startswith(text)


def test_a_base_that_was_never_pinned_cannot_move_but_be_deleted(tmp_path: Path) -> None:
    indexes = links(tmp_path, f"{FILE}#sha256={PIN.sha256}")

    assert check_locks([locked(digest=None)], indexes, registry({BASE: NEW})) == ()
    assert only(check_locks([locked(digest=None)], indexes, registry({}))).state == "gone"


def test_a_base_that_a_mirror_stands_in_for_is_not_asked_for(tmp_path: Path) -> None:
    indexes = links(tmp_path, f"{FILE}#sha256={PIN.sha256}")

    assert check_locks([locked()], indexes, registry({}), mirrored={BASE}) == ()


def test_without_an_engine_the_bases_are_not_reached(tmp_path: Path) -> None:
    indexes = links(tmp_path, f"{FILE}#sha256={PIN.sha256}")

    assert only(check_locks([locked()], indexes, None)).state == "not reached"
