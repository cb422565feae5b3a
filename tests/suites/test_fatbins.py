"""The scan of GPU code, run by every interpreter found."""

import json
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench import interpreters
from tests.fat_binaries import NATIVE, ONLY_THERE, PTX, make_entry, make_fat_binary

PYTHONS = interpreters() or {platform.python_version(): sys.executable}
SCAN = Path(__file__).parents[2] / "images" / "fatbins.py"


@pytest.mark.parametrize("python", PYTHONS.values(), ids=PYTHONS.keys())
def test_every_python_finds_the_same_gpu_code(python: str, tmp_path: Path) -> None:
    code = make_fat_binary(make_entry(NATIVE, 90), make_entry(NATIVE, 90, flags=ONLY_THERE), make_entry(PTX, 120))
    library = tmp_path / "packages" / "libtoy.so.1"
    library.parent.mkdir()
    library.write_bytes(b"\x7fELF" + bytes(99) + code + bytes(7))
    (tmp_path / "out").mkdir()

    subprocess.run([python, str(SCAN), str(library.parent)], cwd=tmp_path, check=True, timeout=60)

    held = {"native": ["sm_90", "sm_90a"], "ptx": ["compute_120"], "count": 1}
    assert json.loads((tmp_path / "out" / "gpu_code.json").read_text()) == {"libraries": {str(library): [held]}}
