"""How a real engine hands over a GPU that is only named: CDI devices that are /dev/null in truth."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from docker import DockerClient

from orchestrator.engines import BuiltImage, Job
from orchestrator.engines.docker import DockerEngine
from orchestrator.errors import EngineError
from orchestrator.hardware import Gpu
from orchestrator.images import Image, ImageVariant, Variant
from tests.cdi import listed, listing

pytestmark = pytest.mark.docker
LIST_DEVICES = b"import os; print(os.environ.get('GIVEN'), *(name for name in os.listdir('/dev') if 'nvidia' in name))"
NAMES = ("0", "1", "1:0", "GPU-aaaaaaaa-0000", "MIG-cccccccc-2222")


@pytest.fixture
def named_gpus(client: DockerClient) -> Iterator[None]:
    """GPUs and MIG instances in the engine's CDI list, by number or by uuid."""
    with listing(client, NAMES):
        yield


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


def test_an_engine_that_knows_no_gpu_is_an_error_with_a_remedy(image: BuiltImage, client: DockerClient) -> None:
    if listed(client) or "nvidia" in client.info()["Runtimes"]:
        pytest.skip("the engine has GPUs of its own")

    with pytest.raises(EngineError, match=r"could not select device driver .* Install nvidia-container-toolkit"):
        DockerEngine({}).launch(image, _job(_gpu("GPU-unlisted", 0)))
