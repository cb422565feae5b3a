"""Names, digests and labels of images on a Docker engine."""

import secrets
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from docker.api import APIClient
from docker.errors import APIError, ImageNotFound

from orchestrator.engines import BuildContext, BuiltImage
from orchestrator.engines.buildx import BUILD_TIMEOUT_S, BakeTarget
from orchestrator.images import ImageVariant

FINAL = "orch"
BUILDING = "orch-building"  # until the health check is passed: never looked up by a later run
TAG_HASH_LENGTH = 12
NOT_FOUND = 404
SCHEMA_1 = "schema 1 support has been removed"


def image_tag(made: BuildContext | BuiltImage) -> str:
    """Return the final tag of an image with these inputs: orch/pytorch-1.13.1:cu117-0123456789ab."""
    return f"{FINAL}/{made.target.image.name}:{made.target.variant.name}-{made.inputs_sha256[:TAG_HASH_LENGTH]}"


def building_tag(context: BuildContext) -> str:
    """Return a tag for the time of a build, another for each: two builds of one image do not touch each other's."""
    return f"{BUILDING}{image_tag(context).removeprefix(FINAL)}-{secrets.token_hex(4)}"


def bake_target(api: APIClient, context: BuildContext) -> BakeTarget:
    """Describe the build of a context under a tag of its own; its labels say what went in."""
    return BakeTarget(
        name=context.target.name,
        context=context.folder,
        args={"BASE": _buildable_base(api, context.base), "PIP": context.installer},
        tag=building_tag(context),
        labels={
            "orch.image": context.target.image.name,
            "orch.variant": context.target.variant.name,
            "orch.base": context.base,
            "orch.lock": context.lock_sha256,
            "orch.inputs": context.inputs_sha256,
        },
        platform=context.target.image.platform,
    )


def find_image(api: APIClient, context: BuildContext, tag: str) -> BuiltImage | None:
    """Return the image of that tag if its label says that it has these inputs."""
    try:
        found = api.inspect_image(tag)
    except ImageNotFound:
        return None
    if (found["Config"].get("Labels") or {}).get("orch.inputs") != context.inputs_sha256:
        return None
    return BuiltImage(
        target=context.target,
        reference=tag,
        digest=found["Id"],
        base=context.base,
        inputs_sha256=context.inputs_sha256,
        lock_sha256=context.lock_sha256,
    )


def list_bases(api: APIClient, target: ImageVariant) -> tuple[str, ...]:
    """Return the bases of the images that are there of a variant, by their labels, the newest image first."""
    labels = [f"orch.image={target.image.name}", f"orch.variant={target.variant.name}"]
    found = sorted(api.images(filters={"label": labels}), key=lambda one: one["Created"], reverse=True)
    return tuple(dict.fromkeys(one["Labels"]["orch.base"] for one in found if "orch.base" in one["Labels"]))


def rename_to_final(api: APIClient, image: BuiltImage) -> BuiltImage:
    """Move an image from its temporary to its final tag."""
    final = image_tag(image)
    repository, _, tag = final.rpartition(":")
    api.tag(image.digest, repository, tag)
    with suppress(ImageNotFound):  # asked twice, of a connection that was lost between
        api.remove_image(image.reference, noprune=True)
    return replace(image, reference=final)


def remove_image(api: APIClient, reference: str) -> None:
    """Remove an image; that it is gone already is no error."""
    with suppress(ImageNotFound):
        api.remove_image(reference, force=True)


def remove_half_made(
    api: APIClient, pattern: str = f"{BUILDING}/*", older_than_s: float = BUILD_TIMEOUT_S
) -> tuple[str, ...]:
    """Remove images that a killed build left under their temporary names; returns these.

    A younger one than the longest build is spared: somebody's build may be at work, and check and rename it yet.
    """
    tags = [tag for entry in api.images(filters={"reference": pattern}) for tag in entry["RepoTags"] or ()]
    removed = []
    for tag in (tag for tag in tags if tag.startswith(f"{BUILDING}/")):
        with suppress(ImageNotFound):  # its build has just ended
            if tagged_at(api.inspect_image(tag)) + older_than_s < time.time():
                api.remove_image(tag)
                removed.append(tag)
    return tuple(removed)


def tagged_at(described: Mapping[str, object]) -> float:
    """Return when an image got its last tag, in seconds since 1970.

    described: as the engine inspects it. Its own date is no help: all of it may come from the builder's cache.
    """
    metadata = described["Metadata"]
    told = metadata["LastTagTime"] if isinstance(metadata, Mapping) else ""
    return datetime.fromisoformat(str(told)).timestamp()


def base_digest(api: APIClient, reference: str) -> str:
    """Return `sha256:…` of a base image: of its registry, or the id of an image that is only on the engine.

    Asks the engine first, then the registry, without a pull. Raises docker's errors if neither has it.
    """
    try:
        image = api.inspect_image(reference)
    except ImageNotFound:
        return ask_registry(api, reference)
    pulled = [digest.partition("@")[2] for digest in image.get("RepoDigests") or ()]
    return reference.partition("@")[2] or next(iter(pulled), image["Id"])


def ask_registry(api: APIClient, reference: str) -> str:
    """Return `sha256:…` of an image as its registry has it now. Raises docker's errors."""
    return str(api.inspect_distribution(reference)["Descriptor"]["digest"])


def why_gone(error: Exception) -> str | None:
    """Say why an image is no longer to be had from a registry that answered; None if the error is another one.

    Source: what Docker 28.5 says of a tag that was deleted, and of an image pushed by Docker before 1.10 (early 2016).
    """
    if not isinstance(error, APIError):
        return None
    if SCHEMA_1 in str(error.explanation):
        return (
            "is of an image format that engines no longer read (manifest schema 1, from before 2016); "
            "copied anew it can be read: skopeo copy --format v2s2"
        )
    return f"its registry does not have any more ({error.explanation})" if error.status_code == NOT_FOUND else None


def _buildable_base(api: APIClient, base: str) -> str:
    """An image that is only on the engine has no digest of a registry: FROM finds it by its tag."""
    name = base.partition("@")[0]
    try:
        return name if f"{name}@{api.inspect_image(name)['Id']}" == base else base
    except ImageNotFound:
        return base
