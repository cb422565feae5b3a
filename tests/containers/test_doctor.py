"""`orch doctor` on a real engine: a GPU that only its driver library shows goes as far as it really can."""

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
from docker import DockerClient

from orchestrator.doctor.probing import own_python, try_framework
from orchestrator.engines import BuiltImage
from orchestrator.engines.docker import DockerEngine
from orchestrator.errors import Exit
from orchestrator.hardware import Gpu
from orchestrator.images import ImageVariant, Variant
from tests.nvidia_driver import GPU_0, HAS_COMPILER, compile_library, make_driver
from tests.toy_project import Ended, Toy, edit, make_toy, users_own

pytestmark = [
    pytest.mark.docker,
    pytest.mark.skipif(not HAS_COMPILER, reason="needs a C compiler, to make a driver library"),
]
ROOT = Path(__file__).parents[2]
BASE = "python:3.11-slim-bookworm"
CDI_FILE = Path("/etc/cdi/orch-test-doctor.json")
STEPS = ("container toolkit", "GPU in a container", "CUDA in an image", "framework on the GPU")
LIBRARIES = "/driver"  # in the container
PYTORCH = "pytorch-2.13.0"
Checks = dict[str, dict[str, object]]
HandOver = Callable[[str | None], None]


@pytest.fixture
def toy(client: DockerClient, python_base: str, tmp_path: Path) -> Toy:
    """A project of which nothing is built, on a machine whose driver shows one GPU."""
    if listed(client) or "nvidia" in client.info()["Runtimes"]:
        pytest.skip("the engine has GPUs of its own, which must not be mixed up with this one")
    made = make_toy(tmp_path, tmp_path / "cache", "3.11.7")
    edit(made.project / "images" / "toy" / "versions.yaml", "cpu:", "unbuilt:")  # others may have built toys here
    settings = tmp_path / "orch.toml"
    mirror = f'[mirrors]\n"{BASE}" = "{python_base}"\n' if python_base != BASE else ""
    settings.write_text(f'suite = "{made.project}/suites/toy_versions.yaml"\n{mirror}', encoding="utf-8")
    driver = make_driver(tmp_path / "driver", GPU_0)
    toy = replace(made, env={"ORCH_CONFIG": str(settings), **driver.env})
    assert toy.orch("lock", "toy-*").exit_code == 0
    return toy


@pytest.fixture
def hand_over(client: DockerClient, toy: Toy) -> Iterator[HandOver]:
    """Put the GPU into the engine's CDI list, with a CUDA library that says what cuda.c describes, or (None) none."""
    folder = CDI_FILE.parent
    if not os.access(folder if folder.exists() else folder.parent, os.W_OK):
        pytest.skip(f"{folder} cannot be written")
    folder.mkdir(exist_ok=True)

    def list_gpu(said: str | None) -> None:
        edits: dict[str, object] = {"deviceNodes": [{"path": "/dev/nvidia0", "hostPath": "/dev/null"}]}
        if said is not None:
            compile_library("cuda.c", toy.folder / "cuda" / "libcuda.so.1")
            mount = {"hostPath": str(toy.folder / "cuda"), "containerPath": LIBRARIES, "options": ["ro", "bind"]}
            edits |= {"mounts": [mount], "env": [f"LD_LIBRARY_PATH={LIBRARIES}", f"FAKE_CUDA={said}"]}
        devices = [{"name": "0", "containerEdits": edits}]
        CDI_FILE.write_text(json.dumps({"cdiVersion": "0.6.0", "kind": "nvidia.com/gpu", "devices": devices}))
        wait_until_listed(client, expected=True)

    try:
        yield list_gpu
    finally:
        CDI_FILE.unlink(missing_ok=True)
        wait_until_listed(client, expected=False)


def listed(client: DockerClient) -> list[str]:
    return [device["ID"] for device in client.info().get("DiscoveredDevices") or () if "nvidia" in device["ID"]]


def wait_until_listed(client: DockerClient, *, expected: bool) -> None:
    until = time.monotonic() + 10
    while bool(listed(client)) != expected and time.monotonic() < until:
        time.sleep(0.1)


def examine(toy: Toy, *arguments: str) -> tuple[Ended, Checks]:
    ended = toy.orch("doctor", "--json", *arguments)
    found = cast(list[dict[str, object]], json.loads(ended.stdout)["checks"])
    return ended, {str(check["name"]): check for check in found}


def states(checks: Checks) -> list[object]:
    return [checks[name]["state"] for name in STEPS]


def test_an_engine_that_knows_no_gpu_is_told_what_to_install(toy: Toy) -> None:
    ended, checks = examine(toy, "--device", "cuda")

    assert ended.exit_code == Exit.ENGINE
    assert (checks["GPU driver"]["state"], checks["engine docker"]["state"]) == ("ok", "ok")
    assert states(checks) == ["missing", "not reached", "not reached", "not reached"]
    assert checks["container toolkit"]["commands"]


