"""Finished images as an archive, and on their way to a registry, through the engine's API."""

import json
import tarfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import requests
from docker.api import APIClient

from orchestrator.engines.images import FINAL
from orchestrator.errors import DiskError, EngineError, UsageError

_CHUNK_BYTES = 2**20
_AT_MOST_BYTES = 2**20  # of an archive's list of images


def save_images(api: APIClient, tags: Sequence[str], path: Path) -> int:
    """Write images with their tags to an archive, whole or not at all; layers that they share lie in it once.

    Returns its size in bytes. Raises docker's errors, DiskError if it cannot be written.
    """
    partial = path.with_name(f".{path.name}.partial")
    url = f"{api.base_url}/v{api.api_version}/images/get"
    try:
        with api.get(url, params={"names": list(tags)}, stream=True, timeout=None) as answer:
            answer.raise_for_status()
            with partial.open("wb") as archive:
                for chunk in answer.iter_content(_CHUNK_BYTES):
                    archive.write(chunk)
        partial.replace(path)
    except requests.RequestException:  # an OSError too
        raise
    except OSError as error:
        raise DiskError(f"{path}: cannot be written ({error.strerror or error}). Name another --output.") from error
    finally:
        partial.unlink(missing_ok=True)
    return path.stat().st_size


def read_tags(path: Path) -> tuple[str, ...]:
    """Return the tags of the images of an archive. Raises UsageError if it is none, or holds others than ours."""
    try:
        with tarfile.open(path) as archive:
            listed = archive.extractfile("manifest.json")
            content = json.loads(listed.read(_AT_MOST_BYTES)) if listed else []
        tags = tuple(str(tag) for image in content for tag in image.get("RepoTags") or ("an image without a name",))
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror or error}).") from error
    except (tarfile.TarError, KeyError, ValueError, AttributeError, TypeError, RecursionError) as error:
        raise UsageError(f"{path}: not an archive of images as `orch save` writes them.") from error
    strange = [tag for tag in tags if not tag.startswith(f"{FINAL}/")]
    if strange or not tags:
        raise UsageError(f"{path}: holds {', '.join(strange) or 'no image'}, which orch did not save. Use docker load.")
    return tags


def load_archive(api: APIClient, path: Path) -> None:
    """Give the images of an archive to the engine. Raises docker's errors, EngineError where the engine refuses it."""
    with path.open("rb") as archive:
        _follow(api.load_image(archive), f"{path}: the engine cannot load it")


def push_image(api: APIClient, reference: str, registry: str) -> str:
    """Push an image to a registry, `registry/pytorch-1.13.1:cu117-…`; returns that name with its digest.

    Logins are those of the docker program. Raises docker's errors, EngineError where the registry refuses it.
    """
    name, _, tag = reference.removeprefix(f"{FINAL}/").partition(":")
    repository = f"{registry.rstrip('/')}/{name}"
    api.tag(reference, repository, tag)
    try:
        said = _follow(api.push(repository, tag, stream=True, decode=True), f"{repository}: the registry refuses it")
    finally:
        api.remove_image(f"{repository}:{tag}", noprune=True)
    digest = next((line["aux"]["Digest"] for line in said if "Digest" in line.get("aux", {})), "")
    return f"{repository}:{tag}{'@' if digest else ''}{digest}"


def _follow(lines: Iterable[Any], what: str) -> list[dict[str, Any]]:
    """Read what the engine says to its end. Raises EngineError with the first error."""
    said = [line for line in lines if isinstance(line, dict)]
    errors = [str(line["error"]) for line in said if "error" in line]
    if errors:
        raise EngineError(f"docker: {what}: {errors[0].strip().rstrip('.')}. {_ADVICE}")
    return said


_ADVICE = "Look at disk and network of the engine; logins come from: docker login"
