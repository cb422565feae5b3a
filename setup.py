"""Ship images/ and suites/ as data: `share/orch-bench/` of the environment. All else stands in pyproject.toml."""

from pathlib import Path

from setuptools import setup

SHARE = Path("share/orch-bench")


def list_data() -> list[tuple[str, list[str]]]:
    """Return (folder in the environment, files) for every folder of images/ and suites/."""
    folders: dict[Path, list[str]] = {}
    for root in (Path("images"), Path("suites")):
        for path in sorted(root.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                folders.setdefault(path.parent, []).append(str(path))
    return [(str(SHARE / folder), files) for folder, files in folders.items()]


setup(data_files=list_data())
