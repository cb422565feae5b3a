"""A small image family that locks and builds as it is: what `orch new image` writes."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from orchestrator.catalog import Project, load_images
from orchestrator.errors import UsageError
from orchestrator.scaffolding import fill, schema_for

EXAMPLE = "numpy==2.4.6"
PYTHON = "3.13.0"
INSTALLERS = "installers.txt"
_FAMILY = re.compile(r"[a-z][a-z0-9]*(?:[_-][a-z0-9]+)*")  # it becomes a part of the name of an image
_PACKAGE = re.compile(r"([A-Za-z0-9][\w.-]*)==(\d[\w.]*)")
_NUMPY_PRODUCT = "numpy.ones((2, 2)).dot(numpy.ones((2, 2))).sum()"
_ANY_PRODUCT = "sum(1.0 for _ in range(8))  # not by it yet: write here how it multiplies"


def new_family(project: Project, name: str, package: str, python: str) -> Mapping[Path, str]:
    """Return the files of a family with one version, on the CPU.

    package: `name==version`, what the images are of. python: full patch version.
    Raises UsageError for a name, package or Python that cannot be used.
    """
    if not _FAMILY.fullmatch(name) or len(name) > 64:
        raise UsageError(f"new image '{name}': no name. Use small letters, digits, and '_' or '-' between them.")
    pinned = _PACKAGE.fullmatch(package)
    if pinned is None:
        raise UsageError(f"--package {package}: not a package with its exact version. Write it as {EXAMPLE}.")
    module = pinned[1].lower().replace("-", "_")
    folder = project.root / "images" / name
    values = {
        "name": name,
        "package": pinned[1],
        "module": module,
        "version": pinned[2],
        "python": python,
        "base": _base(project, python),
        "product": _NUMPY_PRODUCT if module == "numpy" else _ANY_PRODUCT,
        "released": datetime.now(UTC).date().isoformat(),
        "source": f"the package {pinned[1]} of the package index",
        "schema": schema_for("versions", folder / "versions.yaml", project.root),
    }
    own = {folder / file: fill(file, **values) for file in ("Dockerfile", "versions.yaml", "check.py", "step.py")}
    installers = project.root / "images" / INSTALLERS
    if not installers.exists():  # the first family of a project
        own[installers] = (project.images / INSTALLERS).read_text(encoding="utf-8")
    return own


def image_of(name: str, package: str) -> str:
    """Return the name of the one image of a new family."""
    return f"{name}-{package.partition('==')[2]}"


def _base(project: Project, python: str) -> str:
    """Return the base that other rows of that Python stand on: it may be here already, or have a mirror."""
    if not re.fullmatch(r"3\.\d+\.\d+", python):
        raise UsageError(f"--python {python}: not a full patch version of Python 3, such as {PYTHON}.")
    minor = python.rpartition(".")[0]
    bases = {image.base for image in load_images(project) if image.base.startswith(f"python:{minor}-slim")}
    return min(bases, default=f"python:{minor}-slim")
