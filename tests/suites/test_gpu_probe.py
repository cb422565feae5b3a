"""What the doctor runs inside images, by every interpreter found: against a CUDA library of our making, and without."""

import json
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.doctor import probing
from tests.bench import interpreters
from tests.nvidia_driver import HAS_COMPILER, compile_library

PYTHONS = interpreters() or {platform.python_version(): sys.executable}
PROBE = Path(probing.__file__).parent / "gpu_probe.py"
needs_compiler = pytest.mark.skipif(not HAS_COMPILER, reason="needs a C compiler, to make a driver library")


def probe(python: str, folder: Path, said: str | None = None) -> dict[str, object]:
    """Run the probe; said: what the CUDA library answers, see cuda.c; None: there is no library."""
    (folder / "out").mkdir()
    env = {}
    if said is not None:
        compile_library("cuda.c", folder / "driver" / "libcuda.so.1")
        env = {"LD_LIBRARY_PATH": str(folder / "driver"), "FAKE_CUDA": said}
    subprocess.run((python, str(PROBE)), cwd=folder, env=env, check=True, timeout=60)
    found: dict[str, object] = json.loads((folder / "out" / "gpu.json").read_text(encoding="utf-8"))
    return found


@needs_compiler
@pytest.mark.parametrize("version", PYTHONS)
def test_every_gpu_is_told_with_its_capability(version: str, tmp_path: Path) -> None:
    found = probe(PYTHONS[version], tmp_path, "0|9.0|NVIDIA H100|12.0|NVIDIA GeForce RTX 5090")

    assert found["gpus"] == [["NVIDIA H100", "9.0"], ["NVIDIA GeForce RTX 5090", "12.0"]]
    assert (found["cuda"], found["error"]) == ("12.8", "")


@needs_compiler
@pytest.mark.parametrize(
    ("code", "error"),
    [
        (
            "804",
            "cuInit returned 804: CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE "
            "(forward compatibility was attempted on non supported HW)",
        ),
        ("100", "cuInit returned 100: CUDA_ERROR_NO_DEVICE (no CUDA-capable device is detected)"),
        ("4711", "cuInit returned 4711: an unknown error ()"),
    ],
)
def test_an_error_of_cuda_is_told_with_its_name(code: str, error: str, tmp_path: Path) -> None:
    found = probe(sys.executable, tmp_path, code)

    assert (found["error"], found["gpus"]) == (error, [])


@pytest.mark.skipif(Path("/dev/nvidia0").exists(), reason="this machine has a GPU, and its library")
@pytest.mark.parametrize("version", PYTHONS)
def test_without_a_library_the_loaders_own_words_are_told(version: str, tmp_path: Path) -> None:
    found = probe(PYTHONS[version], tmp_path)

    assert found["error"] == "libcuda.so.1: cannot open shared object file: No such file or directory"
    assert found["devices"] == []
