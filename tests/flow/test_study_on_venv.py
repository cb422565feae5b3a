"""The command line from end to end on the venv engine: the main path, bad input, faults, interruptions; no network."""

import json
import os
import shutil
import signal
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

import jsonschema
import pytest

from tests.record_schema import SCHEMA_FILE
from tests.toy_project import (
    FAULTS,
    Ended,
    Toy,
    edit,
    finish,
    left_folders,
    marked_processes,
    measured,
    record_files,
    wait_until,
)

RUN = ("run", "toy_versions", "--engine", "venv")
SLOW = ("run", "slow", "--engine", "venv")
STEADY = "toy-{}+cpu/toy_step/steady/small"


@dataclass(frozen=True, kw_only=True)
class Study:
    """A run that was made once for several tests, which only look at it."""

    toy: Toy
    ended: Ended


@pytest.fixture(scope="module")
def study(built: Toy) -> Study:
    return Study(toy=built, ended=built.orch(*RUN))


@pytest.fixture(scope="module")
def faults(built: Toy, tmp_path_factory: pytest.TempPathFactory) -> Study:
    folder = tmp_path_factory.mktemp("faults")
    shutil.copytree(built.project, folder / "project")
    toy = replace(built, folder=folder)
    return Study(toy=toy, ended=toy.orch("run", "faults"))


# --- the main path ---------------------------------------------------------------------------------------------------


def test_a_run_ends_in_a_comparison_and_the_path_of_its_folder(study: Study) -> None:
    folder = study.ended.run_folder

    comparison = json.loads((folder / "comparison.json").read_text(encoding="utf-8"))

    assert study.ended.exit_code == 0, study.ended.stderr
    assert folder.parent == study.toy.folder / "runs"
    assert "steady small" in study.ended.stdout
    assert comparison["schema"].startswith("orch.comparison/")


def test_the_version_that_does_more_work_is_found_slower(study: Study) -> None:
    comparison = json.loads((study.ended.run_folder / "comparison.json").read_text(encoding="utf-8"))

    (row,) = comparison["tables"][0]["rows"]
    older, newer = row["entries"]

    assert older["verdict"]["name"] == "baseline"
    assert 1.15 < newer["ratio"] < 2.2
    assert newer["verdict"]["name"] in {"slower", "inconclusive"}  # a busy machine may hide it, but never turn it round


def test_each_launch_has_a_record_that_others_can_read(study: Study) -> None:
    folder = study.ended.run_folder

    first = next((folder / "records").iterdir())

    assert measured(study.toy.records(folder)) == [
        (STEADY.format(version), block) for version in ("1.0.0", "2.0.0") for block in (1, 2, 3)
    ]
    assert first.stat().st_mode & 0o777 == 0o666 & ~_umask()
    assert next(iter(json.loads(first.read_text(encoding="utf-8")).items())) == ("schema", "orch.record/1")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_stdout_holds_results_only_and_both_are_plain_when_piped(study: Study) -> None:
    assert "gate" in study.ended.stderr
    assert "block 1" in study.ended.stderr
    assert "block 1" not in study.ended.stdout
    assert "\x1b" not in study.ended.stdout + study.ended.stderr


def test_without_an_engine_the_choice_of_venv_is_said_aloud(built: Toy) -> None:
    ended = built.orch("plan", "toy_versions")

    assert ended.exit_code == 0
    assert "Engine: venv" in ended.stderr
    assert "no engine answers" in ended.stderr


def test_the_same_command_continues_and_has_nothing_left_to_do(toy: Toy) -> None:
    first = toy.orch(*RUN)
    before = record_files(first.run_folder)

    again = toy.orch(*RUN)

    assert again.exit_code == 0
    assert again.run_folder == first.run_folder
    assert record_files(again.run_folder) == before
    assert "block" not in again.stderr.partition("launches")[2]


