"""An sshd of a test's own on loopback: this machine as a remote one, with keys that are thrown away."""

import getpass
import os
import shutil
import signal
import socket
import subprocess
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.toy_project import wait_until

SEARCH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
SSHD = shutil.which("sshd", path=SEARCH)
VM = "ssh://gpu-vm"  # an alias of the configuration below
SERVER = """\
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/user_key.pub
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
PidFile none
SetEnv XDG_CACHE_HOME={folder}/cache PATH={folder}/there:{path}
"""
CLIENT = """\
Host gpu-vm
  HostName 127.0.0.1
  Port {port}
  User {user}
  IdentityFile {folder}/user_key
  IdentitiesOnly yes
  UserKnownHostsFile {folder}/known_hosts
"""


@dataclass
class SshServer:
    """The server, and an `ssh` on a PATH of its own that knows it as `gpu-vm`."""

    folder: Path
    port: int
    program: "subprocess.Popen[bytes] | None" = field(default=None)

    @property
    def env(self) -> dict[str, str]:
        """What a program needs to find this `ssh` before the machine's."""
        return {"PATH": f"{self.folder / 'here'}:{os.environ['PATH']}"}

    def start(self) -> None:
        assert SSHD
        with (self.folder / "sshd.log").open("ab") as log:
            argv = (SSHD, "-D", "-e", "-f", str(self.folder / "sshd_config"))
            self.program = subprocess.Popen(argv, stdout=log, stderr=log, start_new_session=True)
        wait_until(self.answers)

    def answers(self) -> bool:
        with closing(socket.socket()) as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self) -> None:
        """End the server and every connection to it, as a machine that goes off does."""
        assert self.program
        sessions = descendants(self.program.pid)
        for pid in (self.program.pid, *sessions):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.program.wait()

    def forget_host_key(self) -> None:
        (self.folder / "known_hosts").write_text("")

    def change_host_key(self) -> None:
        """Let the client remember another key than the server has."""
        other = (self.folder / "user_key.pub").read_text().split()[:2]
        (self.folder / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {' '.join(other)}\n")

    def refuse_key(self) -> None:
        """Let the server accept another key than the client has."""
        shutil.copy(self.folder / "host_key.pub", self.folder / "user_key.pub")


def make_server(folder: Path) -> SshServer:
    """Make keys and configurations, and start a server on a free port."""
    folder.mkdir(parents=True)
    for name in ("host_key", "user_key"):
        subprocess.run(("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)), check=True)
    server = SshServer(folder=folder, port=free_port())
    values = {"folder": folder, "port": server.port, "user": getpass.getuser(), "path": os.environ["PATH"]}
    (folder / "sshd_config").write_text(SERVER.format(**values))
    (folder / "ssh_config").write_text(CLIENT.format(**values))
    host_key = (folder / "host_key.pub").read_text().split()[:2]
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{server.port} {' '.join(host_key)}\n")
    for name in ("here", "there"):
        (folder / name).mkdir()
    write_program(folder / "here" / "ssh", f'exec {shutil.which("ssh")} -F {folder}/ssh_config "$@"')
    server.start()
    return server


def write_program(path: Path, line: str) -> None:
    """Write a shell script."""
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def descendants(pid: int) -> tuple[int, ...]:
    """Return the processes that a process has started, and those that these have, in any order."""
    children = [one for one, parent in _parents().items() if parent == pid]
    return tuple(found for child in children for found in (child, *descendants(child)))


def connections(pid: int) -> tuple[int, ...]:
    """Return the ssh programs of a process."""
    return tuple(one for one in descendants(pid) if _name(one) == "ssh")


def _parents() -> dict[int, int]:
    found = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has just ended
            found[int(status.parent.name)] = int(status.read_text().rpartition(")")[2].split()[1])
    return found


def _name(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""
