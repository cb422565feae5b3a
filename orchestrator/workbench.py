"""What every verb starts from: project, settings, machine, engine, and the plan of a suite for them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from orchestrator import console
from orchestrator.adopting import adopt_pythons
from orchestrator.building import find_built
from orchestrator.catalog import (
    Project,
    Study,
    find_project,
    find_study,
    find_suite,
    load_images,
    match_images,
    sort_images,
)
from orchestrator.configuration import Settings, load_settings
from orchestrator.engines import BuiltImage, Engine
from orchestrator.errors import EngineError, NothingSelectedError, UsageError
from orchestrator.gpus import find_gpu
from orchestrator.hardware import Machine
from orchestrator.machine import read_machine
from orchestrator.options import DEVICES, ENGINE_NAMES, Options
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
from orchestrator.reaching import find_pair, is_locked
from orchestrator.specs import Device, Image, ImageVariant, Suite
from orchestrator.wheelhouse import Wheelhouse


@dataclass(frozen=True, kw_only=True)
class PlannedStudy:
    """A suite with its plan for one machine and engine."""

    study: Study
    target: Target
    plan: Plan
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
    def machine(self) -> Machine:
        return read_machine()

    @cached_property
    def wheelhouse(self) -> Wheelhouse:
        return Wheelhouse(folder=self.settings.cache / "wheelhouse", env=self.env)

    @cached_property
    def engine(self) -> Engine:
        """The engine asked for, or the first that answers. Raises EngineError."""
        name = self.options.engine
        if self.options.use_python:
            if name == "docker":
                raise UsageError(
                    "--use-python: an interpreter of this machine runs in no container. Drop --engine docker."
                )
            name = "venv"
        if name not in ENGINE_NAMES:
            raise UsageError(f"--engine {name}: unknown engine. Known: {', '.join(ENGINE_NAMES)}.")
        if name != "auto":
            engine = self.open_engine(name)
            engine.check()
            return engine
        docker = self.open_engine("docker")
        try:
            console.note(f"Engine: {docker.check()}, since it answers.")
        except EngineError as error:
            console.note(f"Engine: venv (local virtual environments), since no Docker engine answers: {error}")
            return self.open_engine("venv")
        return docker

    def open_engine(self, name: str) -> Engine:
        """Return an engine that was not yet asked whether it answers."""
        if name == "docker":
            from orchestrator.engines.docker import DockerEngine

            return DockerEngine(mirrors=self.settings.mirrors, ca_bundle=self.settings.ca_bundle)
        from orchestrator.engines.venv import VenvEngine

        return VenvEngine(cache=self.settings.cache, env=self.env)

    @cached_property
    def adopted(self) -> Mapping[str, BuiltImage]:
        """The interpreters of `--use-python`, by variant name. Raises UsageError."""
        return adopt_pythons(self.options.use_python, load_images(self.project), self.engine, self.env)

    @cached_property
    def target(self) -> Target:
        """What is planned for: the GPU named or found, or the CPU."""
        options = self.options
        if options.device not in DEVICES:
            raise UsageError(f"--device {options.device}: unknown device. Known: {', '.join(DEVICES)}.")
        if options.gpu is not None:
            return Target(device="cuda", gpu=find_gpu(options.gpu, options.driver))
        gpus = self.machine.gpus
        device: Device = "cuda" if options.device == "cuda" or (options.device == "auto" and gpus) else "cpu"
        if device == "cpu":
            return Target(device="cpu", platform=self.machine.platform)
        if not gpus:
            raise EngineError("--device cuda: the NVIDIA driver shows no GPU here. Install it, or take --device cpu.")
        return Target(device="cuda", gpu=gpus[0], platform=self.machine.platform)

    def plan_suite(self, *, with_engine: bool = True) -> PlannedStudy:
        """Plan the suite asked for, or the default one.

        with_engine: leave out what the engine here can never run; without, the plan is for any machine.
        """
        suite = find_suite(self.project, self.options.suite or self.settings.suite)
        if suite.choose == "oldest_and_newest" and self.options.device == "auto":  # a first look is on the CPU
            self.target = Target(device="cpu", platform=self.machine.platform)
        profile = default_profile(suite, self.target.device, self.options.profile)
        if profile is not None and self.options.profile is None:
            console.note(f"Profile: {profile}, since there is no GPU; --profile chooses another.")
        study = find_study(self.project, apply_profile(suite, profile))
        if self.options.use_python:
            study = replace(study, images=sort_images(built.target.image for built in self.adopted.values()))
        elif study.suite.choose == "oldest_and_newest":
            study = replace(study, images=self._choose_two(study))
        self._check_threads(study.suite)
        _check_baseline(study)
        plan = plan_cells(
            study.suite, study.images, study.benchmarks, self.target, is_locked, self._engine_reason(with_engine)
        )
        return PlannedStudy(study=study, target=self.target, plan=plan, with_engine=with_engine)

    def _check_threads(self, suite: Suite) -> None:
        wanted = suite.protocol.threads
        if wanted is None or self.options.gpu is not None:
            return
        there = len(self.machine.cpus)
        if wanted > there:
            raise UsageError(
                f"suite '{suite.name}': {wanted} threads, but this machine has {there} processors. Ask for fewer."
            )

    def estimate(self, planned: PlannedStudy) -> Estimate:
        """Say what a plan costs here, downloads of images that are not built included."""
        built = find_built(self.engine, planned.plan.targets) if planned.with_engine else {}
        return estimate(
            planned.plan,
            planned.study.benchmarks,
            self.wheelhouse.missing_bytes,
            lambda target: target.name in built or target.image.own_python is not None,
        )

    def cost_of(self, targets: Sequence[ImageVariant]) -> BuildCost:
        """Say what building these takes."""
        return estimate_build(targets, self.wheelhouse.missing_bytes)

    def with_suite(self, name: str) -> "Workbench":
        """Return the same for another suite."""
        other = Workbench(replace(self.options, suite=name), cwd=self.cwd, env=self.env)
        other.__dict__["engine"] = self.engine
        return other

    def base_digest(self, target: ImageVariant) -> str | None:
        """Return the digest of a base image as its registry has it now; None if none answers."""
        if target.base in self.settings.mirrors:
            return None  # a lock is for everybody
        try:
            return self.open_engine("docker").resolve_base(target, None).partition("@")[2] or None
        except EngineError:
            return None

    def _engine_reason(self, with_engine: bool) -> Callable[[ImageVariant], str | None]:
        if not with_engine or self.options.use_python:
            return lambda _target: None
        return self.engine.unsupported_reason

    def _choose_two(self, study: Study) -> tuple[Image, ...]:
        """Return the oldest and the newest image of the first family with two that can run here.

        An engine taken by `auto` that has no base image for any two gives way to local virtual environments.
        """
        at_most = None if self.options.yes else study.suite.download_at_most_bytes
        for pattern in study.suite.images:
            images = match_images(study.images, pattern)
            pair = find_pair(images, self.target.gpu, self.engine, self.wheelhouse, at_most)
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


def _check_baseline(study: Study) -> None:
    """Raise UsageError if nothing could be divided by the suite's baseline."""
    baseline = study.suite.baseline
    names = [image.name for image in study.images]
    if baseline != "oldest" and baseline not in names:
        raise UsageError(f"compare.baseline: {baseline} is not among {', '.join(names)}. Name one of these, or oldest.")