def test_fresh_makes_a_run_of_its_own(toy: Toy) -> None:
    first = toy.orch(*RUN)

    again = toy.orch(*RUN, "--fresh")

    assert again.run_folder != first.run_folder
    assert measured(toy.records(again.run_folder)) == measured(toy.records(first.run_folder))


def test_other_work_under_the_same_names_starts_a_run_of_its_own(toy: Toy) -> None:
    first = toy.orch(*RUN)
    edit(toy.project / "suites" / "benchmarks" / "toy_step" / "benchmark.yaml", r"iterations: \d+", "iterations: 30000")

    again = toy.orch(*RUN)

    assert again.run_folder != first.run_folder
    assert "have changed since" in again.stderr
    assert {record["launch"]["paired"] for record in toy.records(again.run_folder)} == {True}  # type: ignore[index]


@pytest.mark.parametrize(
    "arguments",
    [
        ("doctor",),
        ("list",),
        ("plan", "toy_versions"),
        ("plan", "toy_versions", "--gpu", "H100"),
        ("build", "toy_versions"),
        ("report",),
        ("reap",),
        RUN,
    ],
    ids=" ".join,
)
def test_json_is_all_that_stdout_holds_when_asked_for(study: Study, arguments: tuple[str, ...]) -> None:
    ended = study.toy.orch(*arguments, "--json")

    assert ended.exit_code in {0, 6}, ended.stderr
    assert isinstance(json.loads(ended.stdout), dict | list)


@pytest.mark.parametrize(("form", "beginning"), [("markdown", "**toy"), ("csv", "source,"), ("json", "{")])
def test_a_report_comes_in_other_forms(study: Study, form: str, beginning: str) -> None:
    ended = study.toy.orch("report", study.ended.run_folder.name, "--format", form)

    assert ended.exit_code == 0, ended.stderr
    assert "2.0.0" in ended.stdout
    assert ended.stdout.startswith(beginning)


def test_a_reader_that_stops_reading_is_no_error_of_ours(built: Toy) -> None:
    program = built.start("list")
    assert program.stdout
    program.stdout.close()

    program.wait(60)

    assert program.stderr
    assert "Traceback" not in program.stderr.read()
    program.stderr.close()


# --- launches that go wrong ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("implementation", "status", "reason"), FAULTS)
def test_a_launch_that_goes_wrong_is_a_record_with_its_reason(
    faults: Study, implementation: str, status: str, reason: str
) -> None:
    records = [r for r in faults.toy.records() if r["workload"]["implementation"] == implementation]  # type: ignore[index]

    (record,) = records

    assert record["status"] == status
    assert reason in record["failure"]["message"]  # type: ignore[index]


def test_launches_that_go_wrong_stop_no_other_and_end_in_exit_1(faults: Study) -> None:
    assert faults.ended.exit_code == 1
    assert measured(faults.toy.records()) == [(STEADY.format("1.0.0"), 1)]


def test_a_cell_without_a_time_is_a_dash_with_a_footnote(faults: Study) -> None:
    line = next(line for line in faults.ended.stdout.splitlines() if line.startswith("hangs small"))

    assert "–" in line
    assert "timeout: no end within the time limit" in faults.ended.stdout


def test_every_record_is_short_and_valid_by_the_schema_that_is_shipped(faults: Study) -> None:
    schema = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    files = list((faults.ended.run_folder / "records").iterdir())

    for path in files:
        jsonschema.validate(json.loads(path.read_text(encoding="utf-8")), schema)

    assert len(files) == len(FAULTS) + 1
    assert max(path.stat().st_size for path in files) <= 32 * 1024


def test_what_did_not_fit_into_a_record_is_kept_whole(faults: Study) -> None:
    wholes = {path.name.split("_")[3]: path for path in (faults.ended.run_folder / "logs").glob("*.whole.json")}

    assert set(wholes) == {"packed", "checks", "talks"}
    assert len(json.loads(wholes["packed"].read_text(encoding="utf-8"))["environment"]["packages"]) == 10_000
    assert "Traceback" not in faults.ended.stderr


