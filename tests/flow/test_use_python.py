"""`orch run --use-python IMAGE=PATH`: interpreters that have the framework already, as modules and conda give them."""

import os
import sys
import venv
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from tests.toy_project import SOURCES, Toy, make_toy, write_wheel

RUN = ("run", "toy_versions")


@pytest.fixture
def toy(tmp_path: Path) -> Toy:
    """The toy project, on a machine without an engine or an index."""
    toy = make_toy(tmp_path, tmp_path / "cache")
    return replace(toy, env={"DOCKER_HOST": "unix:///nobody-listens-here.sock", "PIP_FIND_LINKS": ""})


def own_python(folder: Path, version: str) -> Path:
    """Make an environment that holds the toy framework, as a user would have one."""
    venv.create(folder, symlinks=True)
    (site,) = folder.glob("lib/python*/site-packages")
    install(site, version)
    return folder / "bin" / "python"


def install(site: Path, version: str) -> None:
    source = SOURCES.get(version, SOURCES["1.0.0"])
    wheel = site / "toy.whl"
    write_wheel(wheel, "toy", version, f"__version__ = {version!r}\n{source}")
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(site)


def test_two_interpreters_of_the_user_are_compared_and_nothing_is_built(toy: Toy) -> None:
    old, new = own_python(toy.folder / "old", "1.0.0"), own_python(toy.folder / "new", "2.0.0")

    ended = toy.orch(*RUN, "--use-python", f"toy-1.0.0={old}", "--use-python", f"toy-2.0.0={new}")

    assert ended.exit_code == 0, ended.stderr
    assert f"your own interpreter, {old}" in " ".join(ended.stderr.split())
    assert "slower" in ended.stdout
    assert not list(toy.cache.glob("venvs/toy*"))
    records = toy.records()
    assert {record["image"]["base"] for record in records} == {f"cpython-{sys.version.split()[0]}"}  # type: ignore[index]
    assert len({record["image"]["digest"] for record in records}) == 2  # type: ignore[index]


def test_a_version_without_a_row_is_described_by_its_interpreter(toy: Toy) -> None:
    python = own_python(toy.folder / "nightly", "4.1.0")

    ended = toy.orch(*RUN, "--use-python", f"toy-4.1.0={python}")

    assert ended.exit_code == 0, ended.stderr
    assert {record["cell"]["id"].partition("/")[0] for record in toy.records()} == {"toy-4.1.0+cpu"}  # type: ignore[index]


def test_what_a_module_puts_on_the_path_of_python_is_found(toy: Toy) -> None:
    python, module = own_python(toy.folder / "bare", "1.0.0"), toy.folder / "module"
    module.mkdir()
    install(module, "2.0.0")
    loaded = replace(toy, env={**toy.env, "PYTHONPATH": f"{module}{os.pathsep}{Path(__file__).parents[2]}"})

    ended = loaded.orch(*RUN, "--use-python", f"toy-2.0.0={python}")

    assert ended.exit_code == 0, ended.stderr


def test_another_package_in_the_environment_makes_it_another_run(toy: Toy) -> None:
    python = own_python(toy.folder / "own", "1.0.0")
    option = ("--use-python", f"toy-1.0.0={python}")
    assert toy.orch(*RUN, *option).exit_code == 0
    (site,) = (toy.folder / "own").glob("lib/python*/site-packages")
    (site / "numpy-9.9.dist-info").mkdir()

    again = toy.orch(*RUN, *option)

    assert again.exit_code == 0
    assert len(toy.runs()) == 2


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("toy-1.0.0", "is no IMAGE=PATH"),
        ("toy-2.0.0={python}", "it holds toy 1.0.0. Say --use-python toy-1.0.0="),
        ("toys-1.0.0={python}", "of no family known here (toy)"),
        ("toy-1.0.0={folder}/nothing", "does not answer as a Python"),
        ("toy-1.0.0=/bin/true", "does not answer as a Python"),
        ("toy-1.0.0=" + sys.executable, "toy does not start"),
    ],
)
def test_what_cannot_be_used_is_said_before_anything_is_measured(toy: Toy, text: str, reason: str) -> None:
    python = own_python(toy.folder / "own", "1.0.0")

    ended = toy.orch(*RUN, "--use-python", text.format(python=python, folder=toy.folder))

    assert ended.exit_code == 2
    assert reason in ended.stderr
    assert "Traceback (most recent call last)" not in ended.stderr.replace("  Traceback (most recent call last)", "")
    assert toy.runs() == []


def test_an_interpreter_named_twice_and_the_docker_engine_are_refused(toy: Toy) -> None:
    python = own_python(toy.folder / "own", "1.0.0")
    option = ("--use-python", f"toy-1.0.0={python}")

    twice, docker = toy.orch(*RUN, *option, *option), toy.orch(*RUN, *option, "--engine", "docker")

    assert (twice.exit_code, docker.exit_code) == (2, 2)
    assert "named twice" in twice.stderr
    assert "runs in no container" in docker.stderr
