"""What `orch new image` writes: a family that the loader reads and the schema takes, never over one that is there."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from orchestrator.catalog import Project, load_images
from orchestrator.errors import UsageError
from orchestrator.families import EXAMPLE, PYTHON, image_of, new_family
from orchestrator.scaffolding import write_new
from orchestrator.wheelhouse import find_installer
from tests.versions_schema import SCHEMA_FILE

IMAGES = Path(__file__).parents[2] / "images"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """An empty folder where only what is shipped is found."""
    return Project(root=tmp_path, images=IMAGES, suites=tmp_path / "suites", cwd=tmp_path)


def own(project: Project) -> Project:
    """Return the same folder once it has images of its own."""
    return Project(root=project.root, images=project.root / "images", suites=project.suites, cwd=project.cwd)


def test_a_new_family_is_read_as_one_image_on_a_base_that_others_have(project: Project) -> None:
    write_new(new_family(project, "mine", EXAMPLE, PYTHON), project.cwd)

    (image,) = load_images(own(project))

    assert image.name == image_of("mine", EXAMPLE) == "mine-2.4.6"
    assert image.requirements == (EXAMPLE,)
    assert image.base in {known.base for known in load_images(project)}
    assert find_installer(own(project).images, image.python).name == "pip"


def test_a_new_family_fits_the_schema_that_its_first_line_names(project: Project) -> None:
    write_new(new_family(project, "mine", EXAMPLE, PYTHON), project.cwd)
    text = (own(project).images / "mine" / "versions.yaml").read_text(encoding="utf-8")

    jsonschema.validate(yaml.load(text, yaml.BaseLoader), json.loads(SCHEMA_FILE.read_text(encoding="utf-8")))

    assert text.splitlines()[0] == f"# yaml-language-server: $schema={SCHEMA_FILE.as_uri()}"


def test_the_dockerfile_does_what_those_of_other_families_do(project: Project) -> None:
    files = {path.name: text for path, text in new_family(project, "mine", EXAMPLE, PYTHON).items()}

    _, _, ours = files["Dockerfile"].partition("\nFROM")
    _, _, theirs = (IMAGES / "pytensor" / "Dockerfile").read_text(encoding="utf-8").partition("\nFROM")

    assert ours == theirs


@pytest.mark.parametrize("package", [EXAMPLE, "scikit-learn==1.8.0"])
def test_a_new_check_and_a_new_step_compile(project: Project, package: str) -> None:
    files = {path.name: text for path, text in new_family(project, "mine", package, PYTHON).items()}

    for name in ("check.py", "step.py"):
        compile(files[name], name, "exec")


def test_a_project_with_families_keeps_its_installers(project: Project) -> None:
    write_new(new_family(project, "mine", EXAMPLE, PYTHON), project.cwd)

    second = new_family(own(project), "other", EXAMPLE, PYTHON)

    assert {path.parent.name for path in second} == {"other"}


@pytest.mark.parametrize("name", ["", "../up", "Mine", "a b", "-x", "a--b", "1st", "x" * 65])
def test_a_name_that_no_image_can_have_is_refused(project: Project, name: str) -> None:
    with pytest.raises(UsageError, match="Use small letters, digits"):
        new_family(project, name, EXAMPLE, PYTHON)


@pytest.mark.parametrize("package", ["numpy", "numpy>=2", "numpy==", "numpy==2.*", "==1.0"])
def test_a_package_without_its_exact_version_is_refused(project: Project, package: str) -> None:
    with pytest.raises(UsageError, match=r"not a package with its exact version\. Write it as numpy=="):
        new_family(project, "mine", package, PYTHON)


@pytest.mark.parametrize("python", ["3.13", "2.7.18", "three"])
def test_a_python_that_is_no_full_patch_version_is_refused(project: Project, python: str) -> None:
    with pytest.raises(UsageError, match="not a full patch version of Python 3"):
        new_family(project, "mine", EXAMPLE, python)
