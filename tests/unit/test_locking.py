"""Lock files: read as they were written, refused with file and line where damaged, hashed by what they install."""

from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.errors import ConfigurationError, LockError
from orchestrator.images import Image, ImageVariant, Variant
from orchestrator.locking import (
    Lock,
    Pin,
    check_lock,
    inputs_sha256,
    lock_sha256,
    read_lock,
    requirements,
    why_unlocked,
    write_lock,
)

TORCH = Pin(
    name="torch", version="1.0.1", file="torch-1.0.1-cp36-cp36m-manylinux1_x86_64.whl", sha256="a" * 64, bytes=560
)
NUMPY = Pin(
    name="numpy", version="1.16.6", file="numpy-1.16.6-cp36-cp36m-manylinux1_x86_64.whl", sha256="b" * 64, bytes=17
)
THEANO = Pin(name="Theano", version="1.0.5", file="Theano-1.0.5.tar.gz", sha256="e" * 64, bytes=28)
WHEEL = Pin(name="wheel", version="0.37.1", file="wheel-0.37.1-py2.py3-none-any.whl", sha256="f" * 64, bytes=3)
LOCK = Lock(
    image="pytorch-1.0.1+cu90",
    python="3.6.15",
    base="python:3.6-slim-bullseye",
    base_digest="sha256:" + "c" * 64,
    date="2026-11-20",
    pins=(NUMPY, TORCH),
)


def make_target(*requirements: str, python: str = "3.6.15", build: tuple[str, ...] = ()) -> ImageVariant:
    variant = Variant(name="cu90", cuda="9.0")
    image = Image(
        family="pytorch",
        framework="pytorch",
        version="1.0.1",
        released="2019-02-07",
        python=python,
        base="python:3.6-slim-bullseye",
        requirements=requirements or ("torch==1.0.1", "numpy==1.16.6"),
        variants=(variant,),
        folder=Path("images/pytorch"),
        build_requirements=build,
    )
    return ImageVariant(image=image, variant=variant)


def damaged(tmp_path: Path, old: str, new: str) -> Path:
    path = tmp_path / "pytorch-1.0.1+cu90.txt"
    write_lock(path, LOCK)
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "lock",
    [
        LOCK,
        replace(LOCK, base_digest=None),
        replace(LOCK, pins=(replace(TORCH, bytes=None),)),
        replace(LOCK, pins=(replace(TORCH, url="https://download.pytorch.org/whl/cu90/torch-1.0.1.whl"),)),
        replace(LOCK, pins=(replace(TORCH, marker='python_version == "3.6"'),)),
        replace(LOCK, pins=(replace(TORCH, version="2.13.0+cpu", file="torch-2.13.0+cpu-cp311-cp311-x.whl"),)),
        replace(LOCK, pins=(NUMPY, THEANO), build_pins=(WHEEL,)),
        replace(
            LOCK,
            pins=(
                replace(THEANO, url="https://github.com/a/b/archive/c.zip#egg=b-1.0", version="1.0", file="b-1.0.zip"),
            ),
            build_pins=(WHEEL,),
        ),
    ],
    ids=["plain", "no digest", "unknown size", "address", "marker", "local version", "sources", "source at an address"],
)
def test_a_lock_is_read_as_it_was_written(tmp_path: Path, lock: Lock) -> None:
    write_lock(tmp_path / "lock.txt", lock)

    assert read_lock(tmp_path / "lock.txt") == lock


def test_the_size_of_a_lock_is_the_sum_of_its_files_and_unknown_if_one_is_unknown() -> None:
    assert LOCK.bytes == 577
    assert replace(LOCK, pins=(TORCH, WHEEL), build_pins=(WHEEL,)).bytes == 563
    assert replace(LOCK, pins=(TORCH, replace(NUMPY, bytes=None))).bytes is None


def test_a_missing_lock_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(LockError, match=r"no lock\. Make it with: orch lock pytorch-1\.0\.1\+cu90"):
        read_lock(tmp_path / "pytorch-1.0.1+cu90.txt")


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("# python: 3.6.15", "# pyhton: 3.6.15", 2),
        ("a" * 64, "a" * 63, 10),
        ("# file: torch-1.0.1-cp36-cp36m-manylinux1_x86_64.whl 560\n", "", 9),
        ("# file: numpy-1.16.6-cp36-cp36m-manylinux1_x86_64.whl 17", "# file: ../numpy.whl 17", 7),
        ("torch==1.0.1", "torch>=1.0.1", 10),
    ],
    ids=["header", "hash", "no file line", "file outside", "not pinned"],
)
def test_a_damaged_lock_is_refused_with_its_line(tmp_path: Path, old: str, new: str, line: int) -> None:
    path = damaged(tmp_path, old, new)

    with pytest.raises(ConfigurationError, match=rf"pytorch-1\.0\.1\+cu90\.txt:{line}: .*orch lock"):
        read_lock(path)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00binary", b"# image: x\n"], ids=["empty", "binary", "cut off"])
def test_what_is_no_lock_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "lock.txt"
    path.write_bytes(content)

    with pytest.raises(ConfigurationError, match=r"lock\.txt"):
        read_lock(path)


def test_what_is_wrong_among_the_tools_is_said_with_its_own_line(tmp_path: Path) -> None:
    path = tmp_path / "theano-1.0.5+cpu.txt"
    write_lock(path, replace(LOCK, pins=(THEANO,), build_pins=(WHEEL,)))
    path.write_text(path.read_text(encoding="utf-8").replace("wheel==0.37.1", "wheel"), encoding="utf-8")

    with pytest.raises(ConfigurationError, match=r"theano-1\.0\.5\+cpu\.txt:11: "):
        read_lock(path)


