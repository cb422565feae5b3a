"""Where a Docker engine is reached, by its API and by the docker program, and on which machine it is."""

import os
import platform
from collections.abc import Mapping

import docker
from docker.api import APIClient
from docker.context import ContextAPI

from orchestrator.engines.facts import EngineFacts
from orchestrator.engines.links import Link
from orchestrator.errors import EngineError
from orchestrator.hardware import Machine

# What else would lead the docker program to an engine, or make it expect TLS there.
ELSEWHERE = ("DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH")


def connect(link: Link) -> APIClient:
    """Make a client of the engine's API.

    Raises docker's errors if none answers, EngineError where docker is to go through ssh by itself.
    """
    if link.url is None:
        _refuse_ssh(os.environ.get("DOCKER_HOST") or str(ContextAPI.get_current_context().Host))
        api = docker.from_env().api
    else:
        api = APIClient(base_url=link.url)
    if api.base_url.startswith("http+docker:"):
        api.trust_env = False  # a socket has no proxy; to look for one costs 2 ms of every launch
    return api


def program_env(link: Link) -> Mapping[str, str] | None:
    """Return the environment in which the docker program finds the same engine; None: ours."""
    if link.url is None:
        return None
    return {**{name: value for name, value in os.environ.items() if name not in ELSEWHERE}, "DOCKER_HOST": link.url}


def builder(link: Link) -> str:
    """Return the builder that is the engine itself, named as its context; others do not see its images."""
    is_named = link.url is not None or "DOCKER_HOST" in os.environ
    return "default" if is_named else str(ContextAPI.get_current_context().name)


def require_machine(facts: EngineFacts, machine: Machine) -> None:
    """Raise EngineError if launches would run on another machine than the one a record would describe.

    An engine in a container of its machine goes by another name, but has its kernel and all of its memory.
    """
    is_named = facts.host == platform.node()
    is_same = (facts.kernel, facts.memory_bytes) == (machine.kernel, machine.memory_bytes)
    if not is_named and not is_same:
        raise EngineError(
            f"docker: the engine that DOCKER_HOST or the current context names is on another machine, or in a virtual "
            f"one ({facts.host}, kernel {facts.kernel}): records would describe this one in its place. For a machine "
            f"behind ssh: --host ssh://user@machine. For this one: --engine venv, or a Docker engine on it."
        )


def _refuse_ssh(address: str) -> None:
    """Docker's own ssh knows no aliases and fails with several requests at once; and records need the machine too."""
    if address.startswith("ssh://"):
        raise EngineError(f"docker: DOCKER_HOST or the current context says {address}. Say --host {address} instead.")
