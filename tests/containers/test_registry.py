"""What a real engine says of base images that their registry has deleted, moved or keeps in a dead format."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from docker import DockerClient

from orchestrator.engines.docker import DockerEngine
from orchestrator.errors import BaseGoneError, EngineError
from orchestrator.images import Image, ImageVariant, Variant
from orchestrator.indexes import Indexes
from orchestrator.locking import Lock
from orchestrator.upstream import check_locks
from tests.registry import Registry, serving
from tests.toy_project import edit, make_toy

pytestmark = pytest.mark.docker


@pytest.fixture
def registry() -> Iterator[Registry]:
    with serving() as served:
        yield served


def target(base: str) -> ImageVariant:
    row = Image(family="toy", framework="toy", version="1.0", released="2026", base=base, folder=Path("toy"))
    return ImageVariant(image=row, variant=Variant(name="cpu"))


def resolve(base: str) -> str:
    return DockerEngine({}).resolve_base(target(base), None)


def test_a_base_of_a_registry_is_named_with_its_digest_and_not_pulled(registry: Registry, client: DockerClient) -> None:
    digest = registry.put_image("base", "1")

    assert resolve(f"{registry.address}/base:1") == f"{registry.address}/base:1@{digest}"
    assert client.images.list(f"{registry.address}/base") == []


def test_a_tag_that_is_gone_is_said_in_one_line_with_the_mirrors(registry: Registry) -> None:
    registry.put_image("base", "1")
    base = f"{registry.address}/base:2"

    with pytest.raises(BaseGoneError) as raised:
        resolve(base)

    message = str(raised.value)
    assert f"toy-1.0 needs the base image {base}, which its registry does not have any more" in message
    assert message.endswith(f'Name another image in orch.toml under [mirrors]: "{base}" = "…".')
    assert "\n" not in message


def test_an_image_of_a_dead_format_is_said_in_one_line_with_the_way_out(registry: Registry) -> None:
    registry.put_schema_1("old", "1")

    with pytest.raises(
        BaseGoneError, match=r"manifest schema 1, .* skopeo copy --format v2s2\. Name another .*mirrors"
    ):
        resolve(f"{registry.address}/old:1")


def test_a_registry_that_does_not_answer_is_not_taken_for_a_deletion() -> None:
    with serving() as served:
        address = served.address

    with pytest.raises(EngineError, match=r"nor to be had .* connection refused\. Connect .*mirrors") as raised:
        resolve(f"{address}/base:1")

    assert not isinstance(raised.value, BaseGoneError)


def test_a_check_of_locks_tells_a_base_that_moved_from_one_that_is_gone(registry: Registry) -> None:
    base = f"{registry.address}/base:1"
    old = registry.put_image("base", "1", "old")
    lock = Lock(image="toy-1.0+cpu", python="3.11.7", base=base, base_digest=old, date="2026-11-21", pins=())
    ask = DockerEngine({}).registry_digest

    same = check_locks([(target(base), lock)], Indexes(no_index=True), ask)
    new = registry.put_image("base", "1", "new")
    (moved,) = check_locks([(target(base), lock)], Indexes(no_index=True), ask)
    del registry.manifests["base", "1"]
    (gone,) = check_locks([(target(base), lock)], Indexes(no_index=True), ask)

    assert same == ()
    assert (moved.state, moved.text) == (
        "moved",
        f"the tag is {new} now, locked is {old}. The locked digest can still be had",
    )
    assert (gone.state, gone.text) == (
        "gone",
        "its registry does not have any more (manifest unknown). The locked digest can still be had",
    )


def test_a_lock_pins_the_digest_of_the_registry_and_is_not_made_where_the_tag_is_gone(
    registry: Registry, client: DockerClient, python_base: str, tmp_path: Path
) -> None:
    toy = make_toy(tmp_path, tmp_path / "cache", "3.11.7")
    digest = registry.put_image("base", "1")
    client.images.get(python_base).tag(f"{registry.address}/base", "1")  # what lies on the engine is no answer
    rows = toy.project / "images" / "toy" / "versions.yaml"
    edit(rows, "base: .*$", f"base: {registry.address}/base:1")
    pinned = toy.orch("lock", "toy-1.0.0")
    lock = toy.project / "images" / "toy" / "locks" / "toy-1.0.0+cpu.txt"
    before = lock.read_text(encoding="utf-8")
    del registry.manifests["base", "1"]

    refused, checked = toy.orch("lock", "toy-1.0.0"), toy.orch("lock", "--check", "--json")

    client.images.remove(f"{registry.address}/base:1", noprune=True)
    assert pinned.stdout.endswith(f"base {digest}\n")
    assert refused.exit_code == 2
    assert refused.stdout.startswith("toy-1.0.0+cpu: not locked: docker: toy-1.0.0 needs the base image")
    assert refused.stdout.endswith(f'under [mirrors]: "{registry.address}/base:1" = "…".\n')
    assert lock.read_text(encoding="utf-8") == before
    assert (checked.exit_code, [one["state"] for one in json.loads(checked.stdout)]) == (1, ["gone"])