def test_a_lock_without_packages_is_refused_where_the_row_installs_some() -> None:
    with pytest.raises(LockError, match=r"the row asks for torch==1\.0\.1, the lock has none"):
        check_lock(replace(LOCK, pins=()), make_target())


def test_what_its_base_holds_already_is_locked_without_packages(tmp_path: Path) -> None:
    target = make_target(build=("setuptools==59.6.0",))
    as_is = replace(
        target, variant=replace(target.variant, without_wheels=True, base="tensorflow/tensorflow:1.8.0-gpu-py3")
    )
    path = tmp_path / "lock.txt"

    write_lock(path, replace(LOCK, base=as_is.base, pins=()))
    lock = read_lock(path)
    check_lock(lock, as_is)

    assert (lock.pins, lock.build_pins, lock.bytes) == ((), (), 0)
    assert (as_is.requirements, as_is.build_requirements) == ((), ())


def test_what_is_installed_offline_names_no_address() -> None:
    lock = replace(LOCK, pins=(replace(TORCH, url="https://download.pytorch.org/whl/cu90/torch-1.0.1.whl"), NUMPY))

    assert requirements(lock.pins) == f"numpy==1.16.6 --hash=sha256:{'b' * 64}\ntorch==1.0.1 --hash=sha256:{'a' * 64}\n"


def test_the_hash_of_a_lock_is_that_of_what_it_installs() -> None:
    later = replace(LOCK, date="2027-01-01", pins=(TORCH, replace(NUMPY, bytes=None)))
    other = replace(LOCK, pins=(TORCH, replace(NUMPY, sha256="d" * 64)))

    assert lock_sha256(later) == lock_sha256(LOCK)
    assert lock_sha256(other) != lock_sha256(LOCK)


def test_what_is_built_with_other_tools_is_another_image() -> None:
    built = replace(LOCK, pins=(THEANO,), build_pins=(WHEEL,))

    others = (replace(built, build_pins=(replace(WHEEL, sha256="0" * 64),)), replace(built, pins=(THEANO, WHEEL)))

    assert lock_sha256(built) not in {lock_sha256(other) for other in others}


def test_inputs_differ_where_dockerfile_base_or_wheels_differ() -> None:
    hashes = {
        inputs_sha256(b"FROM a", "a@sha256:1", LOCK),
        inputs_sha256(b"FROM b", "a@sha256:1", LOCK),
        inputs_sha256(b"FROM a", "a@sha256:2", LOCK),
        inputs_sha256(b"FROM a", "a@sha256:1", replace(LOCK, pins=(TORCH,))),
        inputs_sha256(b"FROM aa", "@sha256:1", LOCK),
    }

    assert len(hashes) == 5


def test_a_lock_of_its_row_passes() -> None:
    check_lock(LOCK, make_target())


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (make_target("torch==1.0.1", "numpy==1.17.0"), r"asks for numpy==1\.17\.0, the lock has 1\.16\.6"),
        (make_target("torch==1.0.1", "scipy==1.2.0"), r"asks for scipy==1\.2\.0, the lock has none"),
        (make_target(build=("wheel==0.37.1",)), r"asks for wheel==0\.37\.1, the lock has none"),
        (make_target(python="3.7.16"), r"locked for python 3\.6\.15, the row says 3\.7\.16"),
    ],
    ids=["version", "package", "tool", "python"],
)
def test_a_lock_older_than_its_row_is_refused(target: ImageVariant, message: str) -> None:
    with pytest.raises(LockError, match=message + r".*orch lock pytorch-1\.0\.1\+cu90"):
        check_lock(LOCK, target)


def test_a_closure_that_a_row_states_is_all_that_its_lock_may_hold() -> None:
    lock = replace(LOCK, pins=(THEANO, NUMPY), build_pins=(WHEEL,))

    check_lock(lock, make_target("Theano==1.0.5", "numpy==1.16.6", build=("wheel==0.37.1",)))
    with pytest.raises(LockError, match=r"the row does not ask for numpy\. .*orch lock"):
        check_lock(lock, make_target("Theano==1.0.5", build=("wheel==0.37.1",)))
    with pytest.raises(LockError, match=r"the row does not ask for wheel\. .*orch lock"):
        check_lock(lock, make_target("Theano==1.0.5", "numpy==1.16.6"))


def test_a_build_for_the_cpu_without_a_lock_names_the_newest_cuda_build_that_has_one(tmp_path: Path) -> None:
    cu118, cu126, cpu = (Variant(name="cu118", cuda="11.8"), Variant(name="cu126", cuda="12.6"), Variant(name="cpu"))
    image = replace(make_target().image, folder=tmp_path, version="2.7.1", variants=(cu118, cu126, cpu))
    targets = {one.name: ImageVariant(image=image, variant=one) for one in image.variants}
    assert why_unlocked(targets["cpu"]) == "not locked: orch lock pytorch-2.7.1+cpu"

    for name in ("cu118", "cu126"):
        write_lock(targets[name].lock_path, LOCK)

    assert why_unlocked(targets["cpu"]) == "not locked (pytorch-2.7.1+cu126 is): orch lock pytorch-2.7.1+cpu"
    assert why_unlocked(targets["cu126"]) is None
    targets["cu118"].lock_path.unlink()
    assert why_unlocked(targets["cu118"]) == "not locked: orch lock pytorch-2.7.1+cu118"