def test_what_a_program_prints_cannot_steer_the_terminal(faults: Study) -> None:
    assert "\x1b" not in faults.ended.stdout + faults.ended.stderr
    assert "\x07" not in faults.ended.stdout + faults.ended.stderr


def test_a_failing_launch_leaves_no_process_and_no_folder(faults: Study) -> None:
    assert marked_processes(faults.toy) == []
    assert left_folders(faults.toy) == []


def test_failed_launches_are_not_made_again_and_still_end_in_exit_1(faults: Study) -> None:
    before = record_files(faults.ended.run_folder)

    again = faults.toy.orch("run", "faults")

    assert again.exit_code == 1
    assert record_files(faults.ended.run_folder) == before


def test_an_image_that_does_not_import_fails_its_health_check_and_stops_no_other(toy: Toy) -> None:
    ended = toy.orch("run", "not_importable", "--resolve")

    records = {r["image"]["name"]: r for r in toy.records()}  # type: ignore[index]
    assert ended.exit_code == 1
    assert records["toy-1.0.0"]["status"] == "ok"
    assert records["toy-3.0.0"]["status"] == "failed"
    assert records["toy-3.0.0"]["failure"]["phase"] == "health"  # type: ignore[index]
    assert "libtoy.so.3" in ended.stdout


def test_building_an_image_that_does_not_import_is_a_failure(toy: Toy) -> None:
    ended = toy.orch("build", "toy-3.0.0", "--resolve")

    assert ended.exit_code == 3
    assert "libtoy.so.3" in ended.stdout
    assert list((toy.cache / "orch" / "venvs").glob("toy-3.0.0*")) == []


# --- bad input -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "replacement", "said"),
    [
        ("^title:", "titel:", "unknown key. Did you mean 'title'?"),
        ("blocks: 3", "blocks: three", "must be a whole number"),
        (r"\[\"toy-.*\]", "[toy-1.0.1]", "unknown image 'toy-1.0.1'. Did you mean"),
        ("benchmark: toy_step", "benchmark: toy_stp", "unknown benchmark 'toy_stp'. Did you mean 'toy_step'?"),
        ("steady", "stedy", "nothing is called 'stedy'. Did you mean 'steady'?"),
        ("baseline: oldest", "baseline: toy-9", "must be 'oldest' or an image of the suite, not 'toy-9'"),
    ],
)
def test_a_wrong_suite_is_told_with_its_line_and_a_suggestion(
    toy: Toy, pattern: str, replacement: str, said: str
) -> None:
    edit(toy.project / "suites" / "toy_versions.yaml", pattern, replacement)

    ended = toy.orch(*RUN)

    assert ended.exit_code == 2
    assert "toy_versions.yaml" in ended.stderr
    assert said in ended.stderr
    assert ended.stdout == ""


@pytest.mark.parametrize("content", [b"", b"\x7fELF\x00\xff\xfe", b"- [", b"a: &a [*a]\n"], ids=repr)
def test_a_file_that_is_no_suite_is_told_so(toy: Toy, content: bytes) -> None:
    (toy.project / "suites" / "toy_versions.yaml").write_bytes(content)

    ended = toy.orch(*RUN)

    assert ended.exit_code == 2
    assert "toy_versions.yaml" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_version_written_as_a_number_stays_the_text_it_is(toy: Toy) -> None:
    edit(toy.project / "images" / "toy" / "versions.yaml", '"1.0.0":', "1.10:")

    ended = toy.orch("list", "--json")

    assert list(json.loads(ended.stdout)["images"]) == ["toy-1.10", "toy-2.0.0", "toy-3.0.0"]


