"""Interpreters are found by running them: what only has the name of one is passed over."""

import sys
from pathlib import Path

import pytest

from orchestrator.interpreters import find_interpreter, list_interpreters

OWN = ".".join(str(part) for part in sys.version_info[:3])
MINOR = ".".join(OWN.split(".")[:2])


def make_program(path: Path, *lines: str) -> Path:
    """Write a script that prints lines, as an interpreter answers what it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n" + "".join(f"echo '{line}'\n" for line in lines[:-1]) + f"printf '{lines[-1]}'\n")
    path.chmod(0o755)
    return path


def make_python(path: Path, version: str, *, kind: str = "CPython", bits: str = "64") -> Path:
    return make_program(path, kind, version, bits, str(path))


def test_the_interpreter_on_the_path_is_found_and_named_by_what_it_says(tmp_path: Path) -> None:
    (tmp_path / f"python{MINOR}").symlink_to(Path(sys.base_prefix) / "bin" / f"python{MINOR}")

    found = find_interpreter(OWN, {"PATH": str(tmp_path), "HOME": ""})

    assert found is not None
    assert found.version == OWN


def test_the_same_patch_is_taken_before_a_newer_one(tmp_path: Path) -> None:
    for version in ("3.5.2", "3.5.10", "3.5.9"):
        make_python(tmp_path / ".pyenv" / "versions" / version / "bin" / "python3.5", version)
    env = {"PATH": "", "HOME": str(tmp_path)}

    exact, newest = find_interpreter("3.5.9", env), find_interpreter("3.5.1", env)

    assert [one.version for one in (exact, newest) if one] == ["3.5.9", "3.5.10"]


@pytest.mark.parametrize(
    "answer",
    [
        ("PyPy", "3.5.3", "64", "/x"),
        ("CPython", "3.5.3", "32", "/x"),
        ("CPython", "3.50.3", "64", "/x"),
        ("pyenv: python3.5: command not found",),
    ],
    ids=["another implementation", "32 bits", "another version", "a shim"],
)
def test_what_is_no_such_python_is_passed_over(tmp_path: Path, answer: tuple[str, ...]) -> None:
    make_program(tmp_path / "python3.5", *answer)

    assert find_interpreter("3.5.3", {"PATH": str(tmp_path), "HOME": ""}) is None


def test_one_interpreter_of_each_minor_version_is_listed(tmp_path: Path) -> None:
    (tmp_path / f"python{MINOR}").symlink_to(Path(sys.base_prefix) / "bin" / f"python{MINOR}")

    listed = list_interpreters({"PATH": str(tmp_path), "HOME": ""})

    assert listed[MINOR].version.startswith(f"{MINOR}.")
    assert all(one.version.startswith(f"{minor}.") for minor, one in listed.items())
