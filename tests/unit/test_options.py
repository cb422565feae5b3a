"""Which engines may be taken, by what the command line says."""

import pytest

from orchestrator.errors import UsageError
from orchestrator.options import Options

PYTHON = ("pytorch-2.13.0=/opt/conda/bin/python",)
VM = "ssh://gpu-vm"


@pytest.mark.parametrize(
    ("options", "names"),
    [
        (Options(), ("docker", "venv")),
        (Options(engine="venv"), ("venv",)),
        (Options(use_python=PYTHON), ("venv",)),
        (Options(use_python=PYTHON, engine="venv"), ("venv",)),
        (Options(host=VM), ("docker",)),
        (Options(host=VM, engine="docker"), ("docker",)),
    ],
)
def test_the_best_engine_comes_first_and_only_containers_run_elsewhere(
    options: Options, names: tuple[str, ...]
) -> None:
    assert options.engine_names == names


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (Options(engine="dokcer"), "--engine dokcer: unknown engine. Known: auto, docker, venv."),
        (Options(use_python=PYTHON, engine="docker"), "runs in no container"),
        (Options(use_python=PYTHON, host=VM), "does not run on another"),
        (Options(host=VM, engine="venv"), "its environments are of this machine"),
    ],
)
def test_options_that_contradict_each_other_are_refused(options: Options, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        _ = options.engine_names
