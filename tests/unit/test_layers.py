"""The layers of the house: lower modules never import higher ones, and only loading.py knows pydantic and YAML."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "orchestrator"
LAYERS = (
    {"__init__", "errors", "specs", "images", "hardware", "records", "summaries", "options"},
    {
        "process",
        "machine",
        "console",
        "devices",
        "gpus",
        "names",
        "nvml",
        "sensors",
        "remedies",
        "shipped",
        "yaml_lines",
    },
    {"conclusions", "loading", "definitions", "rows", "configuration", "keys", "interpreters", "selection_checks"},
    {
        "engines",
        "fleet",
        "catalog",
        "variants",
        "gpu_code",
        "unsupported",
        "planning",
        "store",
        "locking",
        "wheelhouse",
        "usage",
        "fetching",
        "indexes",
        "resolving",
        "closures",
        "index_files",
        "wheel_tags",
        "telemetry",
        "traces",
        "gates",
        "workloads",
        "reaching",
        "upstream",
    },
    {"analysis"},
    {"health", "adopting", "disk_space"},
    {"prepared", "recording", "launching", "gating", "building", "ordering", "recovering", "running", "stopping"},
    {
        "scaffolding",
        "foreign",
        "importing",
        "publications",
        "examples",
        "families",
        "targeting",
        "workbench",
        "doctor",
        "listing",
        "plan_texts",
        "carrying",
        "keeping",
        "pinning",
        "providing",
        "reporting",
        "beginning",
        "studies",
    },
    {"verbs"},
    {"cli"},
    {"__main__"},
)
MODULES = sorted(path for path in PACKAGE.rglob("*.py"))


def place(module: str) -> str:
    part = module.partition(".")[2].partition(".")[0]
    return part if part and ((PACKAGE / part).is_dir() or (PACKAGE / f"{part}.py").is_file()) else "__init__"


def imports(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {
                f"{node.module}.{alias.name}" for alias in node.names if node.module == "orchestrator"
            }
    return found


def layer_of(name: str) -> int:
    return next(number for number, layer in enumerate(LAYERS) if name in layer)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_module_imports_a_higher_layer(path: Path) -> None:
    own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")

    ours = {place(name) for name in imports(path) if name.startswith("orchestrator.")}

    assert [name for name in ours if layer_of(name) > layer_of(own)] == []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_loading_knows_pydantic_and_yaml(path: Path) -> None:
    foreign = {name.split(".")[0] for name in imports(path)} & {"pydantic", "pydantic_core", "yaml"}

    assert not foreign or path.stem in {"loading", "yaml_lines"}


def test_the_analysis_never_talks_to_engines_or_fleets() -> None:
    talkers = {
        path
        for path in (PACKAGE / "analysis").rglob("*.py")
        for name in imports(path)
        if place(name) in {"engines", "fleet", "running", "building"} and name.startswith("orchestrator.")
    }

    assert talkers == set()
