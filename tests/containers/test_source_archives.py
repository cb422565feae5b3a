"""Source archives that become wheels in a build stage, on a real Docker engine."""

import hashlib
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from docker import DockerClient

from orchestrator.engines import BuildContext, BuiltImage, Job
from orchestrator.engines.docker import DockerEngine
from orchestrator.images import Image, ImageVariant, Variant
from tests.source_archives import TOOL, requirement, write_numpy, write_source, write_tool
from tests.toy_project import bundled_pip

pytestmark = pytest.mark.docker
IMAGES = Path(__file__).parents[2] / "images"
DOCKERFILES = {path.parent.name: path.read_text() for path in sorted(IMAGES.glob("*/Dockerfile"))}
# Where a Dockerfile names a source archive itself, it takes more than a toy to build it.
FAMILIES = [name for name, text in DOCKERFILES.items() if "AS wheels" in text and "pygpu" not in text]
BASE = "python:3.11-slim-bookworm"
# What lies in the image: each file but compiled modules with its hash, and what the build stage alone had.
LOOK = b"""
import glob, hashlib, os
for path in sorted(glob.glob("/usr/local/lib/python3.11/site-packages/**", recursive=True)):
    if os.path.isfile(path) and not path.endswith(".pyc"):
        print(os.path.basename(path), hashlib.sha256(open(path, "rb").read()).hexdigest())
import numpy, toy
print("versions", toy.__version__, numpy.__version__, toy.BUILT[0], os.path.isfile(toy.__cached__))
print("build stage", glob.glob("/built/*"), glob.glob("/wheels/*"))
"""


@pytest.fixture
def version(client: DockerClient) -> Iterator[str]:
    """A version that no image has; its images are removed afterwards."""
    chosen = f"1.0.{uuid.uuid4().int % 10**12}"
    yield chosen
    for image in client.images.list(f"orch-building/toy-{chosen}*"):
        client.images.remove(str(image.id), force=True)


@pytest.fixture(scope="module")
def engine(python_base: str) -> DockerEngine:
    return DockerEngine({BASE: python_base})


def make_context(engine: DockerEngine, folder: Path, version: str, family: str = FAMILIES[0]) -> BuildContext:
    """Make the context of an image of a source archive and a wheel."""
    wheels = folder / "wheels"
    source = write_source(wheels, "toy", "1.0", "__version__ = '1.0'\n")
    shutil.copy(bundled_pip(), wheels)
    shutil.copy(IMAGES / family / "Dockerfile", folder)
    wheel = requirement(write_numpy(wheels), "numpy==2.0")
    (folder / "requirements.txt").write_text(requirement(source, "toy==1.0") + wheel)
    (folder / "build-requirements.txt").write_text(requirement(write_tool(wheels), f"{TOOL}==1.0"))
    image = Image(
        family="toy",
        framework="toy",
        version=version,
        released="2020-01-01",
        python="3.11.7",
        base=BASE,
        requirements=("toy==1.0", "numpy==2.0"),
        folder=folder,
    )
    target = ImageVariant(image=image, variant=Variant(name="cpu"))
    return BuildContext(
        target=target,
        folder=folder,
        base=engine.resolve_base(target, None),
        installer=bundled_pip().name,
        inputs_sha256=hashlib.sha256(version.encode()).hexdigest(),
        lock_sha256="0" * 64,
    )


def look(engine: DockerEngine, context: BuildContext, logs: Path) -> list[str]:
    """Build an image and return what it says of its files."""
    image = engine.build([context], logs)[context.target.name]
    assert isinstance(image, BuiltImage), image
    return engine.launch(image, Job(argv=("python", "in/look.py"), files={"look.py": LOOK}, timeout_s=60)).log.split(
        "\n"
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_a_source_archive_is_installed_and_its_tools_and_archives_are_not_in_the_image(
    engine: DockerEngine, tmp_path: Path, version: str, family: str
) -> None:
    context = make_context(engine, tmp_path / "context", version, family)

    said = look(engine, context, tmp_path / "logs")

    assert said[-3:-1] == ["versions 1.0 2.0 1980 True", "build stage [] []"]
    assert any(line.startswith("toy.py ") for line in said)
    assert not any(line.startswith("toy_tool") for line in said)


def test_two_builds_have_the_same_files_with_the_same_hashes(
    engine: DockerEngine, tmp_path: Path, version: str
) -> None:
    one = make_context(engine, tmp_path / "one", f"{version}.1")
    two = make_context(engine, tmp_path / "two", f"{version}.2")
    for context in (one, two):  # a line of its own, so that no step comes from the builder's cache
        with (context.folder / "requirements.txt").open("a") as listed:
            listed.write(f"# {context.target.name}\n")

    first, second = (look(engine, context, tmp_path / "logs") for context in (one, two))

    assert first == second
    assert (tmp_path / "logs" / "bake.log").read_text().count("Created wheel for toy:") == 2


@pytest.mark.parametrize("file", ["toy-1.0.tar.gz", "numpy-2.0-py3-none-any.whl", "toy_tool-1.0-py3-none-any.whl"])
def test_a_flipped_bit_stops_the_build_with_the_name_of_the_file(
    engine: DockerEngine, tmp_path: Path, version: str, file: str
) -> None:
    context = make_context(engine, tmp_path / "context", version)
    path = context.folder / "wheels" / file
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)

    reason = engine.build([context], tmp_path / "logs")[context.target.name]

    assert "DO NOT MATCH THE HASHES" in str(reason)
    assert f"/wheels/{file} (from" in str(reason)
    assert hashlib.sha256(content).hexdigest() in str(reason)
