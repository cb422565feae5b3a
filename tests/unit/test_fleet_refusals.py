"""What ssh wrote when it gave up, and what `orch` makes of it."""

from pathlib import Path

import pytest

from orchestrator.errors import Exit
from orchestrator.fleet.addresses import Address
from orchestrator.fleet.refusals import explain

RECORDED = Path(__file__).parents[1] / "data" / "ssh"
VM = Address(host="gpu-vm", user="me", port=2222)


def read(name: str) -> str:
    return (RECORDED / f"{name}.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "cause", "remedy"),
    [
        ("unknown_name", "no machine of that name is known", "aliases of ~/.ssh/config count"),
        ("nothing_listens", "nothing listens on its ssh port", "Is it up"),
        ("no_answer", "it does not answer", "firewall"),
        ("key_refused", "it refuses your key", "ssh-copy-id -p 2222 me@gpu-vm"),
        ("too_many_keys", "it refuses all keys", "IdentitiesOnly"),
        ("host_key_unknown", "its host key is not known here", "ssh -p 2222 me@gpu-vm"),
        ("host_key_unknown_strict", "its host key is not known here", "ssh -p 2222 me@gpu-vm"),
        ("host_key_changed", "another one than at your last connection", "-R"),
        ("bad_configuration", "ssh does not accept its own configuration", "/home/me/.ssh/config"),
        ("no_bash", "it has no bash", "Install it there"),
    ],
)
def test_each_way_not_to_get_through_has_its_cause_and_remedy(name: str, cause: str, remedy: str) -> None:
    error = explain(VM, read(name))

    assert str(error).startswith("ssh://me@gpu-vm:2222: ")
    assert cause in str(error)
    assert remedy in str(error)
    assert error.exit_code == Exit.ENGINE


@pytest.mark.parametrize(
    ("name", "lasting"),
    [("no_answer", False), ("nothing_listens", False), ("unknown_name", False), ("key_refused", True), ("", False)],
)
def test_only_where_it_may_help_a_lost_connection_is_tried_again(name: str, lasting: bool) -> None:
    error = explain(VM, read(name) if name else "")

    assert error.lasting is lasting


def test_a_changed_host_key_is_forgotten_by_the_command_that_ssh_names() -> None:
    error = explain(VM, read("host_key_changed"))

    assert 'ssh-keygen -f "/home/me/.ssh/known_hosts" -R "[127.0.0.1]:2299"' in str(error)


def test_words_that_nobody_knows_are_shown() -> None:
    error = explain(VM, "one\ntwo: something new.\n")

    assert "ssh ended (one; two: something new)" in str(error)
