"""What a Docker engine says of itself and its machine."""

from dataclasses import dataclass
from pathlib import Path

from docker.api import APIClient

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}  # as the kernel says it -> as images do
PODMAN = "Podman Engine"  # the name of its part in /version


@dataclass(frozen=True, kw_only=True)
class EngineFacts:
    """What an engine says of itself in /info and /version."""

    platform: str
    memory_bytes: int  # of its machine
    host: str
    kernel: str
    storage: Path  # on that host
    cdi_devices: tuple[str, ...]
    runtimes: tuple[str, ...]
    is_podman: bool


def read_facts(api: APIClient) -> EngineFacts:
    """Ask an engine what it is. Raises docker's and requests' errors if it does not answer."""
    info, version = api.info(), api.version()
    return EngineFacts(
        platform=f"{info['OSType']}/{ARCHITECTURES.get(info['Architecture'], info['Architecture'])}",
        memory_bytes=info["MemTotal"],
        host=info["Name"],
        kernel=info["KernelVersion"],
        storage=Path(info["DockerRootDir"]),
        cdi_devices=tuple(device["ID"] for device in info.get("DiscoveredDevices") or ()),
        runtimes=tuple(info.get("Runtimes") or ()),
        is_podman=any(part.get("Name") == PODMAN for part in version.get("Components") or ()),
    )
