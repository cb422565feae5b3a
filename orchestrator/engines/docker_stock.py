"""What a Docker engine keeps of ours: images by their labels, compile caches by theirs."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

from docker.api import APIClient
from docker.errors import ImageNotFound, NotFound

from orchestrator.engines.docker import DockerEngine
from orchestrator.engines.images import FINAL, tagged_at
from orchestrator.engines.stock import Kept

Described = Mapping[str, Any]  # what the engine's API says of one thing


class DockerStock:
    """See Stock."""

    def __init__(self, engine: DockerEngine) -> None:
        self._engine = engine

    def kept(self) -> tuple[Kept, ...]:
        """Return images and compile caches that have our labels; see Stock."""
        return self._engine.ask(list_kept)

    def remove(self, kept: Kept) -> None:
        """Remove an image's tag, and the image with its last one, or a volume; see Stock."""
        self._engine.ask(lambda api: remove_kept(api, kept))


def list_kept(api: APIClient) -> tuple[Kept, ...]:
    """Ask what lies on the disk of an engine. Raises docker's errors."""
    used = api.df()
    images = [one for entry in used["Images"] or () for one in _images_of(api, entry)]
    caches = [entry for entry in used["Volumes"] or () if "orch.cache" in (entry["Labels"] or {})]
    idle = [entry for entry in caches if entry["UsageData"]["RefCount"] == 0]  # no container has them
    return (*images, *map(_cache_of, idle))


def remove_kept(api: APIClient, kept: Kept) -> None:
    """Remove one thing. Raises docker's errors, where a container has it too."""
    with suppress(ImageNotFound, NotFound):
        if kept.kind == "compile cache":
            api.remove_volume(kept.reference)
        else:
            api.remove_image(kept.reference)


def _images_of(api: APIClient, entry: Described) -> list[Kept]:
    """Return an image of ours under each of its final tags, or by its id where a later build has taken its tag."""
    labels = entry["Labels"] or {}
    if "orch.inputs" not in labels:
        return []
    tags = [tag for tag in entry["RepoTags"] or () if tag != "<none>:<none>"]
    ours = [tag for tag in tags if tag.startswith(f"{FINAL}/")] if tags else [str(entry["Id"])]
    try:
        made_s = tagged_at(api.inspect_image(entry["Id"])) if ours else 0.0
    except ImageNotFound:  # removed in the meantime
        return []
    return [
        Kept(
            kind="image",
            name=f"{labels['orch.image']}+{labels['orch.variant']}",
            reference=tag,
            bytes=int(entry["Size"]),
            shared_bytes=max(int(entry["SharedSize"]), 0),
            made_s=max(made_s, float(entry["Created"])),
            inputs_sha256=labels["orch.inputs"] if tags else "",
        )
        for tag in ours
    ]


def _cache_of(entry: Described) -> Kept:
    return Kept(
        kind="compile cache",
        name=str(entry["Labels"]["orch.cache"]),
        reference=str(entry["Name"]),
        bytes=max(int(entry["UsageData"]["Size"]), 0),
        made_s=datetime.fromisoformat(str(entry["CreatedAt"])).timestamp(),
    )
