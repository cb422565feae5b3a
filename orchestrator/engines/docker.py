"""The main engine: images built by buildx, one hardened container per launch, through the Docker API."""

import os
import platform
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import docker
import requests
from docker.api import APIClient
from docker.context import ContextAPI
from docker.errors import APIError, DockerException, ImageNotFound

from orchestrator.engines import BuildContext, BuiltImage, Job, Outcome
from orchestrator.engines.attachments import NO_DEVICE_DRIVER, find_attachments
from orchestrator.engines.buildx import bake, find_buildx
from orchestrator.engines.containers import memory_limit, remove_containers, remove_leftovers, run_job
from orchestrator.engines.facts import EngineFacts, read_facts
from orchestrator.engines.images import (
    BUILDING,
    FINAL,
    bake_target,
    base_digest,
    find_image,
    image_tag,
    remove_half_made,
    rename_to_final,
)
from orchestrator.errors import EngineError
from orchestrator.hardware import Gpu
from orchestrator.remedies import find_remedy
from orchestrator.specs import ImageVariant

T = TypeVar("T")


class DockerEngine:
    """Builds and launches on the Docker engine that DOCKER_HOST or the current context names."""

    name = "docker"

    def __init__(self, mirrors: Mapping[str, str], ca_bundle: Path | None = None) -> None:
        """Take the `[mirrors]` of orch.toml, base -> base, and a certificate bundle for builds. Connects later."""
        self._mirrors = mirrors
        self._ca_bundle = ca_bundle
        self._bases: dict[str, str] = {}

    def check(self) -> str:
        """Return name and version ("docker 28.5.2"). Raises EngineError with the remedy if it does not answer."""
        with _engine_errors():
            return f"docker {self._api.version()['Version']}"

    def ask(self, question: Callable[[APIClient], T]) -> T:
        """Return the answer to a question about the engine itself. Raises EngineError as check does."""
        with _engine_errors():
            return question(self._api)

    def unsupported_reason(self, target: ImageVariant) -> str | None:
        """Say why the engine can never run the variant: another platform, as emulated times mean nothing."""
        wanted, platform = target.image.platform, self._facts.platform
        if wanted == platform:
            return None
        return (
            f"no {platform.partition('/')[2]} wheel: the image is {wanted}, the engine {platform}; nothing is emulated"
        )

    def resolve_base(self, target: ImageVariant, base_digest: str | None) -> str:
        """Return the base really used, `name@sha256:…`: with its registry's digest, or the id of an image only here.

        base_digest: from the lock; a mirror has its own. Raises EngineError if the base is neither here nor to be had.
        """
        base = target.base
        name = self._mirrors.get(base, base)
        reference = f"{name}@{base_digest}" if base_digest and base not in self._mirrors else name
        if reference not in self._bases:
            self._bases[reference] = f"{name}@{self._base_digest(reference, target)}"
        return self._bases[reference]

    def find(self, context: BuildContext) -> BuiltImage | None:
        """Return the finished image with these inputs, None if there is none."""
        with _engine_errors():
            return find_image(self._api, context, image_tag(FINAL, context))

    def storage(self) -> Path | None:
        """Return the engine's data folder, None where it is on another machine, or a virtual one; see Engine."""
        facts = self._facts
        return facts.storage if facts.host == platform.node() and os.access(facts.storage, os.F_OK) else None

    def check_builder(self) -> None:
        """Raise EngineError if buildx is missing; see Engine."""
        find_buildx(os.get_exec_path())

    def build(self, contexts: Sequence[BuildContext], log_folder: Path) -> Mapping[str, BuiltImage | str]:
        """Build under temporary names; variant name -> image, or the reason why not with the log's last lines.

        Raises EngineError if buildx is missing.
        """
        if not contexts:
            return {}
        command = find_buildx(os.get_exec_path())
        with _engine_errors():
            targets = [bake_target(self._api, context) for context in contexts]
            reasons = bake(command, _builder(), targets, log_folder, self._ca_bundle)
            return {context.target.name: self._built(context, reasons) for context in contexts}

    def keep(self, image: BuiltImage) -> BuiltImage:
        """Give a built image that passed its health check its final name, which holds the hash of its inputs."""
        with _engine_errors():
            return rename_to_final(self._api, image)

    def discard(self, image: BuiltImage) -> None:
        """Remove an image that did not pass; that it is gone already is no error."""
        with _engine_errors():
            try:
                self._api.remove_image(image.reference, force=True)
            except ImageNotFound:
                return

    def check_gpu(self, gpu: Gpu) -> None:
        """Raise EngineError if the engine cannot hand over a GPU; see Engine."""
        find_attachments(gpu, self._facts)

    def launch(self, image: BuiltImage, job: Job) -> Outcome:
        """Run the job in a container of its own to its end, its timeout or its death, and remove it.

        Raises EngineError if the engine itself fails. KeyboardInterrupt passes after the removal.
        """
        *others, last = find_attachments(job.gpu, self._facts)
        memory_bytes = memory_limit(self._facts.memory_bytes)
        with _engine_errors():
            for gpu in others:
                try:
                    return run_job(self._api, image.digest, job, gpu, memory_bytes)
                except APIError as error:
                    if NO_DEVICE_DRIVER not in str(error):
                        raise
            return run_job(self._api, image.digest, job, last, memory_bytes)

    def end(self, run: str) -> None:
        """Remove the containers of a run; see Engine."""
        with _engine_errors():
            remove_containers(self._api, run)

    def reap(self, run: str | None = None) -> tuple[str, ...]:
        """Remove containers and volumes of one run, or all that are past their deadline; returns their names.

        Of all: images too whose build was killed, once they are older than the longest build.
        """
        with _engine_errors():
            removed = remove_leftovers(self._api, run)
            return removed if run else (*removed, *remove_half_made(self._api))

    @cached_property
    def _api(self) -> APIClient:
        api = docker.from_env().api
        if api.base_url.startswith("http+docker:"):
            api.trust_env = False  # a socket has no proxy; to look for one costs 2 ms of every launch
        return api

    @cached_property
    def _facts(self) -> EngineFacts:
        with _engine_errors():
            return read_facts(self._api)

    def _base_digest(self, reference: str, target: ImageVariant) -> str:
        self.check()
        try:
            return base_digest(self._api, reference)
        except (DockerException, requests.RequestException) as error:
            raise EngineError(
                f"docker: {target.image.name} needs the base image {reference}, which is neither on this engine nor "
                f"to be had from its registry: {_text(error)}\nConnect to the registry, or name another image in "
                f'orch.toml under [mirrors]: "{target.base}" = "…".'
            ) from error

    def _built(self, context: BuildContext, reasons: Mapping[str, str]) -> BuiltImage | str:
        reason = reasons.get(context.target.name)
        if reason is not None:
            return reason
        return (
            find_image(self._api, context, image_tag(BUILDING, context)) or "buildx built it, but the engine lacks it"
        )


@contextmanager
def _engine_errors() -> Iterator[None]:
    """Say the errors of docker-py and of the connection as ours."""
    try:
        yield
    except (APIError, requests.RequestException) as error:
        remedy = find_remedy(_text(error))
        raise EngineError(
            f"docker: the engine reports: {_text(error)}. {remedy.remedy if remedy else ''}".strip()
        ) from error
    except DockerException as error:
        raise EngineError(
            f"docker: no engine answers ({_text(error)}). Start Docker, make its socket yours (group docker), "
            "or run without it: --engine venv."
        ) from error


def _text(error: Exception) -> str:
    """The engine's own words; of a refused connection only what the system said."""
    explanation = str(error.explanation if isinstance(error, APIError) else error)
    refused = re.search(r"\w+Error\(\d+, '([^']+)'\)", explanation)
    return (refused[1] if refused else explanation).strip().rstrip(".")


def _builder() -> str:
    """The builder that is the engine itself has the name of its context; others do not see its images."""
    return "default" if "DOCKER_HOST" in os.environ else ContextAPI.get_current_context().name
