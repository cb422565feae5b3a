"""What to install and how to start it, in the commands of the distribution at hand."""

from orchestrator.doctor.checks import Advice
from orchestrator.doctor.facts import Distribution, Docker, System

# Id of a distribution, or of one it comes from -> its package manager.
MANAGERS = {
    "ubuntu": "apt",
    "debian": "apt",
    "fedora": "dnf",
    "rhel": "dnf",
    "centos": "dnf",
    "amzn": "dnf",
    "opensuse": "zypper",
    "suse": "zypper",
    "sles": "zypper",
    "arch": "pacman",
}
INSTALL = {
    "apt": "sudo apt-get install",
    "dnf": "sudo dnf install",
    "zypper": "sudo zypper install",
    "pacman": "sudo pacman -S",
}
# Docker's own script knows Debian, Ubuntu, Fedora, CentOS and RHEL, and brings buildx. Source: docs.docker.com/engine.
DOCKER_SCRIPT = "curl -fsSL https://get.docker.com | sudo sh"
OLD_DEBIAN = 12  # the last whose own packages are Docker 20.10, without buildx and CDI
TOOLKIT_SITE = "https://nvidia.github.io/libnvidia-container"
KEYRING = "/usr/share/keyrings/nvidia-container-toolkit-keyring.gpg"
# Source: NVIDIA, "Installing the NVIDIA Container Toolkit".
TOOLKIT_REPOSITORY = {
    "apt": (
        "sudo apt-get install curl gnupg",
        f"curl -fsSL {TOOLKIT_SITE}/gpgkey | sudo gpg --dearmor -o {KEYRING}",
        f"curl -fsSL {TOOLKIT_SITE}/stable/deb/nvidia-container-toolkit.list"
        f" | sed 's#deb https://#deb [signed-by={KEYRING}] https://#g'"
        " | sudo tee /etc/apt/sources.list.d/nvidia-container-toolkit.list",
        "sudo apt-get update",
    ),
    "dnf": (
        f"curl -fsSL {TOOLKIT_SITE}/stable/rpm/nvidia-container-toolkit.repo"
        " | sudo tee /etc/yum.repos.d/nvidia-container-toolkit.repo",
    ),
    "zypper": (f"sudo zypper addrepo {TOOLKIT_SITE}/stable/rpm/nvidia-container-toolkit.repo",),
    "pacman": (),
}
DRIVER_GUIDE = "docs.nvidia.com/datacenter/tesla/driver-installation-guide"
REFRESH_CDI = "sudo nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml"


def find_manager(distribution: Distribution) -> str | None:
    """Return apt, dnf, zypper or pacman; None for a distribution that has none of them."""
    for name in (distribution.id, *distribution.like):
        for known, manager in MANAGERS.items():
            if name == known or name.startswith(f"{known}-"):
                return manager
    return None


def install_engine(system: System) -> Advice:
    """Say how a Docker engine with buildx comes onto this machine."""
    begin = start_engine(system)
    user = () if system.is_root else ("sudo usermod -aG docker $USER && newgrp docker",)
    manager = find_manager(system.distribution)
    if manager == "apt" and not _is_old_debian(system.distribution):
        commands: tuple[str, ...] = ("sudo apt-get install docker.io docker-buildx", *begin)
    elif manager in {"zypper", "pacman"}:
        commands = (f"{INSTALL[manager]} docker docker-buildx", *begin)
    elif manager is not None and "amzn" not in _names(system.distribution):
        commands = (DOCKER_SCRIPT, *begin)
    else:
        return Advice(text="Install Docker Engine and its buildx plugin: docs.docker.com/engine/install.")
    return Advice(text=f"Install it on {system.distribution.name}:", commands=_plain(system, (*commands, *user)))


def start_engine(system: System) -> tuple[str, ...]:
    """Return the command that starts an installed engine."""
    return _plain(
        system, ("sudo systemctl enable --now docker" if system.has_systemd else "sudo service docker start",)
    )


def restart_engine(system: System, docker: Docker) -> tuple[str, ...]:
    """Return the command after which an engine has read its configuration anew."""
    if docker.is_rootless:
        return ("systemctl --user restart docker",)
    return _plain(system, ("sudo systemctl restart docker" if system.has_systemd else "sudo service docker restart",))


def install_buildx(system: System, docker: Docker) -> Advice:
    """Say how buildx comes to an engine that is there: its own packager has it, under one of two names."""
    manager = find_manager(system.distribution)
    by_hand = (
        "Put the program of github.com/docker/buildx/releases into ~/.docker/cli-plugins/docker-buildx, executable."
    )
    if manager is None:
        return Advice(text=by_hand)
    if "Community" in docker.product:
        return Advice(commands=_plain(system, (f"{INSTALL[manager]} docker-buildx-plugin",)))
    if _is_old_debian(system.distribution):
        return Advice(text=f"{system.distribution.name} has no package of it. {by_hand}")
    return Advice(commands=_plain(system, (f"{INSTALL[manager]} docker-buildx",)))


