"""The rows of image families, `images/<family>/versions.yaml`, into specs."""

import re
from pathlib import Path

from orchestrator.images import Image, Variant
from orchestrator.loading import build
from orchestrator.names import version_key
from orchestrator.yaml_lines import Node, read_yaml, shown_path


def load_versions(path: Path, cwd: Path) -> tuple[Image, ...]:
    """Read the rows of an image family, in the order of the file.

    cwd: the folder that a relative path and the paths in messages start from. Raises ConfigurationError.
    """
    root = read_yaml(cwd / path, shown_path(path, cwd))
    root.check_keys(("family", "framework", "versions"))
    check_folder(root.required("family"), path)
    folder = (cwd / path).parent
    return tuple(_load_image(root, row, folder) for row in root.required("versions").mapping().values())


def check_folder(node: Node, path: Path) -> None:
    """Refuse a name that is not that of the file's folder."""
    if node.text() != path.parent.name:
        raise node.error(f"is '{node.text()}' in the folder '{path.parent.name}'. Make the two the same.")


def _load_image(root: Node, row: Node, folder: Path) -> Image:
    version = row.key
    try:
        version_key(version)
    except ValueError as error:
        raise row.error(f"'{version}' is not a version such as 1.10.2, 0.1.12_2 or 1.10.2-py36.") from error
    image = build(
        Image,
        row,
        read=("variants",),
        family=folder.name,
        framework=root.required("framework").text(),
        version=version,
        folder=folder,
        line=row.line,
        variants=tuple(build(Variant, node, name=name) for name, node in row.entries("variants").items()),
    )
    if not image.unavailable:
        _check_row(row, image)
    return image


def _check_row(row: Node, image: Image) -> None:
    """Refuse a row that nothing can be built from."""
    for node in (row, *(row.at(("variants", one.name)) for one in image.variants if one.python)):
        python = node.required("python")
        if not re.fullmatch(r"\d+\.\d+\.\d+", python.text()):
            raise python.error(f"is {python.kind}. Write the full patch version, such as 3.6.15.")
    named = re.search(r"-py(\d)(\d+)$", image.version)
    if named and not image.python.startswith(f"{named[1]}.{named[2]}."):
        raise row.required("python").error(f"is '{image.python}', but the row's name says {named[1]}.{named[2]}.")
    row.required("base")
    has_wheels = not all(one.without_wheels for one in image.variants)
    if not row.required("variants").mapping() or (has_wheels and not row.required("requirements").items()):
        raise row.error("needs at least one requirement, the framework first, and one variant.")
