"""Judge the Docker engine: whether it answers, builds, limits, and can hand over a GPU."""

from orchestrator.doctor.checks import Advice, Check, not_reached
from orchestrator.doctor.facts import Docker, Reach, System
from orchestrator.doctor.packages import (
    as_root,
    configure_toolkit,
    install_buildx,
    install_engine,
    install_toolkit,
    renew_cdi,
    start_engine,
)
from orchestrator.engines.attachments import gpu_attachments
from orchestrator.errors import EngineError
from orchestrator.hardware import Gpu

ENGINE, BUILDX, LIMITS, TOOLKIT = "engine docker", "buildx", "engine limits", "container toolkit"
MODES = {"cdi": "CDI", "device_request": "the NVIDIA hook", "runtime": "the NVIDIA runtime"}
CDI_BY_DEFAULT = (28, 3)  # Source: docker/cli docs/reference/dockerd.md


def check_engine(reach: Reach, docker: Docker | None, system: System) -> Check:
    """Look whether a Docker engine answers, and of which kind it is."""
    if docker is None:
        return Check(name=ENGINE, state="missing", found=reach.reason, advice=_reach_engine(reach, system))
    kind = "Podman" if docker.engine.is_podman else docker.product or "Docker"
    ways = [("snap", docker.is_snap), ("rootless", docker.is_rootless), ("on another machine", not docker.is_here)]
    more = [text for text, is_so in ways if is_so]
    found = ", ".join([f"{kind} {docker.version}, {docker.runs_on}", *more])
    if docker.engine.is_podman:
        install = install_engine(system)
        text = f"Podman's Docker service may do for the CPU, but not for a GPU. {install.text}"
        advice = Advice(text=text, commands=install.commands)
        return Check(name=ENGINE, state="warning", found=found, advice=advice)
    return Check(name=ENGINE, state="ok", found=found)


def check_buildx(docker: Docker | None, reason: str, command: str, system: System) -> Check:
    """Look whether images can be built. reason: why not. command: what builds them."""
    if docker is None:
        return not_reached(BUILDX, ENGINE)
    if reason:
        return Check(name=BUILDX, state="missing", found="not installed", advice=install_buildx(system, docker))
    return Check(name=BUILDX, state="ok", found=command)


def check_limits(docker: Docker | None) -> Check:
    """Look whether the engine can keep a launch to its share of the machine."""
    if docker is None:
        return not_reached(LIMITS, ENGINE)
    if not docker.missing_limits:
        return Check(name=LIMITS, state="ok", found="memory, CPUs and processes of a launch can be limited")
    text = "Launches are not kept to their share, so that one can disturb another. A rootless engine needs control "
    text += "groups of version 2 and their delegation: docs.docker.com/engine/security/rootless."
    found = f"the engine cannot limit {', '.join(docker.missing_limits)}"
    return Check(name=LIMITS, state="warning", found=found, advice=Advice(text=text))


def check_toolkit(gpu: Gpu, docker: Docker | None, system: System) -> Check:
    """Look by which way the engine would hand over a GPU. The step after it tries."""
    if docker is None:
        return not_reached(TOOLKIT, ENGINE)
    if docker.engine.is_podman:
        found = "Podman's Docker service ignores requests for a GPU"
        return Check(name=TOOLKIT, state="missing", found=found, advice=install_engine(system))
    try:
        ways = gpu_attachments(gpu, docker.engine.cdi_devices, docker.engine.runtimes)
    except EngineError as error:
        found = str(error).removeprefix("docker: ").partition(". ")[0]
        return Check(name=TOOLKIT, state="missing", found=found, advice=renew_cdi(system))
    modes = [way.mode for way in ways]
    if modes == ["device_request"] and (advice := _without_toolkit(docker, system)) is not None:
        found = "the engine knows no way to hand over a GPU: no CDI list, no NVIDIA runtime, no hook"
        return Check(name=TOOLKIT, state="missing", found=found, advice=advice)
    found = f"GPU {gpu.address} by {' or '.join(MODES[mode] for mode in reversed(modes))}"
    if "cdi" not in modes and docker.cgroup_driver == "systemd":
        return Check(name=TOOLKIT, state="warning", found=found, advice=_prefer_cdi(docker, system))
    return Check(name=TOOLKIT, state="ok", found=found)


def _reach_engine(reach: Reach, system: System) -> Advice:
    """Say how to come to an engine that does not answer: the nearest cause first."""
    if reach.chosen_by:
        is_variable = reach.chosen_by == "DOCKER_HOST"
        what = "DOCKER_HOST" if is_variable else f"Context '{reach.chosen_by}'"
        text = f"{what} is {reach.endpoint}: start the engine there, or ask the one of this machine:"
        return Advice(text=text, commands=("unset DOCKER_HOST" if is_variable else "docker context use default",))
    if "ermission denied" in reach.reason:
        text = "The engine is there, but its socket is not yours. Join its group:"
        return Advice(text=text, commands=as_root(system, "sudo usermod -aG docker $USER && newgrp docker"))
    if "dockerd" in system.programs:
        return Advice(text="Docker is installed, but not running. Start it:", commands=start_engine(system))
    install = install_engine(system)
    if system.is_container:
        text = "orch runs in a container: start it with -v /var/run/docker.sock:/var/run/docker.sock, or work without "
        return Advice(text=f"{text}an engine, in virtual environments.")
    if system.is_wsl:
        text = "Switch on the WSL integration of Docker Desktop for this distribution, or install an engine in it."
        return Advice(text=f"{text} {install.text}", commands=install.commands)
    return install


def _without_toolkit(docker: Docker, system: System) -> Advice | None:
    """Say what is missing where only a device request is left; None if its hook may be there."""
    if not docker.is_here:
        return None  # the PATH of another machine is not ours to see
    if docker.is_snap:
        install = install_engine(system)
        text = "The engine of the snap has a PATH of its own and does not see this machine's toolkit. Replace it. "
        return Advice(
            text=text + install.text, commands=(*as_root(system, "sudo snap remove docker"), *install.commands)
        )
    if "nvidia-container-runtime-hook" in system.programs:
        return configure_toolkit(system, docker) if docker.is_rootless else None
    if "nvidia-ctk" in system.programs:
        return renew_cdi(system) if _lists_cdi(docker) else configure_toolkit(system, docker)
    return install_toolkit(system, docker)


def _prefer_cdi(docker: Docker, system: System) -> Advice:
    """Source: NVIDIA/nvidia-container-toolkit issue 48."""
    text = "With this way and the systemd cgroup driver, `systemctl daemon-reload` takes the GPU away from what runs. "
    if _lists_cdi(docker):
        return Advice(text=f"{text}CDI does not:", commands=renew_cdi(system).commands)
    return Advice(text=f"{text}A newer engine (28.3) takes CDI by itself.")


def _lists_cdi(docker: Docker) -> bool:
    numbers = docker.version.split("+")[0].split(".")[:2]
    return all(part.isdigit() for part in numbers) and tuple(int(part) for part in numbers) >= CDI_BY_DEFAULT
