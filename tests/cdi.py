"""GPUs in the CDI list of a real engine that are /dev/null in truth."""

import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from docker import DockerClient

FOLDER = Path("/etc/cdi")
FILE = FOLDER / "orch-test.json"
KIND = "nvidia.com/gpu"
SECONDS = 10.0  # in which the engine sees a new list


def listed(client: DockerClient) -> list[str]:
    """Return the names of the GPUs that the engine lists."""
    devices = client.info().get("DiscoveredDevices") or []
    return [device["ID"] for device in devices if device["ID"].startswith(f"{KIND}=")]


@contextmanager
def listing(client: DockerClient, names: Sequence[str]) -> Iterator[None]:
    """Let the engine list these; each gives a container a device and the variable GIVEN with its name."""
    if not os.access(FOLDER if FOLDER.exists() else FOLDER.parent, os.W_OK):
        pytest.skip(f"{FOLDER} cannot be written")
    if listed(client) or "nvidia" in client.info()["Runtimes"]:
        pytest.skip("the engine has GPUs of its own, which must not be mixed up with these")
    FOLDER.mkdir(exist_ok=True)
    devices = [
        {
            "name": name,
            "containerEdits": {
                "env": [f"GIVEN={name}"],
                "deviceNodes": [{"path": f"/dev/nvidia{name.replace(':', '.')}", "hostPath": "/dev/null"}],
            },
        }
        for name in names
    ]
    FILE.write_text(json.dumps({"cdiVersion": "0.6.0", "kind": KIND, "devices": devices}))
    try:
        _wait_until(client, is_listed=True)
        yield
    finally:
        FILE.unlink()
        _wait_until(client, is_listed=False)


def _wait_until(client: DockerClient, *, is_listed: bool) -> None:
    until = time.monotonic() + SECONDS
    while bool(listed(client)) is not is_listed and time.monotonic() < until:
        time.sleep(0.1)