def install_driver(system: System) -> Advice:
    """Say how the NVIDIA driver comes onto this machine, or a newer one. Then it has to start anew."""
    names, manager = _names(system.distribution), find_manager(system.distribution)
    if system.is_wsl:
        return Advice(
            text="Install NVIDIA's driver for Windows, none inside WSL. Then restart WSL, from Windows:",
            commands=("wsl --update", "wsl --shutdown"),
        )
    if system.is_container:
        return Advice(
            text="orch runs in a container: the driver belongs on the machine around it, which then has to hand the "
            "GPU over (docker run --gpus all …). Or run orch out there."
        )
    if "ubuntu" in names:
        commands: tuple[str, ...] = ("sudo apt-get install ubuntu-drivers-common", "sudo ubuntu-drivers install")
        text = "Install the driver:"
    elif manager == "apt":
        text, commands = (
            "Add the components contrib and non-free to the package sources, then:",
            (
                "sudo apt-get update",
                "sudo apt-get install linux-headers-amd64 nvidia-driver",
            ),
        )
    elif names[:1] == ("fedora",):
        text, commands = (
            "Add the repositories of RPM Fusion (rpmfusion.org/Configuration), then:",
            ("sudo dnf install akmod-nvidia xorg-x11-drv-nvidia-cuda",),
        )
    elif manager == "pacman":
        text, commands = (
            "For GPUs before compute 7.5 take the 580 branch from the AUR, else:",
            ("sudo pacman -S nvidia-open nvidia-utils",),
        )
    else:
        install = {"dnf": ("sudo dnf install nvidia-open",), "zypper": ("sudo zypper install nvidia-open",)}
        text, commands = f"Add NVIDIA's repository as {DRIVER_GUIDE} has it, then:", install.get(manager or "", ())
    return Advice(text=text, commands=_plain(system, (*commands, "sudo reboot")))


def find_libcuda(system: System) -> Advice:
    """Say how programs of this machine find CUDA's driver library, which NVML's is no part of."""
    if system.libcuda:
        text = f"It is in {system.libcuda}, which launches do not know: they take no LD_LIBRARY_PATH. Tell the loader:"
        known = f"echo {system.libcuda} | sudo tee /etc/ld.so.conf.d/nvidia-driver.conf"
        return Advice(text=text, commands=_plain(system, (known, "sudo ldconfig")))
    install = install_driver(system)
    return Advice(
        text=f"The driver lacks its part for computing, libcuda.so.1. {install.text}", commands=install.commands
    )


def install_toolkit(system: System, docker: Docker) -> Advice:
    """Say how NVIDIA's container toolkit comes onto this machine, and how the engine learns of it."""
    manager = find_manager(system.distribution)
    if manager is None:
        return Advice(
            text="Install nvidia-container-toolkit (docs.nvidia.com/datacenter/cloud-native), then:",
            commands=configure_toolkit(system, docker).commands,
        )
    commands = (*TOOLKIT_REPOSITORY[manager], f"{INSTALL[manager]} nvidia-container-toolkit")
    return Advice(
        text="Install NVIDIA's container toolkit, and let the engine know of it:",
        commands=(*_plain(system, commands), *configure_toolkit(system, docker).commands),
    )


def configure_toolkit(system: System, docker: Docker) -> Advice:
    """Say how the engine learns of an installed toolkit."""
    if docker.is_rootless:
        commands: tuple[str, ...] = (
            "nvidia-ctk runtime configure --runtime=docker --config=$HOME/.config/docker/daemon.json",
            "sudo nvidia-ctk config --set nvidia-container-cli.no-cgroups --in-place",
        )
    else:
        commands = ("sudo nvidia-ctk runtime configure --runtime=docker",)
    text = "The toolkit is installed, but this engine does not know of it:"
    return Advice(text=text, commands=(*_plain(system, commands), *restart_engine(system, docker)))


def renew_cdi(system: System) -> Advice:
    """Say how the engine's list of CDI devices is written anew."""
    return Advice(text="Write the engine's list of GPUs anew:", commands=_plain(system, (REFRESH_CDI,)))


def as_root(system: System, *commands: str) -> tuple[str, ...]:
    """Return commands as this user types them: root needs no sudo, and may not have it."""
    return _plain(system, commands)


def _plain(system: System, commands: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(command.replace("sudo ", "") for command in commands) if system.is_root else commands


def _names(distribution: Distribution) -> tuple[str, ...]:
    return (distribution.id, *distribution.like)


def _is_old_debian(distribution: Distribution) -> bool:
    version = distribution.version.partition(".")[0]
    return distribution.id == "debian" and version.isdigit() and int(version) <= OLD_DEBIAN
