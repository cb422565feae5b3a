"""A project with the repository's own images and suites, for the tests that build real frameworks and launch them."""

import os
import re
import shutil
from pathlib import Path

import pytest
from docker import DockerClient

from tests.toy_project import ROOT, Toy, users_own

STAND_IN = "orch-test/python:{}"  # of .ci/bases


@pytest.fixture(scope="module")
def config(client: DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The user's own settings, else mirrors for those bases that have a stand-in on the engine."""
    if os.environ.get("ORCH_CONFIG"):
        return Path(os.environ["ORCH_CONFIG"]).absolute()
    rows = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "images").glob("*/versions.yaml"))
    bases = {base: STAND_IN.format(minor) for base, minor in re.findall(r"(python:(\d\.\d+)-slim-\w+)", rows)}
    lines = [f'"{base}" = "{own}"' for base, own in bases.items() if client.images.list(own)]
    path = tmp_path_factory.mktemp("config") / "orch.toml"
    path.write_text("\n".join(["[mirrors]", *lines, ""]), encoding="utf-8")
    return path


@pytest.fixture
def project(config: Path, tmp_path: Path) -> Toy:
    """The repository's images, a copy of its suites, and a cache of its own but for the downloads."""
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "images").symlink_to(ROOT / "images")
    shutil.copytree(ROOT / "suites", tmp_path / "project" / "suites")
    own = users_own()
    ours = Path(own["XDG_CACHE_HOME"]) / "orch" / "wheelhouse"
    ours.mkdir(parents=True, exist_ok=True)
    (tmp_path / "cache" / "orch").mkdir(parents=True)
    (tmp_path / "cache" / "orch" / "wheelhouse").symlink_to(ours)
    env = {**own, "ORCH_CONFIG": str(config), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    return Toy(folder=tmp_path, cache=tmp_path / "cache", wheels=tmp_path, env=env)
