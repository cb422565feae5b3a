"""What is believed of an archive of images before it is given to an engine."""

import io
import json
import tarfile
from pathlib import Path

import pytest

from orchestrator.engines.carriage import read_tags
from orchestrator.errors import UsageError

OURS = "orch/pytorch-1.0.1:cu90-0123456789ab"


def archive(path: Path, manifest: object) -> Path:
    """Write an archive as engines save images; only its list of images counts here."""
    content = json.dumps(manifest).encode() if not isinstance(manifest, bytes) else manifest
    entry = tarfile.TarInfo("manifest.json")
    entry.size = len(content)
    with tarfile.open(path, "w") as file:
        file.addfile(entry, io.BytesIO(content))
    return path


def test_the_tags_of_an_archive_are_read(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.tar", [{"RepoTags": [OURS]}, {"RepoTags": ["orch/jax-0.4.30:cpu-0"]}])

    assert read_tags(path) == (OURS, "orch/jax-0.4.30:cpu-0")


@pytest.mark.parametrize(
    ("manifest", "said"),
    [
        ([{"RepoTags": [OURS, "python:3.11"]}], r"holds python:3\.11, which orch did not save\. Use docker load"),
        ([{"RepoTags": ["orch-building/toy-1.0:cpu-0-1"]}], "holds orch-building/toy-1.0:cpu-0-1, which orch did not"),
        ([{"RepoTags": None}], "holds an image without a name"),
        ([], "holds no image"),
        ([[]], "not an archive of images"),
        (b"{", "not an archive of images"),
        (b"[" * 5000, "not an archive of images"),
    ],
)
def test_an_archive_of_anything_else_is_refused(tmp_path: Path, manifest: object, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        read_tags(archive(tmp_path / "a.tar", manifest))


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_text("not a tar", encoding="utf-8")

    with pytest.raises(UsageError, match=r"a\.tar: not an archive of images as `orch save` writes them"):
        read_tags(tmp_path / "a.tar")
    with pytest.raises(UsageError, match="cannot be read"):
        read_tags(tmp_path / "nothing.tar")
