"""`orch images`, `orch prune` and `orch shell` on the venv engine: what lies there, what goes, what stays."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.toy_project import Toy, edit, make_toy


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Toy:
    """A project with one built image, in a cache of its own."""
    folder = tmp_path_factory.mktemp("toy")
    toy = replace(make_toy(folder, folder / "cache"), env={"DOCKER_HOST": "unix:///nobody-listens-here.sock"})
    assert toy.orch("build", "toy-1.0.0", "--resolve").exit_code == 0
    return toy


def images(toy: Toy) -> dict[str, str]:
    """Return the states of the images by folder."""
    return {one["reference"]: one["state"] for one in json.loads(toy.orch("images", "--json").stdout)}


def test_what_is_built_is_listed_with_its_size_and_found_to_be_current(toy: Toy) -> None:
    told, listed = toy.orch("images"), json.loads(toy.orch("images", "--json").stdout)

    (one,) = listed
    assert (one["image"], one["engine"], one["state"], one["used_s"]) == ("toy-1.0.0+cpu", "venv", "current", None)
    assert one["bytes"] > 10_000
    assert "never, made 20" in told.stdout
    assert "1 images; " in told.stdout


def test_a_launch_is_the_last_use_of_its_image(toy: Toy) -> None:
    ended = toy.orch("shell", "toy-1.0.0", "--", "python", "-c", "import toy; print(toy.__version__); exit(7)")

    (one,) = json.loads(toy.orch("images", "--json").stdout)
    assert (ended.stdout, ended.exit_code) == ("1.0.0\n", 7)
    assert one["used_s"] >= one["made_s"]


def test_a_shell_of_what_is_not_built_says_how_to_build_it(toy: Toy) -> None:
    ended = toy.orch("shell", "toy-2.0.0")

    assert ended.exit_code == 3
    assert "toy-2.0.0+cpu is not built on venv. Build it: orch build toy-2.0.0+cpu" in ended.stderr


def test_prune_says_first_what_it_would_remove_and_keeps_what_is_needed(toy: Toy) -> None:
    cache = toy.cache / "orch"
    stray = cache / "wheelhouse" / "00" / ("0" * 64) / "old-1.0-py3-none-any.whl"
    for folder in (stray.parent, cache / "compile" / "toy-1.0.0+cpu-0123", cache / "gates"):
        folder.mkdir(parents=True)
    stray.write_bytes(b"old")
    before = images(toy)
    edit(toy.project / "images" / "toy" / "Dockerfile", "^USER ", "USER 1000:1000\nUSER ")
    rebuilt = json.loads(toy.orch("build", "toy-1.0.0", "--json").stdout)[0]["text"]

    told, too_young = toy.orch("prune"), toy.orch("prune", "--older-than", "1h", "--yes")
    kept = images(toy)
    done = toy.orch("prune", "--yes", "--json")
    again = toy.orch("prune", "--yes")

    (stale,) = before
    assert kept == {stale: "stale", rebuilt: "current"}
    assert {stale, stray.name} <= set(told.stdout.split())
    assert "Nothing was removed. Remove it: orch prune --yes" in told.stderr
    assert too_young.stdout == "Nothing to remove.\n"
    assert {(one["kind"], one["removed"]) for one in json.loads(done.stdout)} == {
        ("image", True),
        ("wheel", True),
        ("compile cache", True),
    }
    assert images(toy) == {rebuilt: "current"}
    assert not stray.exists()
    assert not (cache / "gates").exists()
    assert len(list(Path(cache / "wheelhouse").glob("??/*/*"))) == 2  # the framework and its installer
    assert again.stdout == "Nothing to remove.\n"
    assert toy.orch("build", "toy-1.0.0", "--json").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("prune", "--older-than", "soon"), "--older-than soon: not an age such as 12h, 30d or 8w."),
        (("shell", "toy-*"), "means several images"),
        (("shell", "toi-1.0.0"), "Did you mean"),
        (("images", "--engine", "dokcer"), "unknown engine"),
        (("save", "toy-9", "--output", "x.tar"), "unknown image 'toy-9'. Known: toy-1.0.0"),
        (("load", "nothing.tar"), "nothing.tar: cannot be read (No such file or directory)."),
    ],
)
def test_wrong_input_is_one_line_and_exit_code_2(toy: Toy, arguments: tuple[str, ...], said: str) -> None:
    ended = toy.orch(*arguments)

    assert ended.exit_code == 2
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr
