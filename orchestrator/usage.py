"""When images were last launched: an empty file each in the cache, by the hash of their inputs; engines do not say."""

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path


def mark_used(cache: Path, inputs: Iterable[str]) -> None:
    """Note that images are used now. inputs: their hashes. A cache that cannot be written is no obstacle."""
    with suppress(OSError):
        (cache / "used").mkdir(parents=True, exist_ok=True)
        for inputs_sha256 in inputs:
            (cache / "used" / inputs_sha256).touch()


def last_used(cache: Path, inputs_sha256: str) -> float | None:
    """Return when an image was last used, in seconds since 1970; None if it is not known to have been."""
    try:
        return (cache / "used" / inputs_sha256).stat().st_mtime if inputs_sha256 else None
    except OSError:
        return None
