"""One ssh connection to a machine: a tunnel to its engine's socket, and a shell there that answers questions.

It is made again when it is lost. Nothing stays there: the shell ends with the connection, and with our death.
"""

import atexit
import os
import shlex
import socket
import stat
import tempfile
import threading
import time
from contextlib import closing, suppress
from pathlib import Path

from orchestrator import console
from orchestrator.engines.claims import Claim, remove_leftovers
from orchestrator.errors import HostError, ProgramError
from orchestrator.fleet.addresses import Address
from orchestrator.fleet.refusals import explain
from orchestrator.fleet.shells import Answer
from orchestrator.process import Companion

ENGINE_SOCKET = "/var/run/docker.sock"
OPTIONS = {
    "BatchMode": "yes",  # ask nobody: there may be no terminal
    "ConnectTimeout": "15",
    "ControlPath": "none",  # a shared connection would keep the tunnel when ours ends, and lose it with another's
    "ExitOnForwardFailure": "yes",
    "ServerAliveInterval": "15",  # lost after three unanswered ones
    "ServerAliveCountMax": "3",
    "StreamLocalBindUnlink": "yes",  # the socket of a lost connection is still there
}
SILENCE_S = 60  # after which the shell there takes the connection for dead and ends: its locks are free
BEAT_S = 15.0
SHELL = f'while IFS= read -r -t {SILENCE_S} line; do eval "$line"; done'
GREETING_S = 60.0  # for the shell to answer: name look-up, jump hosts, keys of hardware
ANSWER_S = 60.0
PATIENCE_S = 600.0  # with a connection that was there before: a network changes, a laptop wakes up
GRACE_S = 2.0  # between a lost socket and the end of ssh
PAUSE_AT_MOST_S = 15.0
LOST = (
    "The connection was lost and cannot be made again. Launches under way there end by themselves; once the machine "
    "answers, the same command continues, and orch reap with the same --host removes what is left."
)


