"""Whether what would be fetched and built has room, and may be fetched without asking: known before the first byte."""

import shutil
from pathlib import Path

from orchestrator import console
from orchestrator.errors import DiskError, UsageError
from orchestrator.hardware import Disk
from orchestrator.planning import BuildCost


def check_space(
    cost: BuildCost,
    folder: Path,
    *,
    ask_above_bytes: int,
    agreed: bool,
    storage: Path | None = None,
    away: Disk | None = None,
) -> None:
    """Stop before the first download: DiskError if a disk is too small, UsageError for a large one without --yes.

    folder: the cache. storage: of the engine, where images lie; None: not known, all is counted at the cache.
    away: the disk of that storage where it is on another machine.
    """
    cache, images = _existing(folder), _existing(folder if storage is None or away else storage)
    if away is not None:
        check_free(cache, cost.download_bytes, "put the cache elsewhere (XDG_CACHE_HOME)")
        _require_free(away, cost.disk_bytes - cost.download_bytes, "remove images there (docker image prune)")
    elif cache.stat().st_dev == images.stat().st_dev:
        check_free(cache, cost.disk_bytes, "put the cache elsewhere (XDG_CACHE_HOME)")
    else:
        check_free(cache, cost.download_bytes, "put the cache elsewhere (XDG_CACHE_HOME)")
        check_free(images, cost.disk_bytes - cost.download_bytes, "remove images there (docker image prune)")
    if cost.download_bytes > ask_above_bytes and not agreed:
        raise UsageError(
            f"{console.size(cost.download_bytes)} would be downloaded, more than build.ask_above_gb "
            f"({console.size(ask_above_bytes)}). Say --yes, or name fewer images."
        )


def _existing(folder: Path) -> Path:
    return next(parent for parent in (folder, *folder.parents) if parent.exists())


def check_free(folder: Path, needed_bytes: int, remedy: str) -> None:
    _require_free(Disk(name=str(folder), free_bytes=shutil.disk_usage(folder).free), needed_bytes, remedy)


def _require_free(disk: Disk, needed_bytes: int, remedy: str) -> None:
    if needed_bytes > disk.free_bytes:
        needed, free = console.size(needed_bytes), console.size(disk.free_bytes)
        raise DiskError(
            f"{needed} of disk are needed, {free} are free at {disk.name}. Free some, name fewer images, or {remedy}."
        )
