"""What the doctor says of Docker engines of every kind, and of the way a GPU would take into a container."""

from dataclasses import replace

import pytest

from orchestrator.doctor.checks import Check
from orchestrator.doctor.engine_checks import check_buildx, check_engine, check_limits, check_toolkit
from orchestrator.doctor.facts import Distribution, Docker, Reach, System
from orchestrator.hardware import Gpu
from tests.docker_answers import make_docker

UBUNTU = System(distribution=Distribution(id="ubuntu", like=("debian",), version="24.04", name="Ubuntu 24.04.1 LTS"))
DEBIAN_12 = replace(UBUNTU, distribution=Distribution(id="debian", version="12", name="Debian GNU/Linux 12"))
ENGINE = make_docker()
H100 = Gpu(name="NVIDIA H100", compute="9.0", driver="570.86.15", uuid="GPU-aaaa")
USUAL = Reach(endpoint="unix:///var/run/docker.sock", reason="no engine answers (No such file or directory)")


def toolkit(docker: Docker, *programs: str, system: System = UBUNTU) -> Check:
    return check_toolkit(H100, docker, replace(system, programs=frozenset(programs)))


def test_an_engine_that_answers_is_described() -> None:
    check = check_engine(replace(USUAL, reason=""), ENGINE, UBUNTU)

    assert (check.state, check.found) == ("ok", "Docker 28.5.2+dfsg4, Debian GNU/Linux 12 (bookworm)")


@pytest.mark.parametrize(
    ("docker", "word"),
    [
        (make_docker(DockerRootDir="/var/snap/docker/common/var-lib-docker"), "snap"),
        (make_docker(SecurityOptions=["name=seccomp,profile=builtin", "name=rootless"]), "rootless"),
        (replace(ENGINE, is_here=False), "on another machine"),
    ],
    ids=["snap", "rootless", "remote"],
)
def test_an_engine_of_another_kind_is_named(docker: Docker, word: str) -> None:
    assert check_engine(replace(USUAL, reason=""), docker, UBUNTU).found.endswith(word)


def test_without_an_engine_the_commands_of_the_distribution_install_it_with_buildx() -> None:
    check = check_engine(USUAL, None, UBUNTU)

    assert check.state == "missing"
    assert check.advice.commands == (
        "sudo apt-get install docker.io docker-buildx",
        "sudo systemctl enable --now docker",
        "sudo usermod -aG docker $USER && newgrp docker",
    )


def test_an_installed_engine_is_only_started() -> None:
    check = check_engine(USUAL, None, replace(UBUNTU, programs=frozenset({"docker", "dockerd"})))

    assert check.advice.commands == ("sudo systemctl enable --now docker",)


def test_a_system_without_systemd_starts_it_as_a_service() -> None:
    system = replace(UBUNTU, programs=frozenset({"dockerd"}), has_systemd=False, is_root=True)

    assert check_engine(USUAL, None, system).advice.commands == ("service docker start",)


def test_a_socket_that_is_not_ours_needs_its_group() -> None:
    reach = replace(USUAL, reason="no engine answers (Permission denied)")

    check = check_engine(reach, None, replace(UBUNTU, programs=frozenset({"dockerd"})))

    assert check.advice.commands == ("sudo usermod -aG docker $USER && newgrp docker",)


@pytest.mark.parametrize(
    ("chosen_by", "command"), [("DOCKER_HOST", "unset DOCKER_HOST"), ("vm", "docker context use default")]
)
def test_an_engine_that_the_user_named_is_told_by_that_name(chosen_by: str, command: str) -> None:
    reach = Reach(endpoint="unix:///nope", chosen_by=chosen_by, reason="no engine answers")

    check = check_engine(reach, None, UBUNTU)

    assert "unix:///nope" in check.advice.text
    assert chosen_by in check.advice.text
    assert check.advice.commands == (command,)


def test_inside_a_container_the_socket_is_handed_in() -> None:
    check = check_engine(USUAL, None, replace(UBUNTU, is_container=True))

    assert "-v /var/run/docker.sock:/var/run/docker.sock" in check.advice.text


def test_in_wsl_docker_desktop_is_the_first_choice() -> None:
    assert "WSL integration" in check_engine(USUAL, None, replace(UBUNTU, is_wsl=True)).advice.text


def test_podman_is_a_warning_and_hands_over_no_gpu() -> None:
    podman = replace(ENGINE, engine=replace(ENGINE.engine, is_podman=True))

    assert check_engine(replace(USUAL, reason=""), podman, UBUNTU).state == "warning"
    assert toolkit(podman).state == "missing"
    assert "Podman" in toolkit(podman).found


