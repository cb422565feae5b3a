"""Which tests may use a Docker engine or a GPU, and what happens where there is none."""

import os
from collections.abc import Iterator
from contextlib import closing
from functools import cache

import docker
import pytest
import requests
from docker import DockerClient
from docker.errors import DockerException

STAND_IN = "orch-test/python:3.11"
PUBLIC = "python:3.11-slim-bookworm"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--run-docker", action="store_true", help="fail the container tests if no engine answers")
    parser.addoption("--require-engine", action="store_true", help="the same; so does CI=true in the environment")
    parser.addoption("--run-large", action="store_true", help="run those that build images of GBs, too")
    parser.addoption("--run-gpu", action="store_true", help="run the tests that need an NVIDIA GPU")


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("gpu") and not item.config.getoption("--run-gpu"):
        pytest.skip("needs an NVIDIA GPU and --run-gpu")
    if item.get_closest_marker("large") and not item.config.getoption("--run-large"):
        pytest.skip("builds an image of GBs, or compiles for minutes: --run-large")
    if item.get_closest_marker("docker") and (reason := why_no_engine()):
        missing(item.config, f"no Docker engine answers: {reason}")


@pytest.fixture(autouse=True)
def no_engine_unless_marked(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A test without the docker marker finds no engine, so that it fails where it would start a container."""
    if not request.node.get_closest_marker("docker"):
        monkeypatch.setenv("DOCKER_HOST", "unix:///this-test-has-no-docker-marker.sock")


@pytest.fixture(scope="session")
def client() -> Iterator[DockerClient]:
    """A look at the engine past `orch`."""
    with closing(docker.from_env()) as connected:
        yield connected


@pytest.fixture(scope="session")
def python_base(client: DockerClient, pytestconfig: pytest.Config) -> str:
    """An image with Python 3.11 on the engine: the stand-in of `.ci/bases`, else the public one."""
    if client.images.list(STAND_IN):
        return STAND_IN
    try:
        client.images.pull(PUBLIC)
    except (DockerException, requests.RequestException) as error:
        missing(pytestconfig, f"neither {STAND_IN} (.ci/bases 3.11) nor {PUBLIC}: {error}")
    return PUBLIC


def missing(config: pytest.Config, what: str) -> None:
    """Skip, or fail where the container tests have to run."""
    required = config.getoption("--run-docker") or config.getoption("--require-engine")
    if required or os.environ.get("CI") == "true":
        pytest.fail(what, pytrace=False)
    pytest.skip(what)


@cache
def why_no_engine() -> str:
    """Return why no engine answers; empty if one does."""
    try:
        with closing(docker.from_env(timeout=20)) as connected:
            connected.ping()
    except (DockerException, requests.RequestException) as error:
        return str(error)
    return ""
