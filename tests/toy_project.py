"""A project with a framework of a few lines: real wheels, real locks, real builds, in a second.

toy 1.0.0 works, 2.0.0 does 1.5 times the work for the same result, 3.0.0 does not import.
"""

import base64
import hashlib
import shutil
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
DATA = Path(__file__).parent / "data" / "toy"
SLOWDOWN = 1.5
SOURCES = {
    "1.0.0": "def work(n):\n    return sum(i % 7 for i in range(n)) * 1.0\n",
    "2.0.0": (
        "def work(n):\n    x = sum(i % 7 for i in range(n)) * 1.0\n"
        f"    sum(i % 7 for i in range(int(n * {SLOWDOWN - 1})))\n    return x\n"
    ),
    "3.0.0": "raise ImportError('libtoy.so.3: cannot open shared object file')\n",
}


def make_project(folder: Path) -> Path:
    """Copy the toy project and the harness to a folder of their own."""
    project = folder / "project"
    shutil.copytree(DATA, project)
    for source in (ROOT / "suites" / "benchmarks").glob("*.py"):
        shutil.copy(source, project / "suites" / "benchmarks")
    shutil.copy(ROOT / "images" / "jax" / "Dockerfile", project / "images" / "toy")
    for installers in (ROOT / "images").glob("installers.*"):
        shutil.copy(installers, project / "images")
    return project


def make_wheels(folder: Path) -> Path:
    """Write the wheels of all versions to a folder that pip can use as --find-links."""
    folder.mkdir(parents=True, exist_ok=True)
    for version, source in SOURCES.items():
        write_wheel(folder / f"toy-{version}-py3-none-any.whl", "toy", version, f"__version__ = {version!r}\n{source}")
    return folder


def write_wheel(path: Path, name: str, version: str, source: str) -> None:
    """Write a wheel with one module."""
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}/__init__.py": source,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{file},sha256={_hash(text)},{len(text)}\n" for file, text in files.items())
    files[f"{info}/RECORD"] += f"{info}/RECORD,,\n"
    with zipfile.ZipFile(path, "w") as wheel:
        for file, text in files.items():
            wheel.writestr(zipfile.ZipInfo(file, (2026, 1, 1, 0, 0, 0)), text)


def _hash(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
