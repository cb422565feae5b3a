"""What every verb starts from: project, settings, machine, engine, and the plan of a suite for them.

What only some verbs need is imported where it is needed: a plan for another machine needs neither resolver nor engine.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator import console
from orchestrator.catalog import (
    Project,
    Study,
    find_project,
    find_study,
    find_suite,
    known_baselines,
    load_images,
    match_images,
    sort_images,
)
from orchestrator.configuration import Settings, load_settings
from orchestrator.engines import BuiltImage, Engine
from orchestrator.errors import BaseGoneError, EngineError, LockError, NothingSelectedError, UsageError
from orchestrator.fleet import Slot
from orchestrator.fleet.hosts import Host, open_host
from orchestrator.fleet.local import make_slots
from orchestrator.hardware import Machine
from orchestrator.images import Image, ImageVariant
from orchestrator.locking import is_locked, why_unlocked
from orchestrator.options import Options
from orchestrator.planning import (
    BuildCost,
    Estimate,
    Plan,
    Target,
    apply_profile,
    default_profile,
    estimate,
    estimate_build,
    plan_cells,
)
from orchestrator.targeting import find_target
from orchestrator.wheelhouse import Wheelhouse

if TYPE_CHECKING:
    from orchestrator.engines.docker import DockerEngine


@dataclass(frozen=True, kw_only=True)
class PlannedStudy:
    """A suite with its plan for one machine and engine."""

    study: Study
    target: Target
    plan: Plan
    slots: tuple[Slot, ...]  # where its launches run; none where the plan is for another machine
    with_engine: bool  # False: for any machine


class Workbench:
    """Finds each part when it is first asked for, and says aloud what it chose by itself."""

    def __init__(self, options: Options, *, cwd: Path, env: Mapping[str, str]) -> None:
        self.options = options
        self.cwd = cwd
        self.env = env

    @cached_property
    def project(self) -> Project:
        return find_project(self.options.project, self.cwd)

    @cached_property
    def settings(self) -> Settings:
        return load_settings(self.project.root, self.cwd, self.env)

    @cached_property
    def host(self) -> Host:
        """The machine where launches run. Raises HostError if it cannot be reached."""
        return open_host(self.options.host, self.settings.cache / "locks")

    @cached_property
    def machine(self) -> Machine:
        return self.host.machine

    @cached_property
    def wheelhouse(self) -> Wheelhouse:
        return Wheelhouse(folder=self.settings.cache / "wheelhouse", env=self.env)

    @cached_property
    def engine(self) -> Engine:
        """The engine asked for, or the first that answers, on the machine that records describe. Raises EngineError."""
        first, *others = self.options.engine_names
        self.host.check_engine()
        engine = self.open_engine(first)
        try:
            version = engine.check()
            engine.check_machine(self.machine)
        except EngineError as error:
            if not others:
                raise
            console.note(f"Engine: venv (local virtual environments), since no Docker engine answers: {error}")
            return self.open_engine(others[0])
        if others or self.options.host:
            console.note(f"Engine: {version}{', since it answers' if others else f' on {self.host.name}'}.")
        return engine

    def open_engine(self, name: str) -> Engine:
        """Return an engine that was not yet asked whether it answers."""
        if name == "docker":
            return self.open_docker()
        from orchestrator.engines.venv import VenvEngine

        return VenvEngine(cache=self.settings.cache, env=self.env)

    def open_docker(self) -> "DockerEngine":
        """Return the docker engine, which was not yet asked whether it answers."""
        from orchestrator.engines.docker import DockerEngine

        return DockerEngine(mirrors=self.settings.mirrors, ca_bundle=self.settings.ca_bundle, link=self.host.link)

    @cached_property
    def adopted(self) -> Mapping[str, BuiltImage]:
        """The interpreters of `--use-python`, by variant name. Raises UsageError."""
        from orchestrator.adopting import adopt_pythons

        return adopt_pythons(self.options.use_python, load_images(self.project), self.engine, self.env)

    @cached_property
    def target(self) -> Target:
        """What is planned for: GPUs, named or found, or the CPU."""
        return find_target(self.options, self.host)

    def plan_suite(self, *, with_engine: bool = True) -> PlannedStudy:
        """Plan the suite asked for, or the default one.

        with_engine: leave out what the engine here can never run; without, the plan is for any machine.
        """
        suite = find_suite(self.project, self.options.suite or self.settings.suite)
        is_free = self.options.device == "auto" and self.options.gpus is None and self.options.gpu is None
        if suite.choose == "oldest_and_newest" and is_free:  # a first look is on the CPU
            self.target = Target(device="cpu", platform=self.machine.platform)
        profile = default_profile(suite, self.target.device, self.options.profile)
        if profile is not None and self.options.profile is None:
            console.note(f"Profile: {profile}, since there is no GPU; --profile chooses another.")
        study = find_study(self.project, apply_profile(suite, profile))
        if self.options.use_python:
            study = replace(study, images=sort_images(built.target.image for built in self.adopted.values()))
        elif study.suite.choose == "oldest_and_newest":
            study = replace(study, images=self._choose_two(study) if with_engine else self._choose_ends(study))
        slots = make_slots(self.machine, self.target.gpus, study.suite.protocol.threads) if not self.options.gpu else ()
        _check_baseline(study)
        plan = plan_cells(
            study.suite, study.images, study.benchmarks, self.target, is_locked, self._engine_reason(with_engine)
        )
        return PlannedStudy(study=study, target=self.target, plan=plan, slots=slots, with_engine=with_engine)

    def estimate(self, planned: PlannedStudy) -> Estimate:
        """Say what a plan costs here, downloads of images that are not built included."""
        built = self._find_built(planned.plan.targets) if planned.with_engine else {}
        return estimate(
            planned.plan,
            planned.study.benchmarks,
            self.wheelhouse.missing_bytes,
            lambda target: target.name in built or target.image.own_python is not None,
            slots=len(planned.slots) or 1,
        )

    def cost_of(self, targets: Sequence[ImageVariant]) -> BuildCost:
        """Say what building these takes."""
        return estimate_build(targets, self.wheelhouse.missing_bytes)

    def with_suite(self, name: str) -> "Workbench":
        """Return the same for another suite."""
        other = Workbench(replace(self.options, suite=name), cwd=self.cwd, env=self.env)
        other.__dict__.update(host=self.host, engine=self.engine)
        return other

    def base_digest(self, target: ImageVariant) -> str | None:
        """Return the digest of a base image as its registry has it now; None if none answers.

        Raises LockError if the registry says that it is gone.
        """
        if target.base in self.settings.mirrors:
            return None  # a lock is for everybody
        try:
            return self.open_docker().registry_digest(target.base, target)
        except BaseGoneError as error:
            raise LockError(str(error)) from error
        except EngineError:
            return None

    def _find_built(self, targets: Sequence[ImageVariant]) -> Mapping[str, BuiltImage]:
        from orchestrator.building import find_built

        return find_built(self.engine, targets)

    def _engine_reason(self, with_engine: bool) -> Callable[[ImageVariant], str | None]:
        if not with_engine or self.options.use_python:
            return lambda _target: None
        return self._why_not

    def _why_not(self, target: ImageVariant) -> str | None:
        return self.engine.unsupported_reason(target) or (None if self.options.resolve else why_unlocked(target))

    def _choose_two(self, study: Study) -> tuple[Image, ...]:
        """Return the oldest and the newest image of the first family with two that can run here.

        An engine taken by `auto` that has no base image for any two gives way to local virtual environments.
        """
        from orchestrator.reaching import find_pair

        at_most = None if self.options.yes else study.suite.download_at_most_bytes
        for pattern in study.suite.images:
            images = match_images(study.images, pattern)
            pair = find_pair(images, self.target.gpu, self.engine, self._why_not, self.wheelhouse, at_most)
            if pair is not None:
                old, new = pair
                size = console.size(old.download_bytes + new.download_bytes)
                console.note(
                    f"Chosen: {old.target.name} and {new.target.name}, the oldest and newest {pattern} that can run "
                    f"here within the download limit; {size} to fetch."
                )
                return old.target.image, new.target.image
        if self.options.engine == "auto" and self.engine.name != "venv":
            console.note(f"Engine: venv, since {self.engine.name} can have the base images of no two releases.")
            self.engine = self.open_engine("venv")
            return self._choose_two(study)
        raise NothingSelectedError(
            f"suite '{study.suite.name}': no two releases can run here within its download limit. "
            "Look at `orch doctor` for interpreters and engines, or allow a larger download with --yes."
        )

    def _choose_ends(self, study: Study) -> tuple[Image, ...]:
        """Return the same for any machine, of what is locked for its GPU, whatever its size."""
        from orchestrator.reaching import find_ends

        return find_ends(study, self.target.gpu)


def _check_baseline(study: Study) -> None:
    """Raise UsageError if nothing could be divided by the suite's baseline."""
    baseline = study.suite.compare.baseline
    rule, *names = known_baselines(study.suite, study.images, study.benchmarks)
    if baseline not in (rule, *names):
        raise UsageError(f"compare.baseline: {baseline} is not among {', '.join(names)}. Name one of these, or {rule}.")
