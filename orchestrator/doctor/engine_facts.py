"""Read where the Docker engine is, whether it answers, and what it says of itself."""

import os
import platform
import re
from collections.abc import Mapping

from docker.api import APIClient
from docker.context import ContextAPI

from orchestrator.doctor.facts import Docker, LocalImage, Reach
from orchestrator.engines.buildx import find_buildx
from orchestrator.engines.docker import DockerEngine
from orchestrator.engines.facts import read_facts
from orchestrator.errors import EngineError

USUAL_PLACE = "unix:///var/run/docker.sock"
LIMITS = {"MemoryLimit": "memory", "CPUSet": "CPUs", "PidsLimit": "processes"}  # keys of /info


def read_docker(engine: DockerEngine, env: Mapping[str, str]) -> tuple[Reach, Docker | None]:
    """Ask the engine; None where it does not answer, and the reason in the first."""
    endpoint, chosen_by = _endpoint(env)
    try:
        return Reach(endpoint=endpoint, chosen_by=chosen_by), engine.ask(describe)
    except EngineError as error:
        return Reach(endpoint=endpoint, chosen_by=chosen_by, reason=_shorten(str(error))), None


def read_buildx() -> tuple[str, str]:
    """Return why images cannot be built, empty if they can, and the command that builds them."""
    try:
        return "", " ".join(find_buildx(os.get_exec_path()))
    except EngineError as error:
        return str(error), ""


def _endpoint(env: Mapping[str, str]) -> tuple[str, str]:
    if env.get("DOCKER_HOST"):
        return env["DOCKER_HOST"], "DOCKER_HOST"
    context = ContextAPI.get_current_context()
    return str(context.Host or USUAL_PLACE), "" if context.name == "default" else str(context.name)


def _shorten(message: str) -> str:
    """Keep what happened of an engine error; what to do is said by the checks."""
    refused = re.search(r"\[Errno \d+\] ([^\"')]+)", message)
    return f"no engine answers ({refused[1]})" if refused else message.removeprefix("docker: ").partition(". Start")[0]


def describe(api: APIClient) -> Docker:
    """Ask an engine what it is and has. Raises docker's and requests' errors if it does not answer."""
    engine, info, version = read_facts(api), api.info(), api.version()
    made_by = version.get("Platform")
    return Docker(
        version=version["Version"],
        engine=engine,
        product=str(made_by.get("Name", "")) if isinstance(made_by, dict) else "",
        runs_on=info.get("OperatingSystem", ""),
        is_here=engine.host == platform.node(),
        security=tuple(info.get("SecurityOptions") or ()),
        cgroup_driver=info.get("CgroupDriver", ""),
        missing_limits=tuple(text for key, text in LIMITS.items() if not info.get(key, True)),
        images=tuple(_image(entry) for entry in api.images()),
    )


def _image(entry: Mapping[str, object]) -> LocalImage:
    tags, labels, created = entry.get("RepoTags"), entry.get("Labels"), entry.get("Created")
    return LocalImage(
        id=str(entry["Id"]),
        tags=tuple(tags) if isinstance(tags, list) else (),
        labels=tuple(labels.items()) if isinstance(labels, dict) else (),
        created=created if isinstance(created, int) else 0,
    )
