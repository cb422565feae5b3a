"""Images built by buildx on a real Docker engine, from the Dockerfiles of the families."""

import hashlib
import platform
import shutil
import uuid
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pip
import pytest
from docker import DockerClient

from orchestrator.engines import BuildContext, BuiltImage, Job
from orchestrator.engines.docker import DockerEngine
from orchestrator.engines.images import remove_half_made
from orchestrator.errors import EngineError
from orchestrator.images import Image, ImageVariant, Variant

pytestmark = pytest.mark.docker
FAMILIES = Path(__file__).parents[2] / "images"
BASE = "python:3.11-slim-bookworm"
INSTALLER = "pip-0-py3-none-any.whl"
WHEEL = "toy_framework-1.0-py3-none-any.whl"


def _target(version: str, base: str = BASE, platform: str = "linux/amd64") -> ImageVariant:
    row = Image(
        family="toy",
        framework="toy",
        version=version,
        released="2020-01-01",
        python="3.11.7",
        base=base,
        requirements=("toy-framework==1.0",),
        variants=(),
        folder=Path(),
        platform=platform,
    )
    return ImageVariant(image=row, variant=Variant(name="cpu"))


@pytest.fixture(scope="module")
def engine(python_base: str) -> DockerEngine:
    return DockerEngine({BASE: python_base})


