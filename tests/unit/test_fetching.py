"""Fetching: nothing is started for what is there; failures of pip are said in three parts."""

from pathlib import Path

from orchestrator.fetching import explain_pip, fetch_files
from orchestrator.locking import Lock, Pin
from orchestrator.wheelhouse import Wheelhouse

PIN = Pin(
    name="numpy", version="1.16.6", file="numpy-1.16.6-cp36-cp36m-manylinux1_x86_64.whl", sha256="ab" * 32, bytes=7
)
LOCK = Lock(image="numpy-1", python="3.6.15", base="python:3.6", base_digest=None, date="2026-11-20", pins=(PIN,))


def test_nothing_is_started_where_nothing_is_missing(tmp_path: Path) -> None:
    wheelhouse = Wheelhouse(folder=tmp_path / "wheelhouse", env={})
    wheelhouse.path(PIN).parent.mkdir(parents=True)
    wheelhouse.path(PIN).write_bytes(b"a wheel")

    assert fetch_files(wheelhouse, LOCK) == 0


def test_a_wheel_of_another_content_is_named_with_both_hashes() -> None:
    log = (
        "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE. If you have updated …\n"
        "    numpy==1.16.6 from file:///srv/numpy-1.16.6-cp36-cp36m-manylinux1_x86_64.whl:\n"
        f"        Expected sha256 {'ab' * 32}\n"
        f"             Got        {'cd' * 32}\n"
    )

    assert explain_pip(log, (PIN,)).startswith(f"{PIN.file} has sha256 {'cd' * 32}, the lock says {'ab' * 32}. ")


def test_no_network_is_called_so_and_what_was_wanted() -> None:
    log = "WARNING: Retrying … Failed to establish a new connection: [Errno -2] Name or service not known\n"

    text = explain_pip(log, (PIN,) * 5)

    assert text.startswith("no network for numpy-1.16.6")
    assert "and 2 more" in text
    assert "pip config set" in text


def test_any_other_failure_is_pips_own_word() -> None:
    log = "Looking in links: /srv\nERROR: No matching distribution found for numpy==1.16.6\n"

    assert explain_pip(log, (PIN,)).startswith("No matching distribution found for numpy==1.16.6 Check")
