"""The toy project on the venv engine, built once for all tests of the command line."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.toy_project import Toy, make_toy


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Toy:
    """A project whose two working images are locked and built; toy copies it."""
    folder = tmp_path_factory.mktemp("toy")
    toy = make_toy(folder, folder / "cache", None)
    toy = replace(toy, env={"DOCKER_HOST": "unix:///nobody-listens-here.sock"})
    assert toy.orch("build", "toy_versions", "--resolve").exit_code == 0
    return toy


@pytest.fixture
def toy(built: Toy, tmp_path: Path) -> Toy:
    """A copy of the project that a test may break; environments and wheels are shared."""
    shutil.copytree(built.project, tmp_path / "project")
    return replace(built, folder=tmp_path)
