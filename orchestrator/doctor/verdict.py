"""From all checks to what a person wants to know: what can run here, and what to type next."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from orchestrator.doctor.checks import Check, find_check, is_good
from orchestrator.doctor.engine_checks import BUILDX, ENGINE, TOOLKIT
from orchestrator.doctor.gpu_checks import DRIVER, MIG
from orchestrator.doctor.probing import CUDA, FRAMEWORK, HOST_CUDA, SIGHT
from orchestrator.doctor.suite_checks import VENV
from orchestrator.errors import Exit
from orchestrator.specs import Device

# The steps to a GPU, in their order; each needs the one before it.
IN_CONTAINERS = (DRIVER, MIG, ENGINE, TOOLKIT, SIGHT, CUDA, FRAMEWORK["cuda"])
IN_ENVIRONMENTS = (DRIVER, MIG, HOST_CUDA, VENV, FRAMEWORK["cuda"])
PLACES = {"docker": "in Docker containers", "venv": "in virtual environments"}
DEVICE_NAMES = {"cuda": "GPU", "cpu": "CPU"}


@dataclass(frozen=True, kw_only=True)
class Way:
    """One way to run studies here."""

    engine: str  # docker, venv
    device: Device


@dataclass(frozen=True, kw_only=True)
class Means:
    """What is here besides what the checks say."""

    has_built: bool = False  # images on the engine: without buildx they still run
    has_gpu: bool = False  # in the machine, whether it can be used or not
    gpu: str = ""  # name of the one that the driver shows
    on_gpu: frozenset[str] = frozenset()  # engines that have an image with code for it
    has_quickstart: bool = True  # the suite of the first look
    host: str = ""  # of --host; empty: this machine

    @property
    def is_unsupported(self) -> bool:
        """Whether there is a GPU that no image has code for: nothing that could be repaired."""
        return bool(self.gpu) and not self.on_gpu


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """All checks and what follows from them."""

    checks: tuple[Check, ...]
    ways: tuple[Way, ...]  # the best first
    verdict: tuple[str, ...]  # sentences
    next: str  # what to type
    exit_code: Exit


def diagnose(checks: Sequence[Check], means: Means, device: str) -> Diagnosis:
    """Draw the conclusions. device: auto, cpu or cuda, as asked."""
    ways = tuple(way for way in _all_ways(checks, means) if device in {"auto", way.device})
    is_wanted = device == "cuda" or (device == "auto" and means.has_gpu)
    broken = _broken_step(checks) if is_wanted and not means.is_unsupported else None
    is_proven = device != "cuda" or is_whole(checks)
    return Diagnosis(
        checks=tuple(checks),
        ways=ways,
        verdict=tuple(_sentences(checks, means, ways, broken, device)),
        next=_next(checks, means, ways, broken, device),
        exit_code=Exit.OK if ways and is_proven else Exit.ENGINE,
    )


def is_whole(checks: Sequence[Check]) -> bool:
    """Say whether a GPU was proven to compute, in containers or in virtual environments."""
    return any(all(is_good(checks, name) for name in path) for path in (IN_CONTAINERS, IN_ENVIRONMENTS))


def _all_ways(checks: Sequence[Check], means: Means) -> list[Way]:
    """Return what should work: nothing on the way is missing; on a GPU, as far as it could be tried."""
    computes = not _is_missing(checks, FRAMEWORK["cpu"])
    in_containers = is_good(checks, ENGINE) and (is_good(checks, BUILDX) or means.has_built)
    on_gpu = {
        "docker": in_containers and _is_open(checks, IN_CONTAINERS, TOOLKIT),
        "venv": _is_open(checks, IN_ENVIRONMENTS, HOST_CUDA),
    }
    on_cpu = {"docker": in_containers and computes, "venv": is_good(checks, VENV) and computes}
    return [
        *(Way(engine=name, device="cuda") for name, is_open in on_gpu.items() if is_open and name in means.on_gpu),
        *(Way(engine=name, device="cpu") for name, is_open in on_cpu.items() if is_open),
    ]


def _is_open(checks: Sequence[Check], path: Sequence[str], least: str) -> bool:
    """Say whether a path is good up to a step, and no step after it failed."""
    return all(is_good(checks, name) for name in (DRIVER, least)) and not any(
        _is_missing(checks, name) for name in path
    )


def _is_missing(checks: Sequence[Check], name: str) -> bool:
    check = find_check(checks, name)
    return check is not None and check.state == "missing"


def _broken_step(checks: Sequence[Check]) -> Check | None:
    """Return the first step to the GPU that failed: into containers, where an engine answers."""
    path = IN_CONTAINERS if is_good(checks, ENGINE) else IN_ENVIRONMENTS
    found = (find_check(checks, name) for name in path)
    return next((check for check in found if check is not None and check.state == "missing"), None)


def _sentences(
    checks: Sequence[Check], means: Means, ways: Sequence[Way], broken: Check | None, device: str
) -> Iterator[str]:
    on_gpu, here = bool(ways) and ways[0].device == "cuda", f"on {means.host}" if means.host else "here"
    is_unproven = on_gpu and not is_whole(checks)
    if ways:
        places = " or ".join(PLACES[way.engine] for way in ways if way.device == ways[0].device)
        name = f"GPU ({means.gpu})" if on_gpu and means.gpu else DEVICE_NAMES[ways[0].device]
        yield f"Studies {'should' if is_unproven else 'can'} run {here} on the {name}, {places}."
    else:
        yield f"Nothing can run {here}{' on a GPU' if device == 'cuda' else ''} yet."
    if broken is not None:
        yield f"{'In containers it' if on_gpu else 'The GPU'} cannot be used: {broken.name}: {broken.found}."
    if is_unproven:
        yield "Nothing has computed on it yet: no image that could is built."
    elif means.is_unsupported:
        yield "No image has code for this GPU under this driver: `orch plan` says why, image by image."
    elif device == "auto" and not means.has_gpu:
        yield f"No NVIDIA GPU is to be seen {'there' if means.host else 'here'}."


def _next(checks: Sequence[Check], means: Means, ways: Sequence[Way], broken: Check | None, device: str) -> str:
    host = f" --host {means.host}" if means.host else ""
    again = f"orch doctor{host}" if device == "auto" else f"orch doctor{host} --device {device}"
    repair = f"repair '{broken.name}' as said below, then: {again}" if broken is not None else ""
    if not ways and means.is_unsupported:
        return f"orch plan{host}"
    if not ways:
        return repair or f"install what is missing, as said below, then: {again}"
    engine = " --engine venv" if ways[0].engine == "venv" and is_good(checks, ENGINE) else host
    if ways[0].device == "cuda" and device == "cuda" and not is_whole(checks):
        run = f"orch build{engine} && {again}"
    elif ways[0].device == "cuda" or not means.has_quickstart:
        on_cpu = " --device cpu" if ways[0].device == "cpu" and means.gpu else ""
        run = f"orch build{engine}{on_cpu} && orch run{engine}{on_cpu}"
    else:
        run = f"orch run quickstart{engine}"
    return f"{repair}; or at once, without it: {run}" if repair else run