def test_a_python_without_its_patch_is_told_with_its_line(toy: Toy) -> None:
    edit(toy.project / "images" / "toy" / "versions.yaml", 'python: ".*"', "python: 3.11")

    ended = toy.orch(*RUN)

    assert ended.exit_code == 2
    assert "versions.yaml:7: versions.1.0.0.python: is '3.11'. Write the full patch version" in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run", "toy_version"), "Did you mean 'toy_versions'?"),
        (("run", "toy_versions", "--engine", "dokcer"), "unknown engine"),
        (("run", "toy_versions", "--profile", "slow"), "no such profile"),
        (("run", "toy_versions", "--device", "tpu"), "tpu"),
        (("build", "toy-1.0.0+cu999"), "no variant 'cu999'"),
        (("build", "toi-1.0.0"), "Did you mean"),
        (("lock", "toy-1.0.1"), "Did you mean"),
        (("report", "20200101"), "not a run folder"),
        (("plan", "toy_versions", "--gpu", "H1000"), "H1000"),
        (("report", "--format", "pdf"), "pdf"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_wrong_command_line_is_told_with_what_is_known(study: Study, arguments: tuple[str, ...], said: str) -> None:
    ended = study.toy.orch(*arguments)

    assert ended.exit_code == 2
    assert said in ended.stderr
    assert ended.stdout == ""


def test_a_missing_script_is_told_before_anything_is_built(toy: Toy) -> None:
    (toy.project / "suites" / "benchmarks" / "toy_step" / "run_toy.py").unlink()

    ended = toy.orch(*RUN)

    assert ended.exit_code == 2
    assert "run_toy.py" in ended.stderr


def test_a_selection_of_nothing_is_exit_6(toy: Toy) -> None:
    edit(
        toy.project / "suites" / "toy_versions.yaml",
        r"^    implementations: \[steady\]",
        "    implementations: [steady]\n    exclude: [{image: 'toy-*'}]",
    )

    ended = toy.orch(*RUN)

    assert ended.exit_code == 6
    assert "selects nothing" in ended.stderr


def test_an_engine_that_does_not_answer_is_exit_3_with_a_remedy(toy: Toy) -> None:
    ended = toy.orch("run", "toy_versions", "--engine", "docker")

    assert ended.exit_code == 3
    assert "Start Docker" in ended.stderr
    assert toy.runs() == []


# --- wheels and disk -------------------------------------------------------------------------------------------------


def test_without_lock_and_network_the_images_are_unsupported_with_the_reason(toy: Toy, tmp_path: Path) -> None:
    shutil.rmtree(toy.project / "images" / "toy" / "locks")
    (tmp_path / "empty").mkdir()
    cut_off = replace(toy, cache=tmp_path / "cache", env={**toy.env, "PIP_FIND_LINKS": str(tmp_path / "empty")})

    ended = cut_off.orch(*RUN, "--resolve")

    assert ended.exit_code == 6
    assert "cannot resolve toy==1.0.0" in ended.stderr
    assert "find-links" in ended.stderr
    assert {record["status"] for record in toy.records()} == {"unsupported"}


def test_nothing_is_resolved_where_no_image_has_a_lock(toy: Toy) -> None:
    shutil.rmtree(toy.project / "images" / "toy" / "locks")

    ended = toy.orch(*RUN)

    assert ended.exit_code == 6
    assert "toy-1.0.0: not locked: orch lock toy-1.0.0+cpu" in ended.stderr
    assert not toy.runs()
    assert not (toy.project / "images" / "toy" / "locks").exists()


def test_what_has_no_lock_is_unsupported_in_plan_and_run_and_no_failure(toy: Toy) -> None:
    (toy.project / "images" / "toy" / "locks" / "toy-1.0.0+cpu.txt").unlink()

    planned, ended = toy.orch("plan", "toy_versions", "--engine", "venv"), toy.orch(*RUN)

    assert "not locked: orch lock toy-1.0.0+cpu" in planned.stdout
    assert ended.exit_code == 0
    reasons = {r["cell"]["id"]: r["failure"]["message"] for r in toy.records() if r["status"] == "unsupported"}  # type: ignore[index]
    assert list(reasons.values()) == ["not locked: orch lock toy-1.0.0+cpu"]


def test_a_build_takes_what_has_a_lock_and_names_the_remedy_for_the_rest(toy: Toy) -> None:
    (toy.project / "images" / "toy" / "locks" / "toy-1.0.0+cpu.txt").unlink()

    ended = toy.orch("build", "toy-{1.0.0,2.0.0}", "--engine", "venv", "--json")
    of_suite = toy.orch("build", "toy_versions", "--engine", "venv", "--json")

    assert ended.exit_code == 3
    unlocked, locked = json.loads(ended.stdout)
    assert (unlocked["image"], unlocked["state"]) == ("toy-1.0.0+cpu", "unsupported")
    assert unlocked["text"] == "not locked: orch lock toy-1.0.0+cpu, or add --resolve"
    assert (of_suite.exit_code, json.loads(of_suite.stdout)[-1]["text"]) == (0, "not locked: orch lock toy-1.0.0+cpu")
    assert (locked["image"], locked["state"]) == ("toy-2.0.0+cpu", "there")
    assert not (toy.project / "images" / "toy" / "locks" / "toy-1.0.0+cpu.txt").exists()


def test_a_wheel_that_changed_since_the_lock_is_named_and_not_used(toy: Toy, tmp_path: Path) -> None:
    changed = tmp_path / "wheels"
    shutil.copytree(toy.wheels, changed)
    wheel = changed / "toy-2.0.0-py3-none-any.whl"
    content = bytearray(wheel.read_bytes())
    content[len(content) // 2] ^= 1
    wheel.write_bytes(content)

    ended = replace(toy, cache=tmp_path / "cache", wheels=changed).orch(*RUN)

    records = {r["image"]["name"]: r for r in toy.records()}  # type: ignore[index]
    assert ended.exit_code == 1
    assert records["toy-1.0.0"]["status"] == "ok"
    assert records["toy-2.0.0"]["status"] == "failed"
    assert "toy-2.0.0-py3-none-any.whl has sha256" in records["toy-2.0.0"]["failure"]["message"]  # type: ignore[index]


def test_too_little_disk_is_told_before_the_first_download(toy: Toy, tmp_path: Path) -> None:
    edit(toy.project / "images" / "toy" / "versions.yaml", "cpu: {}", "cpu: {download_bytes: 900000000000000}")

    ended = replace(toy, cache=tmp_path / "cache").orch(*RUN)

    assert ended.exit_code == 2
    assert "of disk are needed" in ended.stderr
    assert list((tmp_path / "cache").glob("**/*.whl")) == []


# --- interruptions ---------------------------------------------------------------------------------------------------


def start_slow(toy: Toy, launches: int) -> "subprocess.Popen[str]":
    """Start a run and wait until it has so many records and is inside the next launch."""
    program = toy.start(*SLOW)
    wait_until(lambda: len(list(toy.folder.glob("runs/*/records/*.json"))) >= launches or program.poll() is not None)
    wait_until(lambda: marked_processes(toy) or program.poll() is not None)
    return program


def test_a_killed_run_is_continued_by_the_same_command(toy: Toy) -> None:
    killed = start_slow(toy, launches=2)
    killed.kill()
    finish(killed)
    (folder,) = toy.runs()
    before = record_files(folder)

    again = toy.orch(*SLOW)

    after = record_files(folder)
    assert again.exit_code == 0, again.stderr
    assert 2 <= len(before) < 6
    assert before.items() <= after.items()
    assert len(after) == 6
    assert len(set(measured(toy.records()))) == 6
    assert marked_processes(toy) == []
    assert left_folders(toy) == []


def test_launches_of_a_block_that_was_cut_are_not_paired(toy: Toy) -> None:
    killed = start_slow(toy, launches=1)
    killed.kill()
    finish(killed)

    toy.orch(*SLOW)

    by_block = {
        block: [r["launch"]["paired"] for r in toy.records() if r["launch"]["block"] == block]  # type: ignore[index]
        for block in (1, 2, 3)
    }
    cut = [block for block, paired in by_block.items() if not all(paired)]
    assert len(cut) == 1
    assert by_block[3] == [True, True]


def test_ctrl_c_once_finishes_the_launch_and_the_same_command_continues(toy: Toy) -> None:
    program = start_slow(toy, launches=1)
    before = len(toy.records())

    os.killpg(program.pid, signal.SIGINT)
    stopped = finish(program)

    finished = len(toy.records())
    again = toy.orch(*SLOW)
    assert stopped.exit_code == 130
    assert "The same command continues" in stopped.stderr
    assert finished == before + 1
    assert {record["status"] for record in toy.records()} == {"ok"}
    assert again.exit_code == 0
    assert len(toy.records()) == 6


def test_ctrl_c_twice_kills_the_launch_and_cleans_up(toy: Toy) -> None:
    program = start_slow(toy, launches=1)
    before = len(toy.records())

    os.killpg(program.pid, signal.SIGINT)
    assert program.stderr
    while "Ctrl-C again kills it" not in program.stderr.readline():
        assert program.poll() is None
    os.killpg(program.pid, signal.SIGINT)
    stopped = finish(program)

    assert stopped.exit_code == 130
    assert "Traceback" not in stopped.stderr
    assert len(toy.records()) == before
    assert marked_processes(toy) == []
    assert left_folders(toy) == []


def test_ctrl_c_while_images_are_made_leaves_none_half_made(toy: Toy, tmp_path: Path) -> None:
    fresh = replace(toy, cache=tmp_path / "cache")
    program = fresh.start(*RUN)
    wait_until(lambda: list((fresh.cache / "orch" / "venvs").glob(".half-made/*/venv")) or program.poll() is not None)

    os.killpg(program.pid, signal.SIGINT)
    stopped = finish(program)

    again = fresh.orch(*RUN)
    assert stopped.exit_code == 130
    assert "Traceback" not in stopped.stderr
    assert again.exit_code == 0
    assert len(list((fresh.cache / "orch" / "venvs").glob("toy-*"))) == 2
    assert list((fresh.cache / "orch" / "venvs" / ".half-made").iterdir()) == []


def test_two_runs_of_one_suite_do_not_share_a_folder_at_once(toy: Toy) -> None:
    program = start_slow(toy, launches=0)

    second = toy.orch(*SLOW)

    program.terminate()
    stopped = finish(program)
    assert stopped.exit_code == 130
    assert marked_processes(toy) == left_folders(toy) == []
    assert second.exit_code == 2
    assert "another orch run is measuring there" in second.stderr


def test_two_runs_take_turns_on_one_machine(toy: Toy) -> None:
    program = start_slow(toy, launches=1)
    waiting = toy.start(*RUN)
    wait_until(lambda: len(toy.runs()) == 2 or waiting.poll() is not None)

    program.terminate()
    finish(program)
    ended = finish(waiting)

    assert "Another orch run is measuring on this machine" in ended.stderr
    assert ended.exit_code == 0


def test_a_truncated_record_is_set_aside_and_its_launch_made_again(toy: Toy) -> None:
    first = toy.orch(*RUN)
    record = sorted((first.run_folder / "records").iterdir())[0]
    record.write_bytes(record.read_bytes()[:500])
    before = record_files(first.run_folder)

    again = toy.orch(*RUN)

    after = record_files(first.run_folder)
    assert again.exit_code == 0, again.stderr
    assert record.name in again.stderr
    assert len(measured(toy.records())) == 6
    assert {name for name in after if after[name] != before.get(name)} == {record.name}
    assert [path.read_bytes()[:10] for path in (first.run_folder / "broken").iterdir()] == [b'{\n "schema']
