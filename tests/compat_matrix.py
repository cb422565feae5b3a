"""What is known of the frameworks' CUDA builds, read without any of our own code: `tests/data/compat_matrix.csv`.

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

# The driver a CUDA version came with, the oldest that compiles its PTX. Source: NVIDIA, CUDA Toolkit release notes.
OWN_DRIVERS = {
    "8.0": "375.26",
    "9.0": "384.81",
    "10.0": "410.48",
    "10.1": "418.39",
    "11.0": "450.51.06",
    "11.2": "460.27.03",
    "11.8": "520.61.05",
    "12.2": "535.54.03",
    "12.3": "545.23.06",
    "12.5": "555.42.02",
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

    def floor(self, *, jit: bool) -> str:
        """Return the lowest driver: PTX needs the one that its CUDA version came with."""
        return max(self.min_driver, OWN_DRIVERS[self.cuda], key=numbers) if jit else self.min_driver


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What the matrix says of a release on a GPU."""

    variant: str | None  # None: nothing runs
    jit: bool = False
    driver: str | None = None  # the lowest that would do, where only the driver is in the way


@cache
def read_matrix(framework: str = "pytorch") -> tuple[Wheel, ...]:
    """Return the builds of a framework, in the order of the file; of several PTX the highest."""
    with MATRIX.open(encoding="utf-8", newline="") as file:
        return tuple(
            Wheel(
                version=row["version"],
                cuda=row["cuda"],
                cudnn=row["cudnn"],
                compute=tuple(row["sm_archs"].split()),
                ptx=row["ptx"].split()[-1] if row["ptx"] else "",
                min_driver=row["min_driver"],
            )
            for row in csv.DictReader(file)
            if row["framework"] == framework and not row["install_route"].startswith("AVOID")
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


def expect(version: str, gpu: str, driver: str | None, framework: str = "pytorch") -> Expected:
    """Say what the matrix alone would choose: the newest CUDA with native code, else one that is compiled."""
    wheels = sorted(
        (wheel for wheel in read_matrix(framework) if wheel.version == release(version)),
        key=lambda wheel: numbers(wheel.cuda),
    )
    native = [wheel for wheel in wheels if wheel.is_native(GPUS[gpu])]
    compiled = [wheel for wheel in wheels if wheel not in native and wheel.is_compiled(GPUS[gpu])]
    for candidates in (native, compiled):
        jit = candidates is compiled
        started = [wheel for wheel in candidates if driver is None or numbers(driver) >= numbers(wheel.floor(jit=jit))]
        if started:
            return Expected(variant=started[-1].variant, jit=jit)
    floors = [wheel.floor(jit=jit) for jit, found in ((False, native), (True, compiled)) for wheel in found]
    return Expected(variant=None, driver=min(floors, key=numbers, default=None))
