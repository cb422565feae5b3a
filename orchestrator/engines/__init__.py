"""What an engine is: it builds image variants and launches jobs in them. `docker` and `venv` are the two."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from orchestrator.hardware import Gpu, Machine
from orchestrator.images import ImageVariant

# What comes out of a launch is untrusted: larger outputs are cut off with an error.
OUTPUT_AT_MOST_BYTES = 64 * 2**20
LOG_AT_MOST_BYTES = 64 * 2**10


@dataclass(frozen=True, kw_only=True)
class BuildContext:
    """A folder of its own that an image variant is built from, offline."""

    target: ImageVariant
    folder: Path  # Dockerfile, requirements.txt (the lock), wheels/ (hard links into the wheelhouse)
    base: str  # what the engine's resolve_base returned
    installer: str  # file name of the pip wheel in wheels/
    inputs_sha256: str  # over Dockerfile, base and lock
    lock_sha256: str


@dataclass(frozen=True, kw_only=True)
class BuiltImage:
    """An image variant that an engine can launch."""

    target: ImageVariant
    reference: str  # tag of an image, folder of a virtual environment, or an interpreter of the user's
    digest: str  # sha256:… of what is really run
    base: str  # really used, mirror and digest included
    inputs_sha256: str
    lock_sha256: str
    env: Mapping[str, str] = field(default_factory=dict)  # what its programs need besides; only of the user's own


@dataclass(frozen=True, kw_only=True)
class Job:
    """One program to run in an image: inputs are put in, `out/` comes back, both by copy.

    The program starts in a folder that holds `in/` (the files) and an empty, writable `out/`.
    """

    argv: tuple[str, ...]  # relative to that folder: ("python", "in/harness.py"); "python" is the image's own
    files: Mapping[str, bytes]  # path below in/ -> content
    timeout_s: float
    labels: Mapping[str, str] = field(default_factory=dict)  # run, cell, attempt, deadline
    env: Mapping[str, str] = field(default_factory=dict)
    cpus: tuple[int, ...] = ()  # logical CPUs to pin to; empty: all
    gpu: Gpu | None = None
    memory_bytes: int | None = None
    cache: str | None = None  # name of the compile cache that stays; None: an empty one


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a job ended. The files are untrusted: size-capped and path-checked, not yet read."""

    status: Literal["exited", "timeout", "oom"]
    exit_code: int | None
    files: Mapping[str, bytes]  # path below out/ -> content
    log: str  # stdout and stderr together, its last 64 KiB
    gpu_mode: str = "none"  # none | cdi | device_request | runtime
    memory_bytes: int | None = None  # the limit it ran under
    elapsed_s: float = math.inf  # from its start to its end; no time that it reports may be longer


class Engine(Protocol):
    """Builds and launches. One instance serves a whole run; launches are made one at a time per slot."""

    name: str  # key in ENGINES

    def check(self) -> str:
        """Return name and version ("docker 28.5.2"). Raises EngineError with the remedy if it does not answer."""

    def check_machine(self, machine: Machine) -> None:
        """Raise EngineError if launches would run on another machine than this one, which records describe."""

    def unsupported_reason(self, target: ImageVariant) -> str | None:
        """Say why this engine can never run the variant, None if it can (venv: no interpreter, Python 2.7)."""

    def resolve_base(self, target: ImageVariant, base_digest: str | None) -> str:
        """Return the base really used: mirror applied, digest where known; for venv the interpreter's version.

        Raises EngineError if it is not there and cannot be had, naming the mirrors option.
        """

    def find(self, context: BuildContext) -> BuiltImage | None:
        """Return the finished image with these inputs, None if there is none."""

    def bases(self, target: ImageVariant) -> tuple[str, ...]:
        """Return the bases that the images of a variant which it has were built on: for where none is to be had."""

    def storage(self) -> Path | None:
        """Return the folder, on the machine of its host, in which it keeps images; None where that is another one's."""

    def check_builder(self) -> None:
        """Raise EngineError, with the remedy, if it cannot build at all (no buildx): asked before any download."""

    def build(self, contexts: Sequence[BuildContext], log_folder: Path) -> Mapping[str, BuiltImage | str]:
        """Build under temporary names; variant name -> image, or the reason why not with the log's last lines.

        Raises EngineError as check_builder does.
        """

    def keep(self, image: BuiltImage) -> BuiltImage:
        """Give a built image that passed its health check its final name, which holds the hash of its inputs."""

    def discard(self, image: BuiltImage) -> None:
        """Remove an image that did not pass."""

    def check_gpu(self, gpu: Gpu) -> None:
        """Raise EngineError, with the remedy, if it says that it cannot hand over this GPU; starts nothing."""

    def launch(self, image: BuiltImage, job: Job) -> Outcome:
        """Run the job to its end, its timeout or its death, and remove whatever it left.

        Raises EngineError if the engine itself fails. KeyboardInterrupt passes after the removal.
        """

    def enter(self, image: BuiltImage, job: Job) -> int:
        """Run the job with our own terminal as its input and output; returns its exit code. Nothing of it is kept.

        Raises EngineError if the engine fails.
        """

    def end(self, run: str) -> None:
        """End the launches of a run that are under way in other threads: each returns an outcome, or raises."""

    def reap(self, run: str | None = None) -> tuple[str, ...]:
        """Remove what earlier runs left (of one run, or of all past their deadline); returns what was removed.

        Of all: half-made images too, once no build can be at work on them.
        """
