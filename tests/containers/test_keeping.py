"""Images on a real engine, looked after: listed, saved, loaded, pushed, entered; only those that are orch's own."""

import json
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from docker import DockerClient

from orchestrator.engines.docker import DockerEngine
from orchestrator.engines.docker_stock import DockerStock
from orchestrator.engines.stock import Kept
from tests.registry import serving
from tests.toy_project import Toy, edit, make_toy

pytestmark = pytest.mark.docker
BASE = "python:3.11-slim-bookworm"
ENGINE = ("--engine", "docker")


@pytest.fixture(scope="module")
def toy(client: DockerClient, python_base: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Toy]:
    """A project with one image that nobody else has; it is removed at the end."""
    folder = tmp_path_factory.mktemp("toy")
    made = make_toy(folder, folder / "cache", "3.11.7", salt=uuid.uuid4().hex)
    (folder / "orch.toml").write_text(f'[mirrors]\n"{BASE}" = "{python_base}"\n' if python_base != BASE else "")
    toy = replace(made, env={"ORCH_CONFIG": str(folder / "orch.toml")})
    ended = toy.orch("build", "toy-1.0.0", *ENGINE, "--resolve", "--json")
    assert ended.exit_code == 0, ended.stderr
    yield toy
    for tag in tags(toy):
        client.images.remove(tag)


def ours(toy: Toy) -> list[dict[str, object]]:
    """Return what is listed of the images of this project's one row: other tests may have built others."""
    (tag,) = (one["text"] for one in json.loads(toy.orch("build", "toy-1.0.0", *ENGINE, "--json").stdout))
    listed: list[dict[str, object]] = json.loads(toy.orch("images", *ENGINE, "--json").stdout)
    return [one for one in listed if one["reference"] == tag]


def tags(toy: Toy) -> list[str]:
    return [str(one["reference"]) for one in ours(toy)]


def test_an_image_is_listed_with_what_it_shares_with_its_base(toy: Toy, client: DockerClient, python_base: str) -> None:
    (listed,) = ours(toy)

    size, base = (client.images.get(name).attrs["Size"] for name in (str(listed["reference"]), python_base))
    assert (listed["image"], listed["state"], listed["bytes"]) == ("toy-1.0.0+cpu", "current", size)
    assert listed["shared_bytes"] == base


def test_a_saved_image_is_loaded_and_found_to_be_current(toy: Toy, client: DockerClient, tmp_path: Path) -> None:
    archive, (tag,) = tmp_path / "toy.tar", tags(toy)
    saved = toy.orch("save", "toy-1.0.0", "--output", str(archive))
    client.images.remove(tag)

    loaded = toy.orch("load", str(archive))

    assert saved.stdout.startswith(f"toy-1.0.0+cpu: {tag}\n{archive}: 1 images, ")
    assert "NVIDIA" not in saved.stderr  # a CPU build holds nothing of it
    assert loaded.stdout == f"toy-1.0.0+cpu: {tag}, current\n"
    assert [path.name for path in tmp_path.iterdir()] == ["toy.tar"]
    assert json.loads(toy.orch("build", "toy-1.0.0", *ENGINE, "--json").stdout)[0]["state"] == "there"


def test_what_orch_did_not_save_is_not_loaded(toy: Toy, client: DockerClient, python_base: str, tmp_path: Path) -> None:
    archive = tmp_path / "foreign.tar"
    archive.write_bytes(b"".join(client.images.get(python_base).save(named=True)))

    ended = toy.orch("load", str(archive))

    assert ended.exit_code == 2
    assert f"holds {python_base}, which orch did not save. Use docker load." in ended.stderr


def test_an_image_is_pushed_under_the_name_of_the_registry_and_leaves_no_tag_here(
    toy: Toy, client: DockerClient
) -> None:
    (tag,) = tags(toy)
    with serving() as registry:
        ended = toy.orch("push", "toy-1.0.0", f"{registry.address}/team")
        refused = toy.orch("push", "toy-1.0.0", "127.0.0.1:1/team")
        public = toy.orch("push", "toy-1.0.0", "team")

        name = f"{registry.address}/team/toy-1.0.0:{tag.rpartition(':')[2]}"
        (digest,) = (one for _, one in registry.manifests if one.startswith("sha256:"))
        assert ended.stdout == f"toy-1.0.0+cpu: {name}@{digest}\n", ended.stderr
        assert client.images.list(f"{registry.address}/team/toy-1.0.0") == []
    assert (refused.exit_code, public.exit_code) == (3, 2)
    assert "the registry refuses it" in refused.stderr
    assert "team: no host, so the engine would publish to Docker Hub." in public.stderr
    assert client.images.list("127.0.0.1:1/team/toy-1.0.0") == []


def test_a_shell_is_under_the_restrictions_of_a_launch_and_leaves_nothing(toy: Toy, client: DockerClient) -> None:
    code = "import os, toy; print(toy.__version__, os.getuid(), os.listdir('/sys/class/net')); open('/x', 'w')"

    ended = toy.orch("shell", "toy-1.0.0", *ENGINE, "--", "python", "-c", code)

    assert ended.exit_code == 1
    assert ended.stdout == "1.0.0 1000 ['lo']\n"
    assert "Read-only file system: '/x'" in ended.stderr
    left = client.containers.list(all=True, filters={"name": "orch-shell-"})
    assert [one for one in left if toy.cache.name in str(one.attrs)] == []


def test_an_image_of_other_inputs_is_stale_and_alone_is_offered_for_removal(toy: Toy) -> None:
    (before,) = tags(toy)
    dockerfile = toy.project / "images" / "toy" / "Dockerfile"
    text = dockerfile.read_text(encoding="utf-8")
    edit(dockerfile, "^USER ", "USER 1000:1000\nUSER ")
    try:
        (after,) = tags(toy)
        states = {one["reference"]: one["state"] for one in json.loads(toy.orch("images", *ENGINE, "--json").stdout)}
        offered = [one["name"] for one in json.loads(toy.orch("prune", *ENGINE, "--json").stdout)]
        DockerStock(DockerEngine({})).remove(
            Kept(kind="image", name="toy-1.0.0+cpu", reference=after, bytes=0, made_s=0.0)
        )
    finally:
        dockerfile.write_text(text, encoding="utf-8")

    assert (states[before], states[after]) == ("stale", "current")
    assert before in offered
    assert after not in offered
    assert not any(str(name).startswith(("orch-test/", "python")) for name in offered)
    assert tags(toy) == [before]