@pytest.mark.parametrize(
    ("product", "system", "commands"),
    [
        ("Docker Engine - Community", DEBIAN_12, ("sudo apt-get install docker-buildx-plugin",)),
        ("", UBUNTU, ("sudo apt-get install docker-buildx",)),
        ("", DEBIAN_12, ()),
    ],
    ids=["docker's own", "ubuntu's", "debian 12 has none"],
)
def test_buildx_comes_from_whoever_packaged_the_engine(product: str, system: System, commands: tuple[str, ...]) -> None:
    check = check_buildx(replace(ENGINE, product=product), "it is missing", "", system)

    assert check.state == "missing"
    assert check.advice.commands == commands
    assert check.advice.text or commands


def test_buildx_is_not_looked_for_without_an_engine() -> None:
    assert check_buildx(None, "it is missing", "", UBUNTU).state == "not reached"


def test_limits_that_the_kernel_cannot_set_are_named() -> None:
    check = check_limits(make_docker(MemoryLimit=False, CPUSet=False))

    assert check.state == "warning"
    assert "memory, CPUs" in check.found


def test_a_gpu_that_the_engine_lists_by_cdi_can_be_handed_over() -> None:
    check = toolkit(make_docker(DiscoveredDevices=[{"ID": "nvidia.com/gpu=0"}, {"ID": "nvidia.com/gpu=all"}]))

    assert (check.state, check.found) == ("ok", "GPU 0 by CDI")


def test_a_stale_list_of_cdi_devices_is_written_anew() -> None:
    check = toolkit(make_docker(DiscoveredDevices=[{"ID": "nvidia.com/gpu=7"}]))

    assert check.state == "missing"
    assert "only nvidia.com/gpu=7" in check.found
    assert check.advice.commands == ("sudo nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml",)


def test_without_the_toolkit_it_is_installed_and_the_engine_told() -> None:
    commands = toolkit(ENGINE).advice.commands

    assert "sudo apt-get install nvidia-container-toolkit" in commands
    assert commands[-2:] == ("sudo nvidia-ctk runtime configure --runtime=docker", "sudo systemctl restart docker")


def test_an_old_engine_with_a_toolkit_it_does_not_know_is_only_told() -> None:
    check = toolkit(replace(ENGINE, version="20.10.24+dfsg1"), "nvidia-ctk")

    assert check.advice.commands == (
        "sudo nvidia-ctk runtime configure --runtime=docker",
        "sudo systemctl restart docker",
    )


def test_a_new_engine_with_a_toolkit_only_lacks_the_list() -> None:
    assert toolkit(ENGINE, "nvidia-ctk").advice.commands == (
        "sudo nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml",
    )


def test_the_hook_on_the_path_of_the_engine_does() -> None:
    check = toolkit(ENGINE, "nvidia-ctk", "nvidia-container-runtime-hook")

    assert (check.state, check.found) == ("ok", "GPU 0 by the NVIDIA hook")


def test_a_rootless_engine_has_a_configuration_of_its_own() -> None:
    check = toolkit(make_docker(SecurityOptions=["name=rootless"]), "nvidia-ctk", "nvidia-container-runtime-hook")

    assert check.state == "missing"
    assert check.advice.commands == (
        "nvidia-ctk runtime configure --runtime=docker --config=$HOME/.config/docker/daemon.json",
        "sudo nvidia-ctk config --set nvidia-container-cli.no-cgroups --in-place",
        "systemctl --user restart docker",
    )


def test_the_snap_engine_is_replaced() -> None:
    check = toolkit(make_docker(DockerRootDir="/var/snap/docker/common/var-lib-docker"), "nvidia-ctk")

    assert check.state == "missing"
    assert check.advice.commands[0] == "sudo snap remove docker"
    assert "sudo apt-get install docker.io docker-buildx" in check.advice.commands


def test_the_programs_of_another_machine_are_not_judged() -> None:
    assert toolkit(replace(ENGINE, is_here=False)).state == "ok"


def test_the_runtime_with_the_systemd_cgroup_driver_may_lose_the_gpu() -> None:
    check = toolkit(make_docker(CgroupDriver="systemd", Runtimes={"nvidia": {}, "runc": {}}))

    assert check.state == "warning"
    assert check.found == "GPU 0 by the NVIDIA runtime or the NVIDIA hook"
    assert "daemon-reload" in check.advice.text
    assert check.advice.commands == ("sudo nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml",)


def test_the_toolkit_is_not_reached_without_an_engine() -> None:
    check = check_toolkit(H100, None, UBUNTU)

    assert (check.state, check.found) == ("not reached", "after: engine docker")
