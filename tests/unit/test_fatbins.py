"""What the scan of an image's libraries finds: in bytes made by hand, and in fat binaries of published libraries."""

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.fat_binaries import NATIVE, ONLY_FAMILY, ONLY_THERE, PTX, make_entry, make_fat_binary

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests" / "data" / "gpu_code"
PLAIN = make_fat_binary(make_entry(NATIVE, 35), make_entry(PTX, 70, header=72))
HELD = {"native": ["sm_35"], "ptx": ["compute_70"], "count": 1}


@pytest.fixture
def fatbins() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fatbins", ROOT / "images" / "fatbins.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_native_code_and_ptx_are_told_apart_wherever_they_lie_in_a_library(fatbins: ModuleType, tmp_path: Path) -> None:
    path = write(tmp_path / "libtoy.so", b"\x7fELF" + bytes(13) + PLAIN + bytes(5) + PLAIN + b"end")

    assert fatbins.scan([str(tmp_path)]) == {str(path): [{**HELD, "count": 2}]}


def test_code_that_runs_on_one_capability_or_family_only_has_a_name_of_its_own(
    fatbins: ModuleType, tmp_path: Path
) -> None:
    entries = (make_entry(NATIVE, 90, flags=ONLY_THERE), make_entry(NATIVE, 103, flags=ONLY_FAMILY, header=112))
    path = write(tmp_path / "libtoy.so", make_fat_binary(*entries))

    assert fatbins.read_library(str(path)) == {(("sm_103f", "sm_90a"), ()): 1}


@pytest.mark.parametrize(
    ("name", "native", "ptx"),
    [
        ("tensorflow-gpu-1.15.5", "35 37 52 60 61 70", "35 37 52 60 61 70"),
        ("pytorch-2.13.0", "100 100a 103f 120 75 80 86 90", ""),
    ],
)
def test_a_fat_binary_of_a_published_library_is_read(fatbins: ModuleType, name: str, native: str, ptx: str) -> None:
    names = (tuple(f"sm_{one}" for one in native.split()), tuple(f"compute_{one}" for one in ptx.split()))

    assert fatbins.read_library(str(DATA / f"{name}.fatbin")) == {names: 1}


@pytest.mark.parametrize(
    "damaged",
    [
        PLAIN[:4],
        PLAIN[:12],
        PLAIN[:-1],
        make_fat_binary(make_entry(NATIVE, 35, header=64)[:8] + bytes([255] * 56)),
        make_fat_binary(bytes(64)),
    ],
    ids=["magic only", "no size", "cut off", "an entry too long", "an entry without a header"],
)
def test_what_only_looks_like_a_fat_binary_is_passed_over(fatbins: ModuleType, tmp_path: Path, damaged: bytes) -> None:
    alone = write(tmp_path / "libalone.so", damaged)
    path = write(tmp_path / "libtoy.so", make_fat_binary(bytes(64)) + PLAIN)

    assert fatbins.read_library(str(alone)) == {}
    assert fatbins.read_library(str(path)) == {(("sm_35",), ("compute_70",)): 1}


def test_each_library_counts_once_and_nvidias_own_do_not(fatbins: ModuleType, tmp_path: Path) -> None:
    path = write(tmp_path / "torch" / "lib" / "libtorch_cuda.so.1", PLAIN)
    (tmp_path / "torch" / "lib" / "libtorch_cuda.so").symlink_to(path)
    (tmp_path / "torch" / "lib" / "libgone.so").symlink_to("nowhere")
    for name in (
        "torch/lib/libcudnn-7a90c2d4.so.7",
        "torch/lib/libnvrtc.so",
        "nvidia/any/libany.so",
        "torch/notes.txt",
    ):
        write(tmp_path / name, PLAIN)
    write(tmp_path / "torch" / "empty.so", b"")

    found = fatbins.scan([str(tmp_path)])

    assert [Path(one).name for one in found] == ["libtorch_cuda.so"]


def test_the_program_scans_the_packages_of_its_python(
    fatbins: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "site-packages" / "toy" / "_toy.cpython-36m.so", PLAIN)
    write(tmp_path / "elsewhere" / "libtoy.so", PLAIN)
    (tmp_path / "out").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["in/fatbins.py"])
    monkeypatch.setattr(sys, "path", ["in", str(tmp_path / "elsewhere"), str(tmp_path / "site-packages")])

    fatbins.main()

    assert json.loads((tmp_path / "out" / "gpu_code.json").read_text()) == {"libraries": {str(path): [HELD]}}
