"""The scan of GPU code on real wheels, `make scan-check`: rows promise what is there, and two known traps are caught.

    make scan-check                              the traps, and the wheels of IMAGES
    make scan-check ARGS="pytorch-{1.6.0,2.9.1}" the framework's wheel of every locked CUDA build of these

Each wheel is fetched by its hash, unpacked and scanned; what was fetched is removed again. One of PyTorch has up to
0.9 GB. Prints a line for each; ends in 1 if a wheel does not hold what its row promises, or a trap is not caught.
"""

import os
import subprocess
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from packaging.requirements import Requirement

from orchestrator import console
from orchestrator.catalog import load_images, match_images
from orchestrator.errors import OrchError
from orchestrator.fetching import fetch_files
from orchestrator.gpu_code import FatBinaries, judge_gpu_code, read_gpu_code
from orchestrator.images import Image, ImageVariant
from orchestrator.locking import Lock, Pin, is_locked, read_lock
from orchestrator.options import Options
from orchestrator.wheelhouse import Wheelhouse
from orchestrator.workbench import Workbench

ROOT = Path(__file__).parents[1]
SCAN = ROOT / "images" / "fatbins.py"
IMAGES = ("pytorch-{1.0.1,1.4.0,1.13.1,2.0.1}", "tensorflow2-2.15.1")


@dataclass(frozen=True, kw_only=True)
class Case:
    """One wheel against one row."""

    target: ImageVariant
    lock: Lock  # of this wheel alone
    index: str | None = None
    is_trap: bool = False  # a neighbour of the row's wheel that does not hold what the row promises

    @property
    def name(self) -> str:
        (pin,) = self.lock.pins
        return f"{pin.what} as {self.target.name}" if self.is_trap else self.target.name


# Patch releases are not interchangeable: 1.12.3 has code for 3.7 only, 1.15.5 without -gpu has none for any GPU.
TRAPS = {
    "tensorflow1-1.12.0": Pin(
        name="tensorflow-gpu",
        version="1.12.3",
        file="tensorflow_gpu-1.12.3-cp36-cp36m-manylinux1_x86_64.whl",
        sha256="37134af7dfa027c40bad82ef10275bdcff60ba90c193ffbba553ccf0a6f650f1",
        bytes=127815661,
    ),
    "tensorflow1-1.15.5": Pin(
        name="tensorflow",
        version="1.15.5",
        file="tensorflow-1.15.5-cp36-cp36m-manylinux2010_x86_64.whl",
        sha256="530c35578b48462df88253e9196f7fbe1815e2932a340295b025072b58d6e3da",
        bytes=110503771,
    ),
}


def main(arguments: Sequence[str]) -> int:
    """Scan the wheels; returns the exit code."""
    bench = Workbench(Options(project=ROOT, device="cpu"), cwd=Path.cwd(), env=os.environ)
    try:
        known = load_images(bench.project)
        images = [image for pattern in arguments or IMAGES for image in match_images(known, pattern)]
        cases = [*([] if arguments else traps(known)), *(case for image in images for case in cases_of(image))]
        bad = [case for case in cases if check(bench.wheelhouse, case)]
        return int(bool(bad))
    except OrchError as error:
        console.note(f"make scan-check: {error}")
        return error.exit_code


def traps(known: Sequence[Image]) -> Iterator[Case]:
    for name, pin in TRAPS.items():
        (image,) = match_images(known, name)
        (target,) = (ImageVariant(image=image, variant=variant) for variant in image.variants if variant.cuda)
        lock = Lock(image=name, python="3.6.15", base="", base_digest=None, date="", pins=(pin,))
        yield Case(target=target, lock=lock, is_trap=True)


def cases_of(image: Image) -> Iterator[Case]:
    for target in (ImageVariant(image=image, variant=variant) for variant in image.variants if variant.compute):
        if is_locked(target) and not target.variant.compiled_at_run_time:
            lock = read_lock(target.lock_path)
            framework = Requirement(target.requirements[0]).name
            pins = tuple(pin for pin in lock.pins if pin.name == framework)
            yield Case(target=target, lock=replace(lock, pins=pins, build_pins=()), index=target.variant.index)


def check(wheelhouse: Wheelhouse, case: Case) -> bool:
    """Scan one wheel and say what was found; returns whether that is not as it should be."""
    missing = wheelhouse.missing(case.lock)
    fetch_files(wheelhouse, case.lock, case.index)
    with tempfile.TemporaryDirectory(prefix="orch-scan-") as folder:
        for pin in case.lock.pins:
            unpack_libraries(wheelhouse.path(pin), Path(folder))
        begin = time.monotonic()
        found = scan(Path(folder))
        elapsed_s = time.monotonic() - begin
    for pin in missing:
        wheelhouse.path(pin).unlink(missing_ok=True)
    wrong = judge_gpu_code(case.target.variant, found)
    is_bad = (wrong is None) is case.is_trap
    console.result(f"{'BAD ' if is_bad else 'ok  '} {case.name} ({elapsed_s:.1f} s): {wrong or summary(found)}")
    return is_bad


def unpack_libraries(wheel: Path, folder: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if ".so" in name:
                archive.extract(name, folder)


def scan(folder: Path) -> tuple[FatBinaries, ...]:
    """Run the script of the images on a folder."""
    (folder / "out").mkdir()
    subprocess.run([sys.executable, str(SCAN), str(folder)], cwd=folder, check=True, timeout=600)
    found = read_gpu_code((folder / "out" / "gpu_code.json").read_bytes())
    assert not isinstance(found, str), found
    return found


def summary(found: Sequence[FatBinaries]) -> str:
    counts: Counter[str] = Counter()
    for one in found:
        counts.update(dict.fromkeys((*one.native, *one.ptx), one.count))
    return " ".join(f"{name}:{count}" for name, count in counts.items())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
