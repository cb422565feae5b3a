"""What a run does when its engine fails under it: wait until it answers again."""

import time

from orchestrator import console
from orchestrator.engines import Engine
from orchestrator.errors import EngineError
from orchestrator.launching import ENGINE_FAILED
from orchestrator.records import Record

# A restart of dockerd takes 2 to 10 s as measured, one that stops many containers longer.
ENGINE_BACK_S = 30.0
_POLL_S = 0.5


def is_engine_failure(record: Record) -> bool:
    """Say whether a launch failed because the engine did, which tells nothing about the cell."""
    return record.failure is not None and record.failure.kind == ENGINE_FAILED


def await_engine(engine: Engine) -> None:
    """Wait until an engine that failed a launch answers. Raises EngineError if it stays away."""
    until = time.monotonic() + ENGINE_BACK_S
    said = False
    while True:
        try:
            engine.check()
            return
        except EngineError as error:
            if time.monotonic() > until:
                raise EngineError(f"{error} It stays away; once it answers, the same command continues.") from error
        if not said:
            console.note("The engine does not answer. Waiting for it …")
            said = True
        time.sleep(_POLL_S)
