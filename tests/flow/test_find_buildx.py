"""Which of several docker programs builds."""

from pathlib import Path

import pytest

from orchestrator.engines.buildx import find_buildx
from orchestrator.errors import EngineError

PLUGIN_HERE = "exit 0"
UNKNOWN_COMMAND = "echo \"docker: 'buildx' is not a docker command.\" >&2; exit 1"


def _program(path: Path, body: str) -> str:
    path.parent.mkdir()
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return str(path)


def test_an_old_docker_first_on_the_path_is_passed_over(tmp_path: Path) -> None:
    _program(tmp_path / "old" / "docker", UNKNOWN_COMMAND)
    new = _program(tmp_path / "new" / "docker", PLUGIN_HERE)

    command = find_buildx([str(tmp_path / "old"), str(tmp_path / "new")], plugin_folders=[])

    assert command == (new, "buildx")


def test_the_plugin_builds_where_no_docker_knows_it(tmp_path: Path) -> None:
    _program(tmp_path / "old" / "docker", UNKNOWN_COMMAND)
    plugin = _program(tmp_path / "cli-plugins" / "docker-buildx", PLUGIN_HERE)

    command = find_buildx([str(tmp_path / "old")], plugin_folders=[tmp_path / "cli-plugins"])

    assert command == (plugin,)


def test_an_engine_without_buildx_is_an_error(tmp_path: Path) -> None:
    _program(tmp_path / "old" / "docker", UNKNOWN_COMMAND)

    with pytest.raises(EngineError, match="not installed"):
        find_buildx([str(tmp_path / "old")], plugin_folders=[])
