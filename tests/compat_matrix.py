"""What is known of PyTorch's wheels, read without any of our own code: `tests/data/compat_matrix.csv`.

Source of each row: its column `source`, wheels and build scripts as of November 2026. `12.0:documented` and
`5.0:partial` PTX is claimed, or covers only a part of the kernels: it runs nothing above the native code.
"""

import csv
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

MATRIX = Path(__file__).parent / "data" / "compat_matrix.csv"
# Source: NVIDIA, "CUDA GPU Compute Capability".
GPUS = {
    "P100": (6, 0),
    "V100": (7, 0),
    "T4": (7, 5),
    "A100": (8, 0),
    "L4": (8, 9),
    "H100": (9, 0),
    "H200": (9, 0),
    "B200": (10, 0),
    "RTX 5090": (12, 0),
}

Numbers = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Wheel:
    """One line of the matrix: a release for one CUDA."""

    version: str
    cuda: str
    cudnn: str
    compute: tuple[str, ...]
    ptx: str
    min_driver: str

    @property
    def variant(self) -> str:
        return f"cu{self.cuda.replace('.', '')}"

    def is_native(self, gpu: Numbers) -> bool:
        return any(major == gpu[0] and minor <= gpu[1] for major, minor in map(numbers, self.compute))

    def is_compiled(self, gpu: Numbers) -> bool:
        return re.fullmatch(r"\d+\.\d+", self.ptx) is not None and numbers(self.ptx) <= gpu

    def starts_on(self, driver: str | None) -> bool:
        return driver is None or numbers(driver) >= numbers(self.min_driver)


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What the matrix says of a release on a GPU."""

    variant: str | None  # None: nothing runs
    jit: bool = False
    driver: str | None = None  # the lowest that would do, where only the driver is in the way


@cache
def read_matrix() -> tuple[Wheel, ...]:
    """Return the wheels of PyTorch, in the order of the file."""
    with MATRIX.open(encoding="utf-8", newline="") as file:
        return tuple(
            Wheel(
                version=row["version"],
                cuda=row["cuda"],
                cudnn=row["cudnn"],
                compute=tuple(row["sm_archs"].split()),
                ptx=row["ptx"],
                min_driver=row["min_driver"],
            )
            for row in csv.DictReader(file)
            if row["framework"] == "pytorch"
        )


def numbers(text: str) -> Numbers:
    """Return a dotted number as what it is compared by: 10.2 is above 9.2."""
    return tuple(int(part) for part in text.split("."))


def release(version: str) -> str:
    """Return the release that a row is of, as the matrix has it: 0.3.1post2 is of 0.3.1, 1.0.1-py27 of 1.0.1."""
    found = re.match(r"\d+\.\d+\.\d+", version)
    assert found is not None, version
    return found[0]


def newest_patches(oldest: Numbers) -> frozenset[str]:
    """Return the newest patch that the matrix has of each minor release from one on."""
    in_order = sorted(read_matrix(), key=lambda wheel: numbers(wheel.version))
    newest = {numbers(wheel.version)[:2]: wheel.version for wheel in in_order}
    return frozenset(version for minor, version in newest.items() if minor >= oldest)


def expect(version: str, gpu: str, driver: str | None) -> Expected:
    """Say what the matrix alone would choose: the newest CUDA with native code, else one that is compiled."""
    wheels = sorted(
        (wheel for wheel in read_matrix() if wheel.version == release(version)),
        key=lambda wheel: numbers(wheel.cuda),
    )
    native = [wheel for wheel in wheels if wheel.is_native(GPUS[gpu])]
    compiled = [wheel for wheel in wheels if wheel.is_compiled(GPUS[gpu])]
    for candidates in (native, compiled):
        started = [wheel for wheel in candidates if wheel.starts_on(driver)]
        if started:
            return Expected(variant=started[-1].variant, jit=candidates is compiled)
    floors = sorted((wheel.min_driver for wheel in (*native, *compiled)), key=numbers)
    return Expected(variant=None, driver=floors[0] if floors else None)
