"""An NVIDIA driver library with GPUs of the test's choice: the real NVML binding, and so the real `orch`, loads it."""

import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

from tests.toy_project import Toy, edit

HAS_COMPILER = shutil.which("cc") is not None
SOURCES = Path(__file__).parent / "data" / "nvidia_driver"
GPU_0 = "gpu|GPU-aaaaaaaa-0000|NVIDIA H100|9.0|700000|81559|0"
GPU_1 = "gpu|GPU-bbbbbbbb-1111|NVIDIA H100|9.0|700000|81559|0"


@dataclass(frozen=True, kw_only=True)
class NvidiaDriver:
    """The library in a folder of its own, beside the file that says which GPUs it has."""

    folder: Path

    @property
    def env(self) -> dict[str, str]:
        """What a program needs to find this driver."""
        return {"LD_LIBRARY_PATH": str(self.folder), "FAKE_NVML": str(self.folder / "gpus.txt")}

    def show(self, *lines: str, version: str = "570.86.15") -> None:
        """Show these GPUs and processes from now on; lines as nvml.c describes them."""
        changed = self.folder / "gpus.new"
        changed.write_text("\n".join((f"driver|{version}", *lines)) + "\n", encoding="utf-8")
        changed.replace(self.folder / "gpus.txt")


def compile_library(source: str, library: Path) -> None:
    """Make a library of the driver from its source in C, in a new folder."""
    library.parent.mkdir(parents=True)
    subprocess.run(("cc", "-shared", "-fPIC", "-o", str(library), str(SOURCES / source)), check=True)


def make_driver(folder: Path, *lines: str) -> NvidiaDriver:
    """Compile the library into a new folder and show these GPUs."""
    compile_library("nvml.c", folder / "libnvidia-ml.so.1")
    driver = NvidiaDriver(folder=folder)
    driver.show(*lines)
    return driver


def with_cuda(toy: Toy, driver: NvidiaDriver) -> Toy:
    """Give the versions of the toy framework a CUDA build, and `orch` this driver."""
    variant = '{cuda: "11.7", compute: ["9.0"], compiled_at_run_time: true, min_driver: "450.80.02", source: tests}'
    edit(toy.project / "images" / "toy" / "versions.yaml", "^      cpu: {}", f"      cu117: {variant}\n      cpu: {{}}")
    return replace(toy, env={**toy.env, **driver.env})
