"""What a row states by hand is looked up to the file: the wheel for its Python, else the source archive."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from orchestrator.closures import look_up
from orchestrator.errors import LockError
from orchestrator.images import Image, ImageVariant, Variant
from orchestrator.indexes import Indexes
from orchestrator.locking import Pin

SHA256 = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"  # of "hello"


def make_target(python: str = "2.7.18") -> ImageVariant:
    image = Image(
        family="toy",
        framework="toy",
        version="1.0",
        released="2018",
        python=python,
        base="b",
        folder=Path("images/toy"),
    )
    return ImageVariant(image=image, variant=Variant(name="cpu"))


def look(folder: Path, files: Sequence[str], *requirements: str, python: str = "2.7.18") -> tuple[Pin, ...]:
    folder.mkdir(exist_ok=True)
    for name in files:
        (folder / name).write_bytes(b"hello")
    return look_up(make_target(python), requirements, Indexes(no_index=True, find_links=(str(folder),)))


@pytest.mark.parametrize(
    ("python", "expected"),
    [
        ("2.7.18", "toy-1.0-cp27-cp27mu-manylinux1_x86_64.whl"),
        ("3.6.15", "toy-1.0-cp36-cp36m-manylinux2010_x86_64.whl"),
        ("3.8.18", "toy-1.0.tar.gz"),
    ],
)
def test_the_best_wheel_of_the_python_is_taken_and_where_there_is_none_the_source(
    tmp_path: Path, python: str, expected: str
) -> None:
    files = [
        "toy-1.0-cp27-cp27m-manylinux1_x86_64.whl",
        "toy-1.0-cp27-cp27mu-manylinux1_x86_64.whl",
        "toy-1.0-cp27-cp27mu-macosx_10_9_x86_64.whl",
        "toy-1.0-cp36-cp36m-manylinux1_x86_64.whl",
        "toy-1.0-cp36-cp36m-manylinux2010_x86_64.whl",
        "toy-1.0.tar.gz",
        "toy-1.1-py2.py3-none-any.whl",
        "toy_other-1.0-py2.py3-none-any.whl",
        "requirements.txt",
    ]

    (pin,) = look(tmp_path / "files", files, "toy==1.0", python=python)

    assert pin == Pin(name="toy", version="1.0", file=expected, sha256=SHA256, bytes=5)


def test_what_needs_a_newer_python_is_not_taken(tmp_path: Path) -> None:
    page = tmp_path / "toy" / "index.html"
    page.parent.mkdir()
    page.write_text(
        f'<a href="toy-1.0-py2.py3-none-any.whl#sha256={SHA256}" data-requires-python="&gt;=3.6">a</a>'
        f'<a href="toy-1.0.zip#sha256={SHA256}" data-requires-python="&gt;=2.7, !=3.0.*">b</a>',
        encoding="utf-8",
    )

    (pin,) = look_up(make_target(), ("toy==1.0",), Indexes(index=tmp_path.as_uri()))

    assert (pin.file, pin.bytes) == ("toy-1.0.zip", None)


def test_a_local_version_is_not_taken_for_the_version_itself(tmp_path: Path) -> None:
    files = ["toy-1.0+cpu-py2.py3-none-any.whl", "toy-1.0-py2.py3-none-any.whl"]

    pins = look(tmp_path / "files", files, "toy==1.0"), look(tmp_path / "files", files, "toy==1.0+cpu")

    assert [pin.file for (pin,) in pins] == files[::-1]


@pytest.mark.parametrize(
    ("address", "file", "version"),
    [
        ("toy-1.0-py3-none-any.whl", "toy-1.0-py3-none-any.whl", "1.0"),
        ("toy-1.0%2Bcpu-py3-none-any.whl", "toy-1.0+cpu-py3-none-any.whl", "1.0+cpu"),
        ("toy-1.0.tar.gz", "toy-1.0.tar.gz", "1.0"),
        ("0123abcd.zip#egg=toy-0.2.dev1", "toy-0.2.dev1.zip", "0.2.dev1"),
        ("master.tar.gz#egg=toy-0.2.dev1", "toy-0.2.dev1.tar.gz", "0.2.dev1"),
    ],
)
def test_a_requirement_may_be_an_address(tmp_path: Path, address: str, file: str, version: str) -> None:
    place = tmp_path / address.partition("#")[0].replace("%2B", "+")
    place.write_bytes(b"hello")
    url = f"{tmp_path.as_uri()}/{address}"

    (pin,) = look(tmp_path / "files", [], f"toy @ {url}")

    assert pin == Pin(name="toy", version=version, file=file, sha256=SHA256, bytes=5, url=url)


@pytest.mark.parametrize(
    ("requirement", "message"),
    [
        ("toy>=1.0", "'toy>=1.0' names no exact version"),
        ("toy==1.*", "names no exact version"),
        ("toy==1.0,!=1.1", "names no exact version"),
        ("toy", "names no exact version"),
        ("toy==1.0; python_version < '3'", "names no exact version"),
        ("toy @ https://example.org/master.zip", "names no exact version.*#egg=name-version"),
        ("two words", "'two words' is no requirement"),
        (
            "toy==2.0",
            r"no wheel and no source archive of toy==2\.0 for Python 2\.7\.18 \(the indexes have no file of it",
        ),
        ("old==1.0", r"for Python 2\.7\.18 \(the indexes have old-1\.0-cp36-cp36m-win_amd64\.whl\)\. .*find-links"),
    ],
)
def test_what_cannot_be_looked_up_is_said(tmp_path: Path, requirement: str, message: str) -> None:
    files = ["toy-1.0-py2-none-any.whl", "old-1.0-cp36-cp36m-win_amd64.whl"]

    with pytest.raises(LockError, match=rf"toy-1\.0\+cpu: .*{message}"):
        look(tmp_path / "files", files, requirement)