def test_an_engine_whose_hook_does_not_answer_says_so_itself(toy: Toy) -> None:
    hook = toy.folder / "bin" / "nvidia-container-runtime-hook"
    hook.parent.mkdir()
    hook.write_text("#!/bin/sh\n", encoding="utf-8")
    hook.chmod(0o755)
    toy.env["PATH"] = f"{hook.parent}:{os.environ['PATH']}"

    _, checks = examine(toy)

    assert states(checks) == ["ok", "missing", "not reached", "not reached"]
    assert "could not select device driver" in str(checks["GPU in a container"]["found"])
    assert "nvidia-ctk runtime configure" in str(checks["GPU in a container"]["remedy"])


def test_a_container_sees_the_gpu_and_cuda_says_what_it_lacks(toy: Toy, hand_over: HandOver, python_base: str) -> None:
    hand_over(None)

    ended, checks = examine(toy, "--device", "cuda")

    assert ended.exit_code == Exit.ENGINE
    assert states(checks) == ["ok", "ok", "missing", "not reached"]
    assert checks["GPU in a container"]["found"] == f"{python_base} has nvidia0 (by cdi)"
    assert str(checks["CUDA in an image"]["found"]).startswith("libcuda.so.1: cannot open shared object file")


@pytest.mark.parametrize(
    ("said", "state", "found"),
    [
        ("0|9.0|NVIDIA H100", "ok", "CUDA 12.8: NVIDIA H100 (compute 9.0)"),
        ("0|9.0|NVIDIA H100|9.0|NVIDIA H100", "warning", "CUDA 12.8: NVIDIA H100 (compute 9.0), NVIDIA H100"),
        ("804", "missing", "cuInit returned 804: CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE"),
    ],
    ids=["whole", "too many", "not allowed"],
)
def test_what_cuda_says_in_the_container_is_found(
    toy: Toy, hand_over: HandOver, said: str, state: str, found: str
) -> None:
    hand_over(said)

    ended, checks = examine(toy)

    assert ended.exit_code == Exit.OK
    assert checks["CUDA in an image"]["state"] == state
    assert str(checks["CUDA in an image"]["found"]).startswith(found)
    assert checks["framework on the GPU"]["state"] == "not reached"


def test_a_look_pulls_nothing_and_leaves_nothing(toy: Toy, client: DockerClient, hand_over: HandOver) -> None:
    hand_over(None)
    (toy.folder / "orch.toml").write_text(f'suite = "{toy.project}/suites/toy_versions.yaml"\n', encoding="utf-8")
    if client.images.list(BASE):
        pytest.skip(f"{BASE} is here already")

    _, checks = examine(toy)

    assert checks["GPU in a container"]["state"] == "not reached"
    assert checks["GPU in a container"]["found"] == "no image on the engine to try it in"
    assert client.images.list(BASE) == []


@pytest.fixture
def pytorch(client: DockerClient, toy: Toy) -> BuiltImage:
    """A PyTorch for the CPU, built from the repository's rows, from what this user has fetched."""
    project = toy.folder / "repository"
    project.mkdir()
    (project / "images").symlink_to(ROOT / "images")
    (project / "suites").symlink_to(ROOT / "suites")
    whole = replace(toy, env={**users_own(), "ORCH_CONFIG": toy.env["ORCH_CONFIG"]})
    shutil.rmtree(toy.project)
    project.rename(toy.project)
    ended = whole.orch("build", PYTORCH, "--device", "cpu", "--engine", "docker", "--json", timeout_s=900)
    assert ended.exit_code == Exit.OK, ended.stderr
    tag = json.loads(ended.stdout)[0]["text"]
    row = replace(own_python().target.image, family="pytorch", version="2.13.0", folder=ROOT / "images" / "pytorch")
    target = ImageVariant(image=replace(row, own_python=None), variant=Variant(name="cpu"))
    digest = str(client.images.get(tag).id)
    return BuiltImage(target=target, reference=tag, digest=digest, base="", inputs_sha256="", lock_sha256="")


def test_a_real_framework_computes_on_the_cpu(pytorch: BuiltImage) -> None:
    check = try_framework(DockerEngine({}), pytorch, None)

    assert check.state == "ok", check.found


def test_a_build_for_the_cpu_says_on_a_gpu_that_it_is_one(pytorch: BuiltImage, hand_over: HandOver) -> None:
    hand_over(None)
    gpu = Gpu(name="NVIDIA H100", compute="9.0", driver="570.86.15", uuid="GPU-unlisted")

    check = try_framework(DockerEngine({}), pytorch, gpu)

    assert check.state == "missing"
    assert "Torch not compiled with CUDA enabled" in check.found
    assert "Take a CUDA variant" in check.advice.text
