"""The bake file, and why a bake ended. The logs in tests/data/buildx are those of buildx 0.29 with Engine 28.5."""

import json
from pathlib import Path

import pytest

from orchestrator.engines.buildx import BakeTarget, bake_json, find_buildx, read_failure
from orchestrator.errors import EngineError

LOGS = Path(__file__).parents[1] / "data" / "buildx"
TARGET = BakeTarget(
    name="pytorch-1.0.1+cpu",
    context=Path("/contexts/pytorch-1.0.1+cpu"),
    args={"BASE": "python:3.6-slim", "PIP": "pip-21.3.1-py3-none-any.whl"},
    tag="orch-building/pytorch-1.0.1:cpu-0123456789ab",
    labels={"orch.inputs": "0123456789abcdef"},
)


def test_a_target_has_a_key_that_bake_takes() -> None:
    assert TARGET.key == "pytorch-1_0_1_cpu-0123456789ab"


def test_the_bake_file_has_one_target_per_image_with_a_context_of_its_own() -> None:
    written = json.loads(bake_json([TARGET]))

    assert written["group"]["default"]["targets"] == [TARGET.key]
    assert written["target"][TARGET.key] == {
        "context": "/contexts/pytorch-1.0.1+cpu",
        "args": {"BASE": "python:3.6-slim", "PIP": "pip-21.3.1-py3-none-any.whl"},
        "tags": ["orch-building/pytorch-1.0.1:cpu-0123456789ab"],
        "labels": {"orch.inputs": "0123456789abcdef"},
        "platforms": ["linux/amd64"],
    }


def test_a_certificate_bundle_is_a_secret_of_the_build() -> None:
    written = json.loads(bake_json([TARGET], Path("/etc/ssl/ours.crt")))

    assert written["target"][TARGET.key]["secret"] == ["id=ca,src=/etc/ssl/ours.crt"]


def test_the_failing_target_of_several_is_named_with_the_last_lines_of_its_step() -> None:
    target, reason = read_failure((LOGS / "two_targets.log").read_text())

    assert target == "bad"
    assert reason.splitlines()[0].endswith("did not complete successfully: exit code: 3")
    assert reason.splitlines()[1:] == ["  looking", "  No matching distribution found"]


def test_a_bake_of_one_target_names_none_but_says_why() -> None:
    target, reason = read_failure((LOGS / "one_target.log").read_text())

    assert target is None
    assert reason.splitlines()[1:] == ["  looking", "  No matching distribution found"]


def test_a_base_image_that_is_not_there_is_the_reason() -> None:
    target, reason = read_failure((LOGS / "no_base.log").read_text())

    assert target == "nobase"
    assert "failed to resolve source metadata for docker.io/orch-test/nothere:1" in reason


def test_a_log_without_an_error_line_gives_its_end() -> None:
    assert read_failure("#1 reading\nKilled\n") == (None, "#1 reading\nKilled")


def test_without_buildx_the_message_names_the_packages(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"Install the package docker-buildx .* or docker-buildx-plugin"):
        find_buildx([str(tmp_path)], plugin_folders=[tmp_path])
