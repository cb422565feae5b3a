"""A suite that divides systems by each other, from end to end on the venv engine; no network."""

import json
from typing import Any

import pytest

from tests.toy_project import Ended, Toy

Json = dict[str, Any]


@pytest.fixture(scope="module")
def ended(built: Toy) -> Ended:
    return built.orch("run", "toy_systems", "--engine", "venv")


@pytest.fixture(scope="module")
def comparison(ended: Ended) -> Json:
    content: Json = json.loads((ended.run_folder / "comparison.json").read_text(encoding="utf-8"))
    return content


def test_all_systems_of_a_configuration_are_launched_back_to_back(built: Toy, ended: Ended) -> None:
    launched = [one["launch"] for one in built.records(ended.run_folder) if one["launch"]["block"] is not None]  # type: ignore[index]

    blocks = [one["block"] for one in sorted(launched, key=lambda one: one["position"])]  # type: ignore[index]

    assert {one["row"] for one in launched} == {"toy_step/small"}  # type: ignore[index]
    assert blocks == [1] * 4 + [2] * 4 + [3] * 4


def test_a_system_is_divided_by_the_fastest_and_not_by_its_own_implementation(comparison: Json) -> None:
    (table,) = comparison["tables"]

    entries = dict(zip(table["labels"], table["rows"][0]["entries"], strict=True))
    fastest = min((one for one in entries.values() if one["value_s"]), key=lambda one: one["value_s"])
    slow = entries["toy 2.0.0 slow"]

    assert table["across"] == "system"
    assert fastest["verdict"]["name"] == "baseline"
    assert slow["verdict"]["name"] == "slower"
    assert slow["ratio"] == pytest.approx(slow["value_s"] / fastest["value_s"])


def test_the_lines_are_sorted_by_speed_and_what_failed_comes_last_with_its_reason(ended: Ended) -> None:
    lines = [line for line in ended.stdout.splitlines() if line.startswith("toy ")]

    measured, published, failed = lines[:4], lines[4], lines[5:]
    assert [line.split()[2] for line in measured] == ["steady", "steady", "slow", "slow"]
    assert published.startswith("toy 0.9.0 steady")
    assert [line.split()[2] for line in failed] == ["raises", "raises"]
    assert "the step does not work" in ended.stdout


def test_published_numbers_of_the_same_system_stand_on_its_line_and_others_below(ended: Ended) -> None:
    told = {line.split("  ")[0]: line for line in ended.stdout.splitlines() if line.startswith("toy ")}

    assert "2 ms, 2.0×" in told["toy 1.0.0 steady"]
    assert "20 ms, 20.0×" in told["toy 1.0.0 slow"]
    assert told["toy 0.9.0 steady"].split() == ["toy", "0.9.0", "steady", "1", "ms,", "1.0×"]
    assert "counted on fingers" in ended.stdout


def test_the_studys_conclusions_are_tested_and_stand_below_the_table(ended: Ended, comparison: Json) -> None:
    outcomes = {one["name"]: one["outcome"] for one in comparison["conclusions"]}

    assert outcomes == {
        "slow_is_slow": "holds",
        "raises_is_slow": "cannot be tested here",
        "abacus": "cannot be tested here",
    }
    below = " ".join(ended.stdout.partition("What Toy 2020 concludes")[2].split())
    assert "holds slow is at least twice as slow as steady (Table 1)" in below
    assert "toy 1.0.0 slow / toy 1.0.0 steady = " in below
    assert "what raises is slower (text): toy 1.0.0 raises: failed (warmup): RuntimeError" in below
    assert "1 more conclusion of the study: about systems that are not among these records." in below
