"""What the command line says, for every verb."""

from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import UsageError

DEVICES = ("auto", "cpu", "cuda")
ENGINE_NAMES = ("auto", "docker", "venv")


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the command line says."""

    project: Path | None = None
    suite: str | None = None
    profile: str | None = None
    device: str = "auto"
    engine: str = "auto"
    gpu: str | None = None  # plan for this one, of the table, in place of the machine's
    driver: str | None = None
    gpus: str | None = None  # compute on these of the machine: 0, GPU-…, 1:0, several with commas, all
    yes: bool = False
    resolve: bool = False  # what has no committed lock; False: it is unsupported
    fresh: bool = False
    use_python: tuple[str, ...] = ()  # IMAGE=PATH each: interpreters in place of built images
    host: str | None = None  # ssh://[user@]host[:port]: the machine where images are built and launches run

    @property
    def engine_names(self) -> tuple[str, ...]:
        """The engines that may be taken, the best first: containers alone run on another machine.

        Raises UsageError where options contradict each other.
        """
        if self.engine not in ENGINE_NAMES:
            raise UsageError(f"--engine {self.engine}: unknown engine. Known: {', '.join(ENGINE_NAMES)}.")
        if self.use_python and self.host:
            raise UsageError("--use-python: an interpreter of this machine does not run on another. Drop --host.")
        if self.use_python and self.engine == "docker":
            raise UsageError("--use-python: an interpreter of this machine runs in no container. Drop --engine docker.")
        if self.host and self.engine == "venv":
            raise UsageError("--engine venv: its environments are of this machine. Drop it, or --host.")
        if self.use_python:
            return ("venv",)
        if self.host:
            return ("docker",)
        return ENGINE_NAMES[1:] if self.engine == "auto" else (self.engine,)
