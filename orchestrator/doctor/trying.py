"""The steps that start something: each is tried only if the one before it went well, in an image that is here."""

from collections.abc import Iterator
from dataclasses import replace

from orchestrator import console
from orchestrator.doctor.checks import Advice, Check, not_reached
from orchestrator.doctor.facts import System
from orchestrator.doctor.packages import find_libcuda
from orchestrator.doctor.probing import (
    CUDA,
    FRAMEWORK,
    HOST_CUDA,
    SIGHT,
    judge_cuda,
    judge_sight,
    own_python,
    see_gpu,
    try_framework,
)
from orchestrator.engines import BuiltImage, Engine
from orchestrator.hardware import Gpu
from orchestrator.specs import Device

BUILD_FIRST = Advice(text="Nothing is pulled or built unasked. Build, then look again:", commands=("orch build",))


def try_here(venv: Engine, gpu: Gpu, system: System) -> Check:
    """Start CUDA in a process of this machine, without a container."""
    report, _ = see_gpu(venv, own_python(), gpu)
    check = judge_cuda(report, gpu, HOST_CUDA)
    return replace(check, advice=find_libcuda(system)) if "libcuda.so.1: cannot open" in check.found else check


def try_in_container(
    docker: Engine, gpu: Gpu, image: BuiltImage | None, computing: BuiltImage | None
) -> Iterator[Check]:
    """Hand the GPU over to a container: is it seen, does CUDA start, does a framework compute?

    image: where to look; None: there is none on the engine. computing: a built one for this GPU, None: none is.
    """
    if image is None:
        yield Check(name=SIGHT, state="not reached", found="no image on the engine to try it in", advice=BUILD_FIRST)
        yield not_reached(CUDA, SIGHT)
        yield not_reached(FRAMEWORK["cuda"], SIGHT)
        return
    console.note(f"Handing GPU {gpu.address} over to a container of {image.reference} …")
    report, mode = see_gpu(docker, image, gpu)
    sight = judge_sight(report, mode, image.reference)
    yield sight
    if not sight.is_good:
        yield not_reached(CUDA, SIGHT)
        yield not_reached(FRAMEWORK["cuda"], SIGHT)
        return
    cuda = judge_cuda(report, gpu)
    yield cuda
    yield try_computing(docker, computing, gpu) if cuda.is_good else not_reached(FRAMEWORK["cuda"], CUDA)


def try_computing(engine: Engine, image: BuiltImage | None, gpu: Gpu | None) -> Check:
    """Let a framework compute on the GPU, or (None) on the CPU."""
    device: Device = "cpu" if gpu is None else "cuda"
    if image is None:
        found = f"no built image computes on this {'CPU' if gpu is None else 'GPU'}"
        return Check(name=FRAMEWORK[device], state="not reached", found=found, advice=BUILD_FIRST)
    console.note(f"Computing in {image.reference} …")
    return try_framework(engine, image, gpu)
