"""The errors that `orch` reports by itself; anything else is a bug and shows its traceback."""

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of the command line."""

    OK = 0
    LAUNCHES_FAILED = 1
    USAGE = 2
    ENGINE = 3
    NOTHING = 6
    INTERRUPTED = 130


class OrchError(Exception):
    """Base of all expected errors; the message says what, why and the next step. Never raised itself."""

    exit_code: Exit = Exit.USAGE


class UsageError(OrchError):
    """The command line asks for something that cannot be."""


class ConfigurationError(OrchError):
    """A file of the user is wrong; the message starts with `file:line:`."""

    def __init__(self, message: str, *, file: str, line: int | None = None) -> None:
        super().__init__(f"{file}:{line}: {message}" if line else f"{file}: {message}")


class DiskError(OrchError):
    """There is too little free disk for what would be fetched or built, or a file of ours cannot be written."""


class LockError(OrchError):
    """An image has no lock, or its requirements cannot be resolved or had from the configured indexes."""

    def __init__(self, what: str, remedy: str = "") -> None:
        super().__init__(f"{what} {remedy}".strip())
        self.what = what  # without the remedy, which is said once for many images
        self.remedy = remedy


class WheelError(OrchError):
    """A wheel could not be downloaded, or its content is not what the lock says."""

    exit_code = Exit.ENGINE


class EngineError(OrchError):
    """The engine or the GPU cannot be used."""

    exit_code = Exit.ENGINE


class BaseGoneError(EngineError):
    """The registry of a base image says that it has it no longer, or in a format that no engine reads any more."""


class HostError(OrchError):
    """The machine of --host cannot be reached, or not any more. No launch is to blame."""

    exit_code = Exit.ENGINE

    def __init__(self, message: str, *, lasting: bool = False) -> None:
        super().__init__(message)
        self.lasting = lasting  # waiting does not help


class BuildError(OrchError):
    """An image could not be built, or did not pass its health check."""

    exit_code = Exit.ENGINE


class ProgramError(OrchError):
    """A program that was started ended badly; shows its command line, exit code and last lines."""

    exit_code = Exit.ENGINE


class RecordError(OrchError):
    """A record on disk is truncated, not JSON or of an unknown schema."""


class StoppedError(OrchError):
    """The user stopped a run before it had anything to compare."""

    exit_code = Exit.INTERRUPTED


class NothingSelectedError(OrchError):
    """The selection is empty, or nothing of it can run here."""

    exit_code = Exit.NOTHING