@pytest.fixture
def version(client: DockerClient) -> Iterator[str]:
    """A version that no image has; its images are removed afterwards."""
    chosen = f"1.0.{uuid.uuid4().int % 10**12}"
    yield chosen
    for prefix in ("orch", "orch-building"):
        for image in client.images.list(f"{prefix}/toy-{chosen}*"):
            client.images.remove(str(image.id), force=True)


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The installer, and the wheel of a framework that is one line."""
    folder = tmp_path_factory.mktemp("wheels")
    with zipfile.ZipFile(folder / INSTALLER, "w") as wheel:
        source = Path(pip.__file__).parent
        for path in source.rglob("*"):
            if path.is_file() and path.suffix != ".pyc":
                wheel.write(path, Path("pip") / path.relative_to(source))
    info = "toy_framework-1.0.dist-info"
    with zipfile.ZipFile(folder / WHEEL, "w") as wheel:
        wheel.writestr("toy_framework.py", "__version__ = '1.0'\n")
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: toy-framework\nVersion: 1.0\n")
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: toy\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")
    return folder


def _context(engine: DockerEngine, folder: Path, wheels: Path, version: str, family: str = "pytorch") -> BuildContext:
    target = _target(version)
    shutil.copytree(wheels, folder / "wheels")
    shutil.copy(FAMILIES / family / "Dockerfile", folder)
    digest = hashlib.sha256((wheels / WHEEL).read_bytes()).hexdigest()
    (folder / "requirements.txt").write_text(f"toy-framework==1.0 --hash=sha256:{digest}\n")
    return BuildContext(
        target=target,
        folder=folder,
        base=engine.resolve_base(target, None),
        installer=INSTALLER,
        inputs_sha256=hashlib.sha256(version.encode()).hexdigest(),
        lock_sha256=digest,
    )


def _built(image: BuiltImage | str) -> BuiltImage:
    assert isinstance(image, BuiltImage), image
    return image


@pytest.mark.parametrize("family", ["pytorch", "jax"])
def test_a_family_installs_its_lock_offline(
    engine: DockerEngine, tmp_path: Path, wheels: Path, version: str, family: str
) -> None:
    context = _context(engine, tmp_path / "context", wheels, version, family)

    image = _built(engine.build([context], tmp_path / "logs")[context.target.name])

    program = b"import toy_framework; print(toy_framework.__version__, toy_framework.__cached__)"
    job = Job(argv=("python", "in/program.py"), files={"program.py": program}, timeout_s=60)
    path = "/usr/local/lib/python3.11/site-packages/__pycache__/toy_framework.cpython-311.pyc"
    assert engine.launch(image, job).log == f"1.0 {path}\n"


def test_a_wheel_that_is_not_the_locked_one_is_refused_with_the_reason(
    engine: DockerEngine, tmp_path: Path, wheels: Path, version: str
) -> None:
    context = _context(engine, tmp_path / "context", wheels, version)
    (context.folder / "requirements.txt").write_text(f"toy-framework==1.0 --hash=sha256:{'0' * 64}\n")

    reason = engine.build([context], tmp_path / "logs")[context.target.name]

    assert "DO NOT MATCH THE HASHES" in str(reason)
    assert "0" * 64 in str(reason)
    assert engine.find(context) is None


def test_an_image_is_found_only_after_it_was_kept(
    engine: DockerEngine, tmp_path: Path, wheels: Path, version: str, client: DockerClient
) -> None:
    context = _context(engine, tmp_path / "context", wheels, version)
    built = _built(engine.build([context], tmp_path / "logs")[context.target.name])
    found_before = engine.find(context)

    kept = engine.keep(built)

    assert found_before is None
    assert engine.find(context) == kept
    assert kept.reference == f"orch/toy-{version}:cpu-{context.inputs_sha256[:12]}"
    assert client.images.list(f"orch-building/toy-{version}") == []
    labels = client.images.get(kept.reference).labels
    assert (labels["orch.inputs"], labels["orch.base"]) == (context.inputs_sha256, context.base)


def test_two_builds_of_one_image_at_once_both_end_with_it(
    engine: DockerEngine, tmp_path: Path, wheels: Path, version: str, client: DockerClient
) -> None:
    contexts = [_context(engine, tmp_path / name / "context", wheels, version) for name in ("one", "two")]

    with ThreadPoolExecutor() as pool:
        built = list(pool.map(lambda one: engine.build([one], tmp_path / "logs")[one.target.name], contexts))
    kept = [engine.keep(_built(image)) for image in built]

    assert [image.reference for image in kept] == [f"orch/toy-{version}:cpu-{contexts[0].inputs_sha256[:12]}"] * 2
    assert engine.find(contexts[0]) in kept
    assert client.images.list(f"orch-building/toy-{version}") == []


def test_a_discarded_image_is_gone(
    engine: DockerEngine, tmp_path: Path, wheels: Path, version: str, client: DockerClient
) -> None:
    context = _context(engine, tmp_path / "context", wheels, version)
    built = _built(engine.build([context], tmp_path / "logs")[context.target.name])

    engine.discard(built)
    engine.discard(built)

    assert client.images.list(f"orch-building/toy-{version}") == []


def test_a_half_made_image_is_reaped_once_no_build_can_be_at_work_on_it(
    engine: DockerEngine, tmp_path: Path, wheels: Path, version: str, client: DockerClient
) -> None:
    context = _context(engine, tmp_path / "context", wheels, version)
    built = _built(engine.build([context], tmp_path / "logs")[context.target.name])

    engine.reap()
    spared = client.images.list(f"orch-building/toy-{version}")
    removed = remove_half_made(client.api, f"orch-building/toy-{version}", older_than_s=-60)

    assert len(spared) == 1
    assert removed == (built.reference,)
    assert client.images.list(f"orch-building/toy-{version}") == []


def test_the_disk_of_an_engine_on_this_machine_is_known(engine: DockerEngine, client: DockerClient) -> None:
    info = client.info()

    assert engine.storage() == (Path(info["DockerRootDir"]) if info["Name"] == platform.node() else None)


def test_what_can_be_built_is_built_beside_two_that_fail(
    engine: DockerEngine, tmp_path: Path, wheels: Path, version: str
) -> None:
    good, broken, empty = (_context(engine, tmp_path / name, wheels, f"{version}.{name}") for name in ("a", "b", "c"))
    (broken.folder / "requirements.txt").write_text("toy-framework==1.0\n")
    (empty.folder / "wheels" / WHEEL).unlink()

    images = engine.build([good, broken, empty], tmp_path / "logs")

    assert isinstance(images[good.target.name], BuiltImage)
    assert "Hashes are required in --require-hashes mode" in str(images[broken.target.name])
    assert "No matching distribution found for toy-framework==1.0" in str(images[empty.target.name])
    assert (tmp_path / "logs" / "bake.log").is_file()


def test_a_base_that_is_only_here_is_named_with_its_id(
    engine: DockerEngine, python_base: str, client: DockerClient
) -> None:
    if client.images.get(python_base).attrs["RepoDigests"]:
        pytest.skip("the base comes from a registry")

    base = engine.resolve_base(_target("1.0"), "sha256:" + "0" * 64)

    assert base == f"{python_base}@{client.images.get(python_base).id}"


def test_a_base_that_cannot_be_had_names_the_mirrors(engine: DockerEngine) -> None:
    with pytest.raises(EngineError, match=r"nowhere:0, .*neither .*\. Connect .*\[mirrors\]: \"orch-test/nowhere:0\""):
        engine.resolve_base(_target("1.0", base="orch-test/nowhere:0"), None)


def test_another_platform_is_never_emulated(engine: DockerEngine) -> None:
    reason = engine.unsupported_reason(_target("1.0", platform="linux/s390x"))

    assert reason is not None
    assert reason.endswith("nothing is emulated")


def test_an_engine_that_does_not_answer_is_an_error_with_a_remedy(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")

    with pytest.raises(EngineError, match=r"no engine answers .* Start Docker"):
        DockerEngine({}).check()
