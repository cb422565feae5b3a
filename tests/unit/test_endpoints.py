"""Where an engine is reached, and on which machine it is."""

import platform
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from orchestrator.engines.endpoints import builder, connect, program_env, require_machine
from orchestrator.engines.facts import EngineFacts
from orchestrator.engines.links import DIRECT
from orchestrator.errors import EngineError
from orchestrator.hardware import Machine

HERE = Machine(id="m", cpu="A CPU", cores=2, cpus=(0, 1), memory_bytes=8 * 2**30, kernel="6.1.0-13-amd64")
ENGINE = EngineFacts(
    platform="linux/amd64",
    memory_bytes=HERE.memory_bytes,
    host=platform.node(),
    kernel=HERE.kernel,
    storage=Path("/var/lib/docker"),
    cdi_devices=(),
    runtimes=(),
    is_podman=False,
)


@dataclass
class Tunnel:
    url: str | None = "unix:///tunnel.sock"
    generation: int = 0

    def mend(self, _since: int, /) -> bool:
        return False


@pytest.mark.parametrize(
    "facts",
    [
        ENGINE,
        replace(ENGINE, host="a1b2c3"),  # in a container of this machine, or we are in one
        replace(ENGINE, memory_bytes=4 * 2**30),  # a container that shows us less than the machine has
    ],
)
def test_an_engine_of_this_machine_is_taken(facts: EngineFacts) -> None:
    require_machine(facts, HERE)


@pytest.mark.parametrize(
    "facts",
    [
        replace(ENGINE, host="gpu-vm", kernel="6.8.0-1021-gcp"),
        replace(ENGINE, host="gpu-vm", memory_bytes=64 * 2**30),
        replace(ENGINE, host="docker-desktop", kernel="6.10.14-linuxkit", memory_bytes=4 * 2**30),
    ],
)
def test_an_engine_elsewhere_is_refused_with_the_way_to_use_it(facts: EngineFacts) -> None:
    with pytest.raises(EngineError, match="--host ssh://user@machine"):
        require_machine(facts, HERE)


def test_dockers_own_ssh_is_refused_before_it_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "ssh://me@gpu-vm")

    with pytest.raises(EngineError, match="Say --host ssh://me@gpu-vm instead"):
        connect(DIRECT)


def test_the_docker_program_is_led_through_the_tunnel_and_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://elsewhere:2376")
    monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
    monkeypatch.setenv("DOCKER_CONTEXT", "elsewhere")

    env = program_env(Tunnel())

    assert env
    assert env["DOCKER_HOST"] == "unix:///tunnel.sock"
    assert "PATH" in env
    assert not {"DOCKER_TLS_VERIFY", "DOCKER_CONTEXT"} & env.keys()
    assert builder(Tunnel()) == "default"


def test_without_a_tunnel_the_docker_program_gets_the_environment_as_it_is() -> None:
    assert program_env(DIRECT) is None
