"""How a remote machine is named."""

import pytest

from orchestrator.errors import UsageError
from orchestrator.fleet.addresses import Address, parse_address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("ssh://gpu-vm", Address(host="gpu-vm")),
        ("ssh://me@gpu-vm.example.com:2222", Address(host="gpu-vm.example.com", user="me", port=2222)),
        ("ssh://me@10.0.0.7/", Address(host="10.0.0.7", user="me")),
        ("ssh://Alias", Address(host="Alias")),
        ("ssh://[fe80::1]:22", Address(host="fe80::1", port=22)),
    ],
)
def test_an_address_names_host_user_and_port(text: str, address: Address) -> None:
    assert parse_address(text) == address
    assert parse_address(str(address)) == address


def test_ssh_gets_the_host_after_the_options() -> None:
    arguments = parse_address("ssh://me@gpu-vm:2222").arguments

    assert arguments == ("-p", "2222", "-l", "me", "--", "gpu-vm")


@pytest.mark.parametrize(
    ("text", "example"),
    [
        ("gpu-vm", "--host ssh://gpu-vm."),
        ("me@gpu-vm", "--host ssh://me@gpu-vm."),
        ("ssh://me@gpu-vm/run/docker.sock", "--host ssh://me@gpu-vm."),
        ("tcp://gpu-vm:2375", "--host ssh://me@gpu-vm."),
        ("ssh://-oProxyCommand=true", "--host ssh://me@gpu-vm."),
        ("ssh://-l@gpu-vm", "--host ssh://me@gpu-vm."),
        ("ssh://me:secret@gpu-vm", "--host ssh://me@gpu-vm."),
        ("", "--host ssh://me@gpu-vm."),
    ],
)
def test_what_is_no_address_is_refused_with_one_that_is(text: str, example: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_address(text)

    assert str(refused.value).endswith(f"Say {example}")
