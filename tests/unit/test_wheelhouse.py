"""The store of wheels: by content, linked, never trusted by name; and the pip of each Python."""

import os
from pathlib import Path

import pytest

from orchestrator.errors import ConfigurationError, LockError
from orchestrator.locking import Lock, Pin, write_lock
from orchestrator.wheelhouse import Wheelhouse, find_installer, find_unused

CONTENT = b"a wheel"
PIN = Pin(
    name="numpy", version="1.16.6", file="numpy-1.16.6-cp36-cp36m-manylinux1_x86_64.whl", sha256="ab" * 32, bytes=7
)
LOCK = Lock(image="numpy-1", python="3.6.15", base="python:3.6", base_digest=None, date="2026-11-20", pins=(PIN,))


def stock(tmp_path: Path, content: bytes = CONTENT) -> Wheelhouse:
    wheelhouse = Wheelhouse(folder=tmp_path / "wheelhouse", env={})
    path = wheelhouse.path(PIN)
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    return wheelhouse


def test_a_wheel_that_is_there_is_not_missing(tmp_path: Path) -> None:
    assert stock(tmp_path).missing(LOCK) == ()


def test_an_empty_wheelhouse_lacks_everything(tmp_path: Path) -> None:
    assert Wheelhouse(folder=tmp_path, env={}).missing(LOCK) == (PIN,)


def test_a_wheel_that_was_cut_off_is_missing(tmp_path: Path) -> None:
    assert stock(tmp_path, CONTENT[:-1]).missing(LOCK) == (PIN,)


def test_a_context_gets_links_not_copies(tmp_path: Path) -> None:
    wheelhouse = stock(tmp_path)

    wheelhouse.link((PIN, PIN), tmp_path / "context" / "wheels")

    assert os.path.samefile(tmp_path / "context" / "wheels" / PIN.file, wheelhouse.path(PIN))


@pytest.mark.parametrize(
    ("python", "pip"),
    [
        ("2.7.18", "20.3.4"),
        ("3.6.15", "21.3.1"),
        ("3.7.16", "24.0"),
        ("3.8.18", "25.0.1"),
        ("3.9.18", "26.0.1"),
        ("3.10.13", "26.3"),
        ("3.13.0", "26.3"),
    ],
)
def test_each_python_gets_the_last_pip_it_runs(python: str, pip: str) -> None:
    images = Path(__file__).parents[2] / "images"

    assert find_installer(images, python).file.startswith(f"pip-{pip}-")


def test_a_python_without_a_pip_is_named(tmp_path: Path) -> None:
    (tmp_path / "installers.txt").write_text("# nothing yet\n", encoding="utf-8")

    with pytest.raises(LockError, match=r"no pip for Python 3\.6\. Add its line"):
        find_installer(tmp_path, "3.6.15")


def test_a_file_is_unused_that_no_lock_and_no_installer_of_any_folder_names(tmp_path: Path) -> None:
    wheelhouse = stock(tmp_path)
    other = wheelhouse.folder / "00" / ("0" * 64) / "old-1.0-py3-none-any.whl"
    other.parent.mkdir(parents=True)
    other.write_bytes(CONTENT)
    mine, shipped = tmp_path / "mine", tmp_path / "shipped"
    write_lock(mine / "numpy" / "locks" / "numpy-1.txt", LOCK)

    assert find_unused(wheelhouse, (mine, shipped)) == (other,)
    assert find_unused(wheelhouse, (shipped,)) == (other, wheelhouse.path(PIN))
    shipped.mkdir()
    (shipped / "installers.txt").write_text(
        f"# file: {other.name} 7\nold==1.0 --hash=sha256:{other.parent.name}\n", encoding="utf-8"
    )
    assert find_unused(wheelhouse, (mine, shipped)) == ()


def test_nothing_is_called_unused_while_a_lock_cannot_be_read(tmp_path: Path) -> None:
    lock = tmp_path / "images" / "numpy" / "locks" / "numpy-1.txt"
    lock.parent.mkdir(parents=True)
    lock.write_text("half a lo", encoding="utf-8")

    with pytest.raises(ConfigurationError, match=r"numpy-1\.txt:1: "):
        find_unused(stock(tmp_path), (tmp_path / "images",))
