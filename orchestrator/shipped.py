"""Where the images and suites lie that come with `orch`."""

import sysconfig
from pathlib import Path


def shipped_folders() -> tuple[Path, ...]:
    """Return where images/ and suites/ may lie: the data of the wheel, or the repository of an editable install."""
    return Path(sysconfig.get_path("data")) / "share" / "orch-bench", Path(__file__).resolve().parents[1]
