"""How a real engine hands over a GPU that is only named: CDI devices that are /dev/null in truth."""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from docker import DockerClient

from orchestrator.engines import BuiltImage, Job
from orchestrator.engines.docker import DockerEngine
from orchestrator.errors import EngineError
from orchestrator.hardware import Gpu
from orchestrator.specs import Image, ImageVariant, Variant

pytestmark = pytest.mark.docker
CDI_FOLDER = Path("/etc/cdi")
LIST_DEVICES = b"import os; print(os.environ.get('GIVEN'), *(name for name in os.listdir('/dev') if 'nvidia' in name))"
NAMES = ("0", "1", "1:0", "GPU-aaaaaaaa-0000", "MIG-cccccccc-2222")
DEVICES = [
    {
        "name": name,
        "containerEdits": {
            "env": [f"GIVEN={name}"],
            "deviceNodes": [{"path": f"/dev/nvidia{name.replace(':', '.')}", "hostPath": "/dev/null"}],
        },
    }
    for name in NAMES
]


def _listed(client: DockerClient) -> list[str]:
    devices = client.info().get("DiscoveredDevices") or []
    return [device["ID"] for device in devices if device["ID"].startswith("nvidia.com/gpu=")]


@pytest.fixture(autouse=True)
def no_gpu_here(client: DockerClient) -> None:
    if _listed(client) or "nvidia" in client.info()["Runtimes"]:
        pytest.skip("the engine has GPUs of its own, which must not be mixed up with these")


@pytest.fixture
def named_gpus(client: DockerClient) -> Iterator[None]:
    """Two GPUs in the engine's CDI list."""
    if not os.access(CDI_FOLDER if CDI_FOLDER.exists() else CDI_FOLDER.parent, os.W_OK):
        pytest.skip(f"{CDI_FOLDER} cannot be written")
    CDI_FOLDER.mkdir(exist_ok=True)
    specification = CDI_FOLDER / "orch-test.json"
    specification.write_text(json.dumps({"cdiVersion": "0.6.0", "kind": "nvidia.com/gpu", "devices": DEVICES}))
    try:
        until = time.monotonic() + 10
        while not _listed(client) and time.monotonic() < until:
            time.sleep(0.1)
        yield
    finally:
        specification.unlink()
        until = time.monotonic() + 10
        while _listed(client) and time.monotonic() < until:
            time.sleep(0.1)


@pytest.fixture
def image(client: DockerClient, python_base: str) -> BuiltImage:
    row = Image(
        family="toy",
        framework="toy",
        version="1.0",
        released="2020-01-01",
        python="3.11.7",
        base=python_base,
        requirements=(),
        variants=(),
        folder=Path(),
    )
    digest = str(client.images.get(python_base).id)
    target = ImageVariant(image=row, variant=Variant(name="cu117"))
    return BuiltImage(
        target=target, reference=python_base, digest=digest, base=python_base, inputs_sha256="", lock_sha256=""
    )


def _job(gpu: Gpu | None) -> Job:
    return Job(argv=("python", "in/program.py"), files={"program.py": LIST_DEVICES}, timeout_s=60, gpu=gpu)


def _gpu(uuid: str, index: int, instance: int | None = None) -> Gpu:
    return Gpu(name="NVIDIA H100", compute="9.0", uuid=uuid, index=index, instance=instance)


@pytest.mark.parametrize(
    ("gpu", "given"),
    [
        (_gpu("GPU-unlisted", 0), "0"),
        (_gpu("GPU-unlisted", 1), "1"),
        (_gpu("GPU-aaaaaaaa-0000", 0), "GPU-aaaaaaaa-0000"),
        (_gpu("MIG-unlisted", 1, 0), "1:0"),
        (_gpu("MIG-cccccccc-2222", 1, 0), "MIG-cccccccc-2222"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.usefixtures("named_gpus")
def test_a_launch_gets_its_gpu_by_cdi_and_no_other(image: BuiltImage, gpu: Gpu, given: str) -> None:
    outcome = DockerEngine({}).launch(image, _job(gpu))

    assert (outcome.gpu_mode, outcome.log) == ("cdi", f"{given} nvidia{given.replace(':', '.')}\n")


@pytest.mark.usefixtures("named_gpus")
def test_a_gpu_that_the_engine_does_not_list_is_refused_before_anything_starts() -> None:
    engine = DockerEngine({})

    engine.check_gpu(_gpu("GPU-unlisted", 1))
    with pytest.raises(EngineError, match=r"no CDI device for GPU 7 .* Renew their list"):
        engine.check_gpu(_gpu("GPU-unlisted", 7))


@pytest.mark.usefixtures("named_gpus")
def test_a_launch_on_the_cpu_gets_no_gpu(image: BuiltImage) -> None:
    outcome = DockerEngine({}).launch(image, _job(None))

    assert (outcome.gpu_mode, outcome.log) == ("none", "None\n")


def test_an_engine_that_knows_no_gpu_is_an_error_with_a_remedy(image: BuiltImage) -> None:
    with pytest.raises(EngineError, match=r"could not select device driver .* Install nvidia-container-toolkit"):
        DockerEngine({}).launch(image, _job(_gpu("GPU-unlisted", 0)))
