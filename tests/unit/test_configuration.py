"""orch.toml: defaults, the project's file, the user's over it, and what is wrong in them."""

from pathlib import Path

import pytest

from orchestrator.configuration import Settings, load_settings
from orchestrator.errors import ConfigurationError


def settings(folder: Path, text: str = "", user: str | None = None, **env: str) -> Settings:
    (folder / "orch.toml").write_text(text)
    if user is not None:
        (folder / "user.toml").write_text(user)
        env["ORCH_CONFIG"] = "user.toml"
    return load_settings(folder, folder, {"HOME": str(folder / "home"), **env})


def test_without_a_file_there_are_defaults(tmp_path: Path) -> None:
    found = load_settings(tmp_path, tmp_path, {"HOME": "/home/me"})

    assert found == Settings(runs=tmp_path / "runs", cache=Path("/home/me/.cache/orch"))
    assert found.ask_above_bytes == 20_000_000_000


def test_the_cache_follows_the_environment(tmp_path: Path) -> None:
    assert settings(tmp_path, XDG_CACHE_HOME="/var/cache").cache == Path("/var/cache/orch")


def test_a_file_changes_what_it_names(tmp_path: Path) -> None:
    text = """
    suite = "suites/mine.yaml"
    runs = "measured"
    [mirrors]
    "python:3.6-slim-bullseye" = "registry.local/python:3.6"
    [build]
    ask_above_gb = 0.5
    ca_bundle = "/etc/ssl/ours.pem"
    """

    found = settings(tmp_path, text)

    assert (found.suite, found.runs) == ("suites/mine.yaml", tmp_path / "measured")
    assert found.mirrors == {"python:3.6-slim-bullseye": "registry.local/python:3.6"}
    assert (found.ask_above_bytes, found.ca_bundle) == (500_000_000, Path("/etc/ssl/ours.pem"))


def test_the_file_of_the_user_lies_over_that_of_the_project_and_mirrors_add_up(tmp_path: Path) -> None:
    found = settings(
        tmp_path,
        'suite = "a.yaml"\nruns = "r"\n[mirrors]\na = "x"\nb = "x"\n',
        user='suite = "b.yaml"\n[mirrors]\nb = "y"\n',
    )

    assert (found.suite, found.runs) == ("b.yaml", tmp_path / "r")
    assert found.mirrors == {"a": "x", "b": "y"}


def test_the_user_has_a_file_at_the_usual_place(tmp_path: Path) -> None:
    usual = tmp_path / "home" / ".config" / "orch" / "orch.toml"
    usual.parent.mkdir(parents=True)
    usual.write_text('suite = "home.yaml"')

    assert settings(tmp_path).suite == "home.yaml"


def test_a_named_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"none.toml: there is no such file. Correct or unset ORCH_CONFIG."):
        settings(tmp_path, ORCH_CONFIG="none.toml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('\nsiute = "a"', "orch.toml:2: siute: unknown key. Did you mean 'suite'?"),
        ("[build]\nask_above = 3", "orch.toml:2: build.ask_above: unknown key. Did you mean 'ask_above_gb'?"),
        ("[biuld]\nask_above_gb = 3", "orch.toml:1: biuld: unknown key. Did you mean 'build'?"),
        ("suite = 3", "orch.toml:1: suite: must be text in quotes, not '3'."),
        ('suite = ""', "orch.toml:1: suite: must be text in quotes, not empty."),
        (
            "\n[build]\nask_above_gb = true",
            "orch.toml:3: build.ask_above_gb: must be a number of gigabytes, not 'True'.",
        ),
        ("[build]\nask_above_gb = -1", "orch.toml:2: build.ask_above_gb: must be a number of gigabytes, not '-1'."),
        ('mirrors = "x"', "orch.toml:1: mirrors: must be a mapping of keys to values, not 'x'."),
        ("suite = \n", "orch.toml:1: not valid TOML: Invalid value. Correct the line."),
        ("runs = 'a'\nruns = 'b'", "orch.toml:2: not valid TOML: Cannot overwrite a value."),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        settings(tmp_path, text)

    assert message in str(caught.value)


def test_a_binary_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "orch.toml").write_bytes(b"\x89PNG\xff")

    with pytest.raises(ConfigurationError, match=r"orch.toml: not a text file in UTF-8."):
        load_settings(tmp_path, tmp_path, {})


def test_runs_lie_in_the_project_also_for_who_works_in_a_folder_of_it(tmp_path: Path) -> None:
    inside = load_settings(tmp_path, tmp_path / "suites", {"HOME": "/home/me"})
    outside = load_settings(tmp_path / "project", tmp_path, {"HOME": "/home/me"})

    assert (inside.runs, outside.runs) == (tmp_path / "runs", tmp_path / "runs")
