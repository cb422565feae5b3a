"""The main engine: images built by buildx, one hardened container per launch, through the Docker API."""

import os
import platform
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import requests
from docker.api import APIClient
from docker.errors import APIError, DockerException

from orchestrator.engines import BuildContext, BuiltImage, Job, Outcome
from orchestrator.engines.attachments import NO_DEVICE_DRIVER, find_attachments
from orchestrator.engines.buildx import BakeTarget, bake, find_buildx
from orchestrator.engines.containers import memory_limit, remove_containers, remove_leftovers, run_job
from orchestrator.engines.endpoints import builder, connect, program_env, require_machine
from orchestrator.engines.facts import EngineFacts, read_facts
from orchestrator.engines.images import (
    ask_registry,
    bake_target,
    base_digest,
    find_image,
    image_tag,
    list_bases,
    remove_half_made,
    remove_image,
    rename_to_final,
    why_gone,
)
from orchestrator.engines.links import DIRECT, Link
from orchestrator.engines.persisting import Conversation
from orchestrator.engines.terminals import enter_container
from orchestrator.errors import BaseGoneError, EngineError
from orchestrator.hardware import Gpu, Machine
from orchestrator.images import ImageVariant
from orchestrator.remedies import find_remedy

T = TypeVar("T")


class DockerEngine:
    """Builds and launches on the Docker engine that DOCKER_HOST or the current context names."""

    name = "docker"

    def __init__(self, mirrors: Mapping[str, str], ca_bundle: Path | None = None, link: Link = DIRECT) -> None:
        """Take the `[mirrors]` of orch.toml, base -> base, and a certificate bundle for builds. Connects later.

        link: what carries the engine's socket here.
        """
        self._link = link
        self._mirrors = mirrors
        self._ca_bundle = ca_bundle
        self._bases: dict[str, str] = {}

    def check(self) -> str:
        """Return name and version ("docker 28.5.2"). Raises EngineError with the remedy if it does not answer."""
        return f"docker {self.ask(lambda api: api.version()['Version'])}"

    def check_machine(self, machine: Machine) -> None:
        """Raise EngineError if launches would run on another machine; see Engine."""
        require_machine(self._facts, machine)

    def ask(self, question: Callable[[APIClient], T]) -> T:
        """Return the engine's answer, asked again if the link was lost meanwhile. Raises EngineError as check does."""
        with _engine_errors():
            return self._conversation.persist(question)

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
        return self.ask(lambda api: find_image(api, context, image_tag(context)))

    def bases(self, target: ImageVariant) -> tuple[str, ...]:
        """Return the bases of this variant's images here, by their labels; see Engine."""
        return self.ask(lambda api: list_bases(api, target))

    def storage(self) -> Path | None:
        """Return the engine's data folder, None where it is in a virtual machine; see Engine."""
        facts = self._facts
        if self._link.url is not None:
            return facts.storage
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
        targets = self.ask(lambda api: [bake_target(api, context) for context in contexts])
        since, reasons = self._link.generation, self._bake(command, targets, log_folder)
        if reasons and self._link.mend(since):
            reasons = self._bake(command, targets, log_folder)  # what was built before the loss is in the cache
        tags = {target.name: target.tag for target in targets}
        return {one.target.name: reasons.get(one.target.name) or self._built(one, tags) for one in contexts}

    def keep(self, image: BuiltImage) -> BuiltImage:
        """Give a built image that passed its health check its final name, which holds the hash of its inputs."""
        return self.ask(lambda api: rename_to_final(api, image))

    def discard(self, image: BuiltImage) -> None:
        """Remove an image that did not pass; that it is gone already is no error."""
        self.ask(lambda api: remove_image(api, image.reference))

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
                    return run_job(self._conversation, image.digest, job, gpu, memory_bytes)
                except APIError as error:
                    if NO_DEVICE_DRIVER not in str(error):
                        raise
            return run_job(self._conversation, image.digest, job, last, memory_bytes)

    def enter(self, image: BuiltImage, job: Job) -> int:
        """Run the job in a container of its own that has our terminal; see Engine."""
        gpu, memory_bytes = find_attachments(job.gpu, self._facts)[0], memory_limit(self._facts.memory_bytes)
        with _engine_errors():
            env = program_env(self._link)
            return enter_container(self._conversation, image.digest, job, gpu, memory_bytes, env)

    def end(self, run: str) -> None:
        """Remove the containers of a run; see Engine."""
        self.ask(lambda api: remove_containers(api, run))

    def reap(self, run: str | None = None) -> tuple[str, ...]:
        """Remove containers and volumes of one run, or all that are past their deadline; returns their names.

        Of all: images too whose build was killed, once they are older than the longest build.
        """
        removed = self.ask(lambda api: remove_leftovers(api, run))
        return removed if run else (*removed, *self.ask(remove_half_made))

    @cached_property
    def _conversation(self) -> Conversation:
        return Conversation(api=connect(self._link), link=self._link)

    @cached_property
    def _facts(self) -> EngineFacts:
        return self.ask(read_facts)

    def registry_digest(self, reference: str, target: ImageVariant) -> str:
        """Return the digest of a base image as its registry has it now, whatever lies on the engine. Pulls nothing.

        Raises BaseGoneError if the registry says that it is gone, EngineError if none answers.
        """
        with _base_errors(reference, target):
            return self._conversation.persist(lambda api: ask_registry(api, reference))

    def _base_digest(self, reference: str, target: ImageVariant) -> str:
        self.check()
        with _base_errors(reference, target):
            return self._conversation.persist(lambda api: base_digest(api, reference))

    def _bake(self, command: tuple[str, ...], targets: Sequence[BakeTarget], log_folder: Path) -> Mapping[str, str]:
        name, env = builder(self._link), program_env(self._link)
        return bake(command, name, targets, log_folder, self._ca_bundle, env)

    def _built(self, context: BuildContext, tags: Mapping[str, str]) -> BuiltImage | str:
        found = self.ask(lambda api: find_image(api, context, tags[context.target.name]))
        return found or "buildx built it, but the engine lacks it"


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


@contextmanager
def _base_errors(reference: str, target: ImageVariant) -> Iterator[None]:
    """Say that a base image cannot be had, and why, and the way out that there always is."""
    try:
        yield
    except (DockerException, requests.RequestException) as error:
        needed = f"docker: {target.image.name} needs the base image {reference}, which"
        remedy = f'ame another image in orch.toml under [mirrors]: "{target.base}" = "…".'
        gone = why_gone(error)
        if gone is not None:
            raise BaseGoneError(f"{needed} {gone}. N{remedy}") from error
        where = f"is neither on this engine nor to be had from its registry: {_text(error)}"
        raise EngineError(f"{needed} {where}. Connect to the registry, or n{remedy}") from error


def _text(error: Exception) -> str:
    """The engine's own words; of a refused connection only what the system said."""
    explanation = str(error.explanation if isinstance(error, APIError) else error)
    refused = re.search(r"\w+Error\(\d+, '([^']+)'\)", explanation)
    return (refused[1] if refused else explanation).strip().rstrip(".")
