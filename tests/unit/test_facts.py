"""What an engine says of itself, and what follows for a GPU."""

import json
from pathlib import Path
from typing import cast

import pytest
from docker.api import APIClient

from orchestrator.engines.attachments import find_attachments
from orchestrator.engines.facts import read_facts
from orchestrator.errors import EngineError
from orchestrator.hardware import Gpu

DATA = Path(__file__).parents[1] / "data"
GPU = Gpu(name="NVIDIA H100", compute="9.0", uuid="GPU-1234")
INFO: dict[str, object] = {
    "OSType": "linux",
    "Architecture": "x86_64",
    "MemTotal": 2**34,
    "Name": "machine",
    "KernelVersion": "6.1.0",
    "DockerRootDir": "/var/lib/docker",
    "Runtimes": {"runc": {}, "nvidia": {}},
    "DiscoveredDevices": [{"Source": "cdi", "ID": "nvidia.com/gpu=0"}],
}


class Answers:
    """An engine's answers to /info and /version."""

    def __init__(self, info: dict[str, object], version: dict[str, object]) -> None:
        self._info = info
        self._version = version

    def info(self) -> dict[str, object]:
        return self._info

    def version(self) -> dict[str, object]:
        return self._version


def api(info: dict[str, object], version: dict[str, object]) -> APIClient:
    return cast("APIClient", Answers(info, version))


def recorded(engine: str) -> APIClient:
    """Return what a real engine answered once."""
    info, version = (json.loads((DATA / engine / f"{name}.json").read_text()) for name in ("info", "version"))
    return api(info, version)


def test_docker_with_a_cdi_list_hands_over_by_cdi() -> None:
    facts = read_facts(api(INFO, {"Version": "28.5.2", "Components": [{"Name": "Engine"}]}))

    (way,) = find_attachments(GPU, facts)

    assert (facts.platform, facts.is_podman, facts.runtimes) == ("linux/amd64", False, ("runc", "nvidia"))
    assert way.mode == "cdi"


def test_an_old_engine_that_lists_neither_is_read_all_the_same() -> None:
    facts = read_facts(api({**INFO, "DiscoveredDevices": None, "Runtimes": None}, {"Version": "20.10"}))

    assert (facts.cdi_devices, facts.runtimes, facts.is_podman) == ((), (), False)


def test_podman_is_refused_a_gpu_with_the_way_that_works() -> None:
    facts = read_facts(recorded("podman"))

    with pytest.raises(EngineError, match=r"is Podman.*podman run --device nvidia.com/gpu=all"):
        find_attachments(GPU, facts)


def test_podman_without_a_gpu_is_an_engine_like_another() -> None:
    (way,) = find_attachments(None, read_facts(recorded("podman")))

    assert way.mode == "none"
