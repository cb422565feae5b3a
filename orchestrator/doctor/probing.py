"""Try the GPU for real: a program that sees it, CUDA's own start, and a framework that computes on it."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path

from orchestrator.doctor.checks import Advice, Check
from orchestrator.doctor.facts import GpuReport
from orchestrator.engines import BuiltImage, Engine, Job, Outcome
from orchestrator.errors import EngineError
from orchestrator.hardware import Gpu
from orchestrator.images import Image, ImageVariant, Variant
from orchestrator.remedies import find_remedy
from orchestrator.specs import Device

HOST_CUDA, SIGHT, CUDA = "CUDA on this machine", "GPU in a container", "CUDA in an image"
FRAMEWORK = {"cpu": "framework on the CPU", "cuda": "framework on the GPU"}
OPERATIONS = ("matmul", "convolution")
PROBE = "probe.py"  # of a family
_GPU_PROBE = Path(__file__).parent / "gpu_probe.py"
_TIMEOUT_S = 300.0  # an old build may compile for minutes before its first result


def see_gpu(engine: Engine, image: BuiltImage, gpu: Gpu) -> tuple[GpuReport | str, str]:
    """Return what a program in an image sees of a GPU, or why it could not run, and how the GPU was handed over."""
    files = {_GPU_PROBE.name: _GPU_PROBE.read_bytes()}
    job = Job(argv=("python", f"in/{_GPU_PROBE.name}"), files=files, timeout_s=_TIMEOUT_S, gpu=gpu)
    try:
        outcome = engine.launch(image, job)
    except EngineError as error:
        return str(error), "none"
    report = _read_json(outcome, "gpu.json")
    return (report if isinstance(report, str) else _gpu_report(report)), outcome.gpu_mode


def judge_sight(report: GpuReport | str, mode: str, image: str) -> Check:
    """Judge whether the program was handed a GPU at all."""
    if isinstance(report, str):
        return Check(name=SIGHT, state="missing", found=_without_remedy(report), advice=_known_advice(report))
    if not report.devices:
        text = f"It started, but no GPU was handed over ({mode}). {find_remedy('CUDA_ERROR_NO_DEVICE') or ''}"
        found = f"{image} has no /dev/nvidia*"
        return Check(name=SIGHT, state="missing", found=found, advice=Advice(text=text.strip()))
    return Check(name=SIGHT, state="ok", found=f"{image} has {', '.join(report.devices)} (by {mode})")


def judge_cuda(report: GpuReport | str, gpu: Gpu, name: str = CUDA) -> Check:
    """Judge whether CUDA starts and shows the GPU that was handed over, and no other."""
    error = report if isinstance(report, str) else report.error
    if isinstance(report, str) or error:
        return Check(name=name, state="missing", found=error, advice=_known_advice(error))
    if not report.gpus:
        text = str(find_remedy("CUDA_ERROR_NO_DEVICE") or "")
        return Check(name=name, state="missing", found="CUDA starts, but shows no GPU", advice=Advice(text=text))
    found = f"CUDA {report.cuda}: " + ", ".join(f"{known} (compute {compute})" for known, compute in report.gpus)
    if len(report.gpus) > 1 or report.gpus[0][1] != gpu.compute:
        text = (
            f"One GPU of compute {gpu.compute} was asked for. Is a default runtime or a variable handing over others?"
        )
        return Check(name=name, state="warning", found=found, advice=Advice(text=text))
    return Check(name=name, state="ok", found=found)


def try_framework(engine: Engine, image: BuiltImage, gpu: Gpu | None) -> Check:
    """Let the framework of an image multiply matrices and convolve, on a GPU or (None) on the CPU."""
    device: Device = "cpu" if gpu is None else "cuda"
    script = (image.target.image.folder / PROBE).read_bytes()
    job = Job(argv=("python", f"in/{PROBE}", device), files={PROBE: script}, timeout_s=_TIMEOUT_S, gpu=gpu)
    try:
        report = _read_json(engine.launch(image, job), "probe.json")
    except EngineError as error:
        report = str(error)
    return judge_framework(report, image.target.name, device)


def judge_framework(report: Mapping[str, object] | str, image: str, device: Device) -> Check:
    """Judge what a family's probe reported."""
    name = FRAMEWORK[device]
    if isinstance(report, str):
        return Check(name=name, state="missing", found=f"{image}: {report}", advice=_known_advice(report))
    wrong = {operation: str(report.get(operation)) for operation in OPERATIONS if report.get(operation) != "ok"}
    if not wrong:
        found = f"{image}: one matrix product and one convolution are right"
        return Check(name=name, state="ok", found=found)
    said = "; ".join(f"{' and '.join(names)}: {line}" for line, names in _by_line(wrong).items())
    return Check(name=name, state="missing", found=f"{image}: {said}", advice=_known_advice(" ".join(wrong.values())))


def _by_line(wrong: Mapping[str, str]) -> Mapping[str, list[str]]:
    """Put the operations that fail with the same words together: the first line is the error, hints follow."""
    lines: dict[str, list[str]] = {}
    for operation, text in wrong.items():
        lines.setdefault((text.strip().splitlines() or ["no reason"])[0], []).append(operation)
    return lines


def own_python() -> BuiltImage:
    """Return the interpreter of orch itself as an image of the venv engine, to look at this machine with."""
    python = Path(sys.executable)
    row = Image(
        family="orch",
        framework="none",
        version="0",
        released="",
        python=".".join(str(part) for part in sys.version_info[:3]),
        base="",
        requirements=(),
        variants=(),
        folder=python.parent,
        own_python=python,
    )
    target = ImageVariant(image=row, variant=Variant(name="host"))
    return BuiltImage(target=target, reference=str(python), digest="", base="", inputs_sha256="", lock_sha256="")


def _gpu_report(report: Mapping[str, object]) -> GpuReport:
    devices, gpus = report.get("devices"), report.get("gpus")
    return GpuReport(
        devices=tuple(str(name) for name in devices) if isinstance(devices, list) else (),
        error=str(report.get("error", "")),
        cuda=str(report.get("cuda", "")),
        gpus=tuple((str(name), str(compute)) for name, compute in gpus) if isinstance(gpus, list) else (),
    )


def _read_json(outcome: Outcome, file: str) -> Mapping[str, object] | str:
    """Read what a probe wrote, or say how it ended."""
    if outcome.status == "exited" and outcome.exit_code == 0:
        try:
            report: object = json.loads(outcome.files.get(file, b""))
        except ValueError:
            report = None
        return report if isinstance(report, dict) else f"it wrote no {file} that can be read"
    lines = outcome.log.strip().splitlines() or ["it says nothing"]
    ended = f"exit code {outcome.exit_code}" if outcome.status == "exited" else outcome.status
    return f"{lines[-1]} ({ended})"


def _without_remedy(text: str) -> str:
    """Keep what happened of an engine error; the remedy is said apart."""
    known = find_remedy(text)
    return (text.replace(known.remedy, "") if known else text).removeprefix("docker: ").rstrip(". ")


def _known_advice(text: str) -> Advice:
    known = find_remedy(text)
    return Advice(text=str(known)) if known else Advice()
