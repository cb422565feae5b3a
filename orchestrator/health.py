"""The gate of a built image: it imports its framework, which is the promised version with the promised native code."""

import json
import re
from collections.abc import Mapping

from orchestrator.engines import BuiltImage, Engine, Job, Outcome
from orchestrator.gpu_code import judge_gpu_code, read_gpu_code
from orchestrator.images import ImageVariant
from orchestrator.shipped import shipped_folders

CHECK = "check.py"
SCAN = "fatbins.py"  # of images/, for every family
_TIMEOUT_S = 600.0
_LOG_LINES = 8
# A post-release is the same source built again, a local version (+cu113) the same source built for another CUDA.
_RELEASE = re.compile(r"\d+(?:\.\d+)*(?:(?:a|b|rc)\d+)?")


def check_image(engine: Engine, image: BuiltImage) -> str | None:
    """Run the family's `check.py` in an image and look for GPU code; returns what is wrong with it, None if nothing is.

    Raises EngineError if the engine fails.
    """
    answer = run_check(engine, image)
    wrong = answer if isinstance(answer, str) else judge_check(image.target, answer)
    return wrong or _check_gpu_code(engine, image)


def run_check(engine: Engine, image: BuiltImage) -> Mapping[str, object] | str:
    """Return what an image says of itself when it runs its family's `check.py`, or why it says nothing.

    Raises EngineError if the engine fails.
    """
    script = (image.target.image.folder / CHECK).read_bytes()
    outcome = engine.launch(image, Job(argv=("python", f"in/{CHECK}"), files={CHECK: script}, timeout_s=_TIMEOUT_S))
    ended = _bad_end(outcome)
    if ended:
        return f"{image.target.image.framework} does not start {ended}"
    return read_check(outcome.files.get("check.json", b""))


def _check_gpu_code(engine: Engine, image: BuiltImage) -> str | None:
    """Compare the GPU code of a CUDA build's libraries with its row; a CPU build promises none, and may have some."""
    variant = image.target.variant
    if not variant.compute or variant.compiled_at_run_time:
        return None
    script = next(path for folder in shipped_folders() if (path := folder / "images" / SCAN).is_file()).read_bytes()
    outcome = engine.launch(image, Job(argv=("python", f"in/{SCAN}"), files={SCAN: script}, timeout_s=_TIMEOUT_S))
    ended = _bad_end(outcome)
    if ended:
        return f"its libraries cannot be scanned for GPU code {ended}"
    found = read_gpu_code(outcome.files.get("gpu_code.json", b""))
    return found if isinstance(found, str) else judge_gpu_code(variant, found)


def _bad_end(outcome: Outcome) -> str | None:
    """Say how a launch ended, with the last lines of its log, if not well."""
    if outcome.status == "exited" and outcome.exit_code == 0:
        return None
    ended = f"exit code {outcome.exit_code}" if outcome.status == "exited" else outcome.status
    lines = outcome.log.strip().splitlines()[-_LOG_LINES:] or ["it says nothing"]
    tail = "\n".join(f"  {line}" for line in lines)
    return f"({ended}): {lines[-1]}\n{tail}"


def read_check(content: bytes) -> Mapping[str, object] | str:
    """Read what a check wrote (`out/check.json`), or say what is wrong with it."""
    try:
        found: object = json.loads(content)
    except ValueError:
        return "its check wrote no check.json that can be read"
    if not isinstance(found, dict) or not isinstance(found.get("version"), str):
        return "its check.json names no version"
    return found


def judge_check(target: ImageVariant, found: Mapping[str, object]) -> str | None:
    """Compare what an image said of itself with its row; returns the first difference."""
    differences = (
        _version_difference(target.image.version, str(found["version"])),
        None if found.get("works") is True else "a product of two matrices is wrong",
        _cuda_difference(target.variant.cuda, found["cuda"]) if "cuda" in found else None,
        _native_difference(target.variant.compute, found["native"]) if "native" in found else None,
    )
    return next((difference for difference in differences if difference), None)


def release(version: str) -> str:
    """Cut a version to what counts: `1.0.1.post2` and `1.0.1+cu100` are 1.0.1, `0.1.12_2` is 0.1.12."""
    found = _RELEASE.match(version)
    return found[0] if found else version


def _version_difference(promised: str, found: str) -> str | None:
    return None if release(promised) == release(found) else f"version {promised} promised, {found} found"


def _cuda_difference(promised: str | None, found: object) -> str | None:
    """A build may say its patch, 9.0.176, where the row says 9.0."""
    if found == promised or (promised and isinstance(found, str) and found.startswith(f"{promised}.")):
        return None
    return f"CUDA {promised or 'none'} promised, {found or 'none'} found"


def _native_difference(promised: tuple[str, ...], found: object) -> str | None:
    held = {str(name) for name in found} if isinstance(found, list) else set()
    missing = [compute for compute in promised if f"sm_{compute.replace('.', '')}" not in held]
    return f"no native code for {', '.join(missing)}: it has {' '.join(sorted(held))}" if missing else None
