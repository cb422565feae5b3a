"""The commands that the doctor gives: those of the distribution at hand."""

import pytest

from orchestrator.doctor.facts import Distribution, System
from orchestrator.doctor.packages import (
    find_libcuda,
    find_manager,
    install_buildx,
    install_driver,
    install_engine,
    install_toolkit,
)
from tests.docker_answers import make_docker

UBUNTU = Distribution(id="ubuntu", like=("debian",), version="24.04", name="Ubuntu 24.04")
MINT = Distribution(id="linuxmint", like=("ubuntu", "debian"), version="22", name="Linux Mint 22")
DEBIAN_12 = Distribution(id="debian", version="12", name="Debian GNU/Linux 12 (bookworm)")
DEBIAN_13 = Distribution(id="debian", version="13", name="Debian GNU/Linux 13 (trixie)")
FEDORA = Distribution(id="fedora", version="42", name="Fedora Linux 42")
ROCKY = Distribution(id="rocky", like=("rhel", "centos", "fedora"), version="9.4", name="Rocky Linux 9.4")
AMAZON = Distribution(id="amzn", like=("fedora",), version="2023", name="Amazon Linux 2023")
LEAP = Distribution(id="opensuse-leap", like=("suse", "opensuse"), version="15.6", name="openSUSE Leap 15.6")
ARCH = Distribution(id="arch", name="Arch Linux")
NIX = Distribution(id="nixos", name="NixOS 24.05")
ENGINE = make_docker()


@pytest.mark.parametrize(
    ("distribution", "manager"),
    [
        (UBUNTU, "apt"),
        (MINT, "apt"),
        (DEBIAN_12, "apt"),
        (FEDORA, "dnf"),
        (ROCKY, "dnf"),
        (AMAZON, "dnf"),
        (LEAP, "zypper"),
        (ARCH, "pacman"),
        (NIX, None),
        (Distribution(), None),
    ],
    ids=lambda value: value.name if isinstance(value, Distribution) else str(value),
)
def test_each_distribution_has_its_package_manager(distribution: Distribution, manager: str | None) -> None:
    assert find_manager(distribution) == manager


@pytest.mark.parametrize(
    ("distribution", "command"),
    [
        (UBUNTU, "sudo apt-get install docker.io docker-buildx"),
        (MINT, "sudo apt-get install docker.io docker-buildx"),
        (DEBIAN_13, "sudo apt-get install docker.io docker-buildx"),
        (DEBIAN_12, "curl -fsSL https://get.docker.com | sudo sh"),
        (FEDORA, "curl -fsSL https://get.docker.com | sudo sh"),
        (LEAP, "sudo zypper install docker docker-buildx"),
        (ARCH, "sudo pacman -S docker docker-buildx"),
    ],
    ids=lambda value: value.name if isinstance(value, Distribution) else "",
)
def test_an_engine_with_buildx_is_one_command(distribution: Distribution, command: str) -> None:
    advice = install_engine(System(distribution=distribution))

    assert advice.commands[0] == command
    assert advice.commands[-1] == "sudo usermod -aG docker $USER && newgrp docker"


@pytest.mark.parametrize("distribution", [NIX, AMAZON], ids=lambda one: one.name)
def test_a_distribution_without_a_known_way_gets_the_address_of_the_guide(distribution: Distribution) -> None:
    advice = install_engine(System(distribution=distribution))

    assert advice.commands == ()
    assert "docs.docker.com" in advice.text


def test_root_gets_the_same_without_sudo_and_without_a_group() -> None:
    advice = install_engine(System(distribution=DEBIAN_12, is_root=True))

    assert advice.commands == ("curl -fsSL https://get.docker.com | sh", "systemctl enable --now docker")


@pytest.mark.parametrize(
    ("distribution", "command"),
    [
        (UBUNTU, "sudo ubuntu-drivers install"),
        (MINT, "sudo ubuntu-drivers install"),
        (DEBIAN_13, "sudo apt-get install linux-headers-amd64 nvidia-driver"),
        (FEDORA, "sudo dnf install akmod-nvidia xorg-x11-drv-nvidia-cuda"),
        (ROCKY, "sudo dnf install nvidia-open"),
        (LEAP, "sudo zypper install nvidia-open"),
        (ARCH, "sudo pacman -S nvidia-open nvidia-utils"),
    ],
    ids=lambda value: value.name if isinstance(value, Distribution) else "",
)
def test_the_driver_is_installed_by_the_package_manager_and_a_restart(distribution: Distribution, command: str) -> None:
    advice = install_driver(System(distribution=distribution))

    assert advice.commands[-2:] == (command, "sudo reboot")


def test_a_container_does_not_install_a_driver() -> None:
    advice = install_driver(System(distribution=UBUNTU, is_container=True))

    assert advice.commands == ()
    assert "docker run --gpus all" in advice.text


@pytest.mark.parametrize(
    ("distribution", "first", "install"),
    [
        (UBUNTU, "sudo apt-get install curl gnupg", "sudo apt-get install nvidia-container-toolkit"),
        (ROCKY, "curl -fsSL https://nvidia.github.io/", "sudo dnf install nvidia-container-toolkit"),
        (LEAP, "sudo zypper addrepo https://nvidia.github.io/", "sudo zypper install nvidia-container-toolkit"),
        (ARCH, "sudo pacman -S nvidia-container-toolkit", "sudo pacman -S nvidia-container-toolkit"),
        (NIX, "sudo nvidia-ctk runtime configure", "sudo nvidia-ctk runtime configure --runtime=docker"),
    ],
    ids=lambda value: value.name if isinstance(value, Distribution) else "",
)
def test_the_toolkit_comes_from_its_repository_and_the_engine_starts_anew(
    distribution: Distribution, first: str, install: str
) -> None:
    advice = install_toolkit(System(distribution=distribution), ENGINE)

    assert advice.commands[0].startswith(first)
    assert install in advice.commands
    assert advice.commands[-1] == "sudo systemctl restart docker"


def test_buildx_without_a_package_manager_is_fetched_by_hand() -> None:
    advice = install_buildx(System(distribution=NIX), ENGINE)

    assert advice.commands == ()
    assert "cli-plugins/docker-buildx" in advice.text


def test_a_driver_library_that_the_loader_does_not_know_is_made_known_to_it() -> None:
    advice = find_libcuda(System(distribution=UBUNTU, libcuda="/usr/local/nvidia/lib64"))

    assert advice.commands == (
        "echo /usr/local/nvidia/lib64 | sudo tee /etc/ld.so.conf.d/nvidia-driver.conf",
        "sudo ldconfig",
    )


def test_a_driver_without_its_computing_part_is_installed_whole() -> None:
    advice = find_libcuda(System(distribution=UBUNTU))

    assert "lacks its part for computing" in advice.text
    assert "sudo ubuntu-drivers install" in advice.commands
