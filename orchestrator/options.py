"""What the command line says, for every verb."""

from dataclasses import dataclass
from pathlib import Path

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
    yes: bool = False
    locked: bool = False
    fresh: bool = False
    use_python: tuple[str, ...] = ()  # IMAGE=PATH each: interpreters in place of built images