class Connection:
    """A connection to one machine. Threads may share it."""

    def __init__(self, address: Address, *, patience_s: float = PATIENCE_S) -> None:
        """patience_s: how long a lost connection is tried again. Raises HostError if there is no way through now."""
        self.address = address
        self.generation = 0  # how often it was made again
        self._patience_s = patience_s
        self._lock = threading.RLock()
        self._given_up: HostError | None = None
        self._closed = threading.Event()
        self._asked = 0
        parent = _private_folder()
        remove_leftovers(parent)
        self._claim = Claim(parent)
        self._program: Companion | None = None
        atexit.register(self.close)
        try:
            self._connect()
        except HostError:
            self.close()
            raise
        threading.Thread(target=self._beat, name=f"beat of {address}", daemon=True).start()

    @property
    def url(self) -> str:
        """Where its engine is reached from here."""
        return f"unix://{self._socket}"

    @property
    def _socket(self) -> Path:
        return self._claim.folder / "docker.sock"

    def ask(self, command: str, timeout_s: float = ANSWER_S) -> Answer:
        """Run one line of shell there, again if the connection is lost meanwhile.

        All commands run in one shell, a bash: what they open stays open until the connection ends.
        Raises HostError if it cannot be made again, or nothing is answered in time.
        """
        while True:
            seen = self.generation
            with self._lock:
                try:
                    return self._exchange(command, timeout_s)
                except TimeoutError as error:
                    raise HostError(f"{self.address}: no answer after {timeout_s:g} s to: {command}") from error
                except OSError:
                    self._end()  # the shell is gone, whatever else of the connection still lives
            self.mend(seen)

    def reaches_engine(self) -> bool:
        """Say whether an engine answers at the other end of the tunnel."""
        with closing(socket.socket(socket.AF_UNIX)) as probe, suppress(OSError):
            probe.settimeout(ANSWER_S)
            probe.connect(str(self._socket))
            probe.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
            return probe.recv(16).startswith(b"HTTP/")
        return False

    def tell(self, command: str) -> None:
        """Run one line of shell there, unless the connection is lost."""
        with self._lock, suppress(OSError):
            self._exchange(command, ANSWER_S)

    def mend(self, since: int, /) -> bool:
        """Make the connection again if it was lost since that generation; False if it was not.

        Raises HostError if it stays lost.
        """
        with self._lock:
            if self.generation != since:
                return True
            if self._given_up is not None:
                raise self._given_up
            if self._program and not self._program.has_ended(within_s=GRACE_S):
                return False
            console.note(f"{self.address}: the connection is lost. Connecting again …")
            self._reconnect()
            self.generation += 1
            console.note(f"{self.address}: connected again.")
            return True

    def close(self) -> None:
        """End it, and the shell there."""
        self._closed.set()
        self._end()
        self._claim.release()
        atexit.unregister(self.close)

    def _connect(self) -> None:
        try:
            self._program = program = Companion(self._argv(), self._claim.folder / "ssh.log")
        except ProgramError as error:
            raise HostError(f"{error} Debian and Ubuntu: openssh-client.", lasting=True) from error
        try:
            self._exchange(":", GREETING_S)
        except OSError as error:
            program.has_ended(within_s=GRACE_S)
            complaints = program.complaints()
            self._end()
            raise explain(self.address, complaints) from error

    def _end(self) -> None:
        if self._program:
            self._program.end()
        self._program = None

    def _reconnect(self) -> None:
        """Try until it works, patience ends, or there is no hope; keeps the error for who asks again."""
        until = time.monotonic() + self._patience_s
        pause_s = 1.0
        try:
            while (error := self._try_to_connect()) is not None:
                if error.lasting or time.monotonic() + pause_s > until:
                    self._given_up = HostError(f"{error} {LOST}", lasting=True)
                    raise self._given_up
                time.sleep(pause_s)
                pause_s = min(2 * pause_s, PAUSE_AT_MOST_S)
        except KeyboardInterrupt:
            self._patience_s = 0.0  # who stops a run does not wait for what is gone
            raise

    def _try_to_connect(self) -> HostError | None:
        try:
            self._connect()
        except HostError as error:
            return error
        return None

    def _exchange(self, command: str, timeout_s: float) -> Answer:
        """Send a command and read its answer. Raises OSError if the connection is lost, TimeoutError among them."""
        program = self._program
        if program is None:
            raise ConnectionResetError
        self._asked += 1
        mark = f"@orch {self._asked} "
        program.write_line(f"{command}; printf '\\n{mark}%d\\n' $?")
        until = time.monotonic() + timeout_s
        lines: list[str] = []
        while (line := program.read_line(max(until - time.monotonic(), 0.0))) is not None:
            if line.startswith(mark):
                return Answer(text="\n".join(lines).strip(), exit_code=int(line.removeprefix(mark)))
            # What was read before its own mark is of a question whose answer nobody waited for, or a login's greeting.
            lines = [] if line.startswith("@orch ") else [*lines, line]
        raise ConnectionResetError

    def _beat(self) -> None:
        """Say now and then that we are still there."""
        while not self._closed.wait(BEAT_S):
            with self._lock, suppress(OSError, ValueError):  # ValueError: closed meanwhile
                self._exchange(":", ANSWER_S)

    def _argv(self) -> tuple[str, ...]:
        options = tuple(word for name, value in OPTIONS.items() for word in ("-o", f"{name}={value}"))
        tunnel = ("-L", f"{self._socket}:{ENGINE_SOCKET}")
        return ("ssh", "-T", *options, *tunnel, *self.address.arguments, f"exec bash -c {shlex.quote(SHELL)}")


def _private_folder() -> Path:
    """Return our own folder for sockets: their paths are cut off at 108 characters, so it is not in the cache."""
    folder = Path(tempfile.gettempdir()) / f"orch-{os.getuid()}"
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise HostError(f"{folder}: is not ours alone, so that others could take the engine's socket. Set TMPDIR.")
    return folder
