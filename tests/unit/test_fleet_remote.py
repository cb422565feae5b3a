"""A remote machine by what its shell answers: what it is, who uses it, whose turn it is."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from orchestrator.errors import HostError
from orchestrator.fleet.remote import RemoteMachine, parse_cpus, parse_files
from orchestrator.fleet.remote_locks import BUSY, RemoteLocks
from orchestrator.fleet.shells import Answer
from orchestrator.hardware import Disk, Gpu, GpuProcess

VM = "ssh://gpu-vm"
FILES = "==> /proc/cpuinfo\nprocessor: 0\nmodel name: A CPU\n\n==> /proc/meminfo\nMemTotal: 1024 kB\n"
GPU = "0, GPU-a, NVIDIA H100, 9.0, 535.216.01, 81559, 700.00, Enabled, Disabled"
LINUX = {
    "uname": "Linux 6.1.0 x86_64",
    "for file in": FILES,
    "grep Cpus_allowed_list": "Cpus_allowed_list:\t0",
    "nvidia-smi --query-gpu": GPU,
    "nvidia-smi --query-compute-apps": "GPU-a, 42, 100, python",
    "cat /proc/loadavg": "0.52 0.58 0.59 1/389 1",
    "id -un": "me",
}


@dataclass
class FakeShell:
    """A shell that answers by what a command has in it: a text, or an exit code."""

    answers: Mapping[str, str | int] = field(default_factory=lambda: dict[str, str | int](LINUX))
    locked_by_others: Callable[[str], bool] = lambda _command: False
    answers_engine: bool = True
    url: str | None = "unix:///tunnel.sock"
    generation: int = 0
    told: list[str] = field(default_factory=list)

    def mend(self, _since: int, /) -> bool:
        return False

    def ask(self, command: str, /) -> Answer:
        self.told.append(command)
        if "flock" in command and self.locked_by_others(command):
            return Answer(text="", exit_code=BUSY)
        answer = next((answer for part, answer in self.answers.items() if part in command), 0)
        return Answer(text="", exit_code=answer) if isinstance(answer, int) else Answer(text=answer, exit_code=0)

    def tell(self, command: str, /) -> None:
        self.told.append(command)

    def reaches_engine(self) -> bool:
        return self.answers_engine


def remote(shell: FakeShell) -> RemoteMachine:
    return RemoteMachine(VM, shell, RemoteLocks(VM, shell, poll_s=0.0, outlived_s=0.0))


def test_a_machine_is_described_by_its_own_files_and_driver() -> None:
    machine = remote(FakeShell()).machine

    assert (machine.cpu, machine.cores, machine.cpus, machine.memory_bytes) == ("A CPU", 1, (0,), 2**20)
    assert (machine.kernel, machine.platform) == ("6.1.0", "linux/amd64")
    assert [gpu.uuid for gpu in machine.gpus] == ["GPU-a"]


def test_a_machine_without_a_driver_has_no_gpu() -> None:
    machine = remote(FakeShell({**LINUX, "command -v nvidia-smi": 1})).machine

    assert machine.gpus == ()


def test_a_driver_that_lists_no_gpu_is_heard(capsys: pytest.CaptureFixture[str]) -> None:
    shell = FakeShell({**LINUX, "nvidia-smi --query-gpu": 9})

    machine = remote(shell).machine

    assert machine.gpus == ()
    assert "its driver lists no GPU" in capsys.readouterr().err


def test_a_machine_that_is_no_linux_is_refused() -> None:
    with pytest.raises(HostError, match="runs Darwin; launches need Linux"):
        _ = remote(FakeShell({"uname": "Darwin 24.1.0 arm64"})).machine


def test_its_load_and_the_users_of_its_gpus_are_its_own() -> None:
    machine = remote(FakeShell())

    users = machine.read_users(Gpu(name="NVIDIA H100", compute="9.0", uuid="GPU-a"))

    assert machine.read_load() == 0.52
    assert users.compute == (GpuProcess(pid=42, name="python", memory_bytes=100 * 2**20),)


def test_room_for_images_is_that_of_the_disk_over_there() -> None:
    table = "Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/vda1 100 40 60 40% /"

    disk = remote(FakeShell({"df -Pk /var/lib/docker": table})).disk(Path("/var/lib/docker"))

    assert disk == Disk(name=f"/var/lib/docker of {VM}", free_bytes=60 * 1024)


def test_room_that_df_does_not_tell_is_not_known() -> None:
    assert remote(FakeShell({"df -Pk": 1})).disk(Path("/var/lib/docker")) is None


@pytest.mark.parametrize(
    ("shell", "remedy"),
    [
        (FakeShell({"test -S": 3}), "sudo apt install docker.io"),
        (FakeShell({"test -S": 4, "id -un": "me"}), "sudo usermod -aG docker me"),
        (FakeShell(answers_engine=False), "AllowStreamLocalForwarding yes"),
    ],
)
def test_an_engine_that_cannot_be_reached_is_told_with_the_remedy(shell: FakeShell, remedy: str) -> None:
    with pytest.raises(HostError, match=remedy):
        remote(shell).check_engine()


def test_an_engine_that_answers_is_taken() -> None:
    remote(FakeShell()).check_engine()


def test_a_lock_that_another_run_holds_is_waited_for_aloud(capsys: pytest.CaptureFixture[str]) -> None:
    answers = iter([True, True, False])
    shell = FakeShell(locked_by_others=lambda _command: next(answers))

    with remote(shell).taken("machine", VM):
        said = capsys.readouterr().err

    assert said == f"Another orch run is measuring on {VM}. Waiting for its end …\n"
    assert shell.told[-1] == "exec 20>&-"


def test_locks_that_cannot_be_taken_at_all_are_not_waited_for() -> None:
    with pytest.raises(HostError, match="flock"), remote(FakeShell({"flock": 127})).taken("machine", VM):
        raise AssertionError


def test_after_a_lost_connection_all_locks_are_taken_again_before_a_launch() -> None:
    shell = FakeShell()
    machine = remote(shell)
    with ExitStack() as locks:
        locks.enter_context(machine.taken("machine", VM, shared=True))
        locks.enter_context(machine.taken("GPU-a", "GPU 0"))
        shell.generation += 1
        shell.told.clear()

        first, second = machine.before_launch(), machine.before_launch()

    taken = [command for command in shell.told if "flock" in command]
    assert (first, second) == (0.52, 0.52)
    assert ["machine.lock" in taken[0], "GPU-a.lock" in taken[1]] == [True, True]
    assert ["flock -s" in taken[0], "flock -x" in taken[1], len(taken)] == [True, True, 2]


def test_a_machine_that_another_run_took_while_the_connection_was_lost_is_left_to_it() -> None:
    shell = FakeShell()
    machine = remote(shell)

    with machine.taken("machine", VM):
        shell.generation += 1
        shell.locked_by_others = lambda _command: True

        with pytest.raises(HostError, match="the same command then continues"):
            machine.before_launch()


@pytest.mark.parametrize(("text", "cpus"), [("\t0-3", (0, 1, 2, 3)), ("0,2-3,8\n", (0, 2, 3, 8)), ("7", (7,))])
def test_a_list_of_cpus_is_read_as_the_kernel_writes_it(text: str, cpus: tuple[int, ...]) -> None:
    assert parse_cpus(text) == cpus


def test_files_are_told_apart_and_one_that_is_not_there_is_empty() -> None:
    text = (
        "==> /proc/meminfo\nMemTotal: 1 kB\nMemFree: 1 kB\n\n==> /etc/machine-id\n\n==> /proc/cpuinfo\n\na: 1\n\nb: 2\n"
    )

    files = parse_files(text)

    assert files == {
        "/proc/meminfo": "MemTotal: 1 kB\nMemFree: 1 kB",
        "/etc/machine-id": "",
        "/proc/cpuinfo": "a: 1\n\nb: 2",
    }


def test_a_path_that_leads_elsewhere_is_left_out() -> None:
    files = parse_files("==> /etc/../../home/me/.ssh/authorized_keys\na key\n\n==> /run/systemd/system/\n")

    assert files == {"/run/systemd/system/": ""}
