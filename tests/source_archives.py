"""Source archives of frameworks of one line, and the tool that makes wheels of them: real archives, no network."""

import hashlib
import io
import tarfile
import zipfile
from pathlib import Path

TOOL = "toy-tool"
# A build backend (PEP 517) that needs nothing else. Its wheel has the date it is told, else that of today.
_BACKEND = """
import os, time, zipfile

def build_wheel(folder, config_settings=None, metadata_directory=None):
    name, version = open("NAME").read().split()
    date = time.gmtime(int(os.environ.get("SOURCE_DATE_EPOCH", time.time())))[:6]
    info = "%s-%s.dist-info" % (name, version)
    files = {
        name + ".py": open(name + ".py").read() + "BUILT = %r\\n" % (date,),
        info + "/METADATA": "Metadata-Version: 2.1\\nName: %s\\nVersion: %s\\n" % (name, version),
        info + "/WHEEL": "Wheel-Version: 1.0\\nGenerator: toy\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
        info + "/RECORD": "",
    }
    wheel = "%s-%s-py3-none-any.whl" % (name, version)
    with zipfile.ZipFile(os.path.join(folder, wheel), "w") as archive:
        for path, content in files.items():
            archive.writestr(zipfile.ZipInfo(path, date), content)
    return wheel
"""


def write_source(folder: Path, name: str, version: str, source: str, setup: str = "") -> Path:
    """Write a source archive of one module. setup: its setup.py, which only an old build would run."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {
        "PKG-INFO": f"Metadata-Version: 1.1\nName: {name}\nVersion: {version}\n",
        "NAME": f"{name} {version}",
        "pyproject.toml": f'[build-system]\nrequires = ["{TOOL}"]\nbuild-backend = "toy_tool"\n',
        f"{name}.py": source,
        "setup.py": setup,
    }
    path = folder / f"{name}-{version}.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for inside, text in files.items():
            entry = tarfile.TarInfo(f"{name}-{version}/{inside}")
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
    return path


def write_tool(folder: Path) -> Path:
    """Write the wheel of the tool, version 1.0."""
    folder.mkdir(parents=True, exist_ok=True)
    info = "toy_tool-1.0.dist-info"
    path = folder / "toy_tool-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("toy_tool.py", _BACKEND)
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {TOOL}\nVersion: 1.0\n")
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: toy\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")
    return path


def write_numpy(folder: Path) -> Path:
    """Write a wheel that looks like NumPy's to a Dockerfile: a module, and a library beside it."""
    info = "numpy-2.0.dist-info"
    path = folder / "numpy-2.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("numpy/__init__.py", "__version__ = '2.0'\n")
        wheel.writestr("numpy/.libs/libopenblas-toy.so", "")
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: numpy\nVersion: 2.0\n")
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: toy\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")
    return path


def requirement(path: Path, what: str) -> str:
    """Return the line that asks for a file by its hash."""
    return f"{what} --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"
