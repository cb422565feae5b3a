"""A cell that is ready to be launched, and an engine that answers as a test tells it to."""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

from orchestrator.engines import BuildContext, BuiltImage, Job, Outcome
from orchestrator.engines.links import DIRECT, Link
from orchestrator.fleet import Slot
from orchestrator.fleet.hosts import Watcher
from orchestrator.fleet.local import LocalFleet, make_slots
from orchestrator.hardware import Disk, Gpu, GpuUsers, Machine
from orchestrator.images import Image, ImageVariant, Variant
from orchestrator.machine import choose_cpus
from orchestrator.prepared import Prepared, Setting
from orchestrator.records import SuiteKeys
from orchestrator.specs import Benchmark, Cell, Configuration, Implementation, Protocol
from orchestrator.telemetry import Watch

MACHINE = Machine(id="sha256:m", cpu="A CPU", cores=2, cpus=(0, 1), memory_bytes=2**30, kernel="6.1")
PROTOCOL = Protocol(warmup=1, samples=5, blocks=2, threads=1, timeout_s=9.0)
GOOD_REPORT: Mapping[str, object] = {
    "status": "ok",
    "samples": {"train_step": [0.2, 0.1, 0.3]},
    "measures": {"setup_s": 0.5},
    "environment": {"framework": "toy", "version": "1.0.0", "python": "3.11.7"},
}


def outcome_of(report: object, *, exit_code: int = 0) -> Outcome:
    """Return the outcome of a program that wrote this report."""
    return Outcome(status="exited", exit_code=exit_code, files={"report.json": json.dumps(report).encode()}, log="")


@dataclass
class FakeEngine:
    """An engine that launches in memory and does nothing else. answer: outcome of a job; may raise."""

    answer: Callable[[Job], Outcome] = lambda _job: outcome_of(GOOD_REPORT)
    name: str = "fake"
    jobs: list[Job] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)  # runs

    def launch(self, image: BuiltImage, job: Job) -> Outcome:
        assert image.reference
        self.jobs.append(job)
        return self.answer(job)

    def check(self) -> str:
        return "fake 1"

    def check_machine(self, machine: Machine) -> None:
        raise AssertionError(machine)

    def unsupported_reason(self, target: ImageVariant) -> str | None:
        raise AssertionError(target)

    def resolve_base(self, target: ImageVariant, base_digest: str | None) -> str:
        raise AssertionError(target, base_digest)

    def find(self, context: BuildContext) -> BuiltImage | None:
        raise AssertionError(context)

    def bases(self, target: ImageVariant) -> tuple[str, ...]:
        raise AssertionError(target)

    def enter(self, image: BuiltImage, job: Job) -> int:
        raise AssertionError(image, job)

    def storage(self) -> Path | None:
        raise AssertionError

    def check_builder(self) -> None:
        raise AssertionError

    def build(self, contexts: Sequence[BuildContext], log_folder: Path) -> Mapping[str, BuiltImage | str]:
        raise AssertionError(contexts, log_folder)

    def keep(self, image: BuiltImage) -> BuiltImage:
        raise AssertionError(image)

    def discard(self, image: BuiltImage) -> None:
        raise AssertionError(image)

    def check_gpu(self, gpu: Gpu) -> None:
        raise AssertionError(gpu)

    def end(self, run: str) -> None:
        self.ended.append(run)

    def reap(self, run: str | None = None) -> tuple[str, ...]:
        raise AssertionError(run)


def make_setting(folder: Path, engine: FakeEngine | None = None, protocol: Protocol = PROTOCOL) -> Setting:
    return Setting(
        run="run-1",
        suite=SuiteKeys(name="toy", profile=None, sha256="sha256:s"),
        seed=7,
        protocol=protocol,
        host=FakeHost(),
        machine=MACHINE,
        engine=engine or FakeEngine(),
        engine_version="fake 1",
        command=("orch", "run", "toy"),
        logs=folder / "logs",
        slot=Slot(cpus=choose_cpus(MACHINE, protocol.threads)),
    )


def make_fleet(gpus: Sequence[Gpu] = (), host: "FakeHost | None" = None) -> LocalFleet:
    """Make a fleet of these GPUs, or of the processor, on a machine that a test may look into."""
    machine = replace(MACHINE, gpus=tuple(gpus))
    return LocalFleet(make_slots(machine, gpus, 1), host or FakeHost(machine=machine), poll_s=0.0)


@dataclass
class FakeHost:
    """A machine whose locks are free and whose GPUs nobody uses, unless a test says so."""

    machine: Machine = MACHINE
    name: str = "this machine"
    link: Link = DIRECT
    users: dict[str, GpuUsers] = field(default_factory=dict)  # uuid -> who uses it
    held: list[str] = field(default_factory=list)  # names of locks that another run has
    taken_locks: list[tuple[str, bool]] = field(default_factory=list)  # by this one: name, whether shared

    def read_load(self) -> float | None:
        return 0.0

    def read_users(self, gpu: Gpu) -> GpuUsers:
        return self.users.get(gpu.uuid, GpuUsers())

    def watch(self, gpu: Gpu | None, cpus: Sequence[int]) -> Watcher:
        return Watch(gpu, cpus)

    def disk(self, _folder: Path) -> Disk | None:
        return None

    def taken(self, name: str, what: str, *, shared: bool = False) -> AbstractContextManager[None]:
        del what  # for the user's eyes
        self.taken_locks.append((name, shared))
        return nullcontext()

    def is_taken(self, name: str) -> bool:
        return name in self.held

    def before_launch(self) -> float | None:
        return 0.0

    def check_engine(self) -> None:
        """It answers."""


def make_prepared(folder: Path, version: str = "1.0", implementation: str = "steady", code: str = "c") -> Prepared:
    """Make a cell of a benchmark whose script lies in the folder."""
    (folder / "run_toy.py").write_text("", encoding="utf-8")
    variant = Variant(name="cpu")
    image = Image(
        family="toy",
        framework="toy",
        version=version,
        released="2026-01-01",
        python="3.11.7",
        base="python:3.11",
        requirements=(f"toy=={version}",),
        variants=(variant,),
        folder=folder,
    )
    target = ImageVariant(image=image, variant=variant)
    described = Implementation(name=implementation, label=implementation, frameworks=("toy",))
    configuration = Configuration(name="small", parameters={"n": 3})
    return Prepared(
        cell=Cell(image=target, benchmark="step", implementation=implementation, configuration="small", device="cpu"),
        benchmark=Benchmark(
            name="step",
            title="A step",
            folder=folder,
            scripts={"toy": "run_toy.py"},
            implementations=(described,),
            configurations=(configuration,),
            measures=(),
        ),
        implementation=described,
        configuration=configuration,
        image=BuiltImage(
            target=target,
            reference="toy",
            digest=f"sha256:{version}",
            base="python:3.11",
            inputs_sha256=version,
            lock_sha256="l",
        ),
        files={"run_toy.py": code.encode()},
    )
