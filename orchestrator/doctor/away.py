"""Look at the machine of --host: all that studies need over there, and the little that they need here."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from orchestrator.catalog import load_images
from orchestrator.devices import computable
from orchestrator.doctor.checks import Advice, Check, not_reached
from orchestrator.doctor.engine_checks import (
    ENGINE,
    TOOLKIT,
    check_buildx,
    check_engine,
    check_limits,
    check_toolkit,
)
from orchestrator.doctor.engine_facts import describe, read_buildx
from orchestrator.doctor.facts import Conditions, Docker, Reach, System
from orchestrator.doctor.gpu_checks import check_driver, check_mig
from orchestrator.doctor.local_images import built_on_docker, choose_image
from orchestrator.doctor.probing import FRAMEWORK
from orchestrator.doctor.steps import Collected, check_default_suite, collect_means, try_gpu
from orchestrator.doctor.suite_checks import fitting
from orchestrator.doctor.system import PROGRAMS, read_conditions, read_system
from orchestrator.doctor.system_checks import check_system
from orchestrator.doctor.trying import try_computing
from orchestrator.doctor.verdict import Diagnosis, diagnose
from orchestrator.engines.docker import DockerEngine
from orchestrator.errors import HostError
from orchestrator.fleet.remote import RemoteMachine
from orchestrator.workbench import Workbench

# What read_system and read_conditions look at.
FILES = (
    "/etc/os-release",
    "/usr/lib/os-release",
    "/proc/version",
    "/proc/meminfo",
    "/proc/self/cgroup",
    "/.dockerenv",
    "/run/.containerenv",
    "/run/systemd/system",
    "/sys/fs/cgroup/memory",
    "/sys/fs/cgroup/cgroup.controllers",
    "/sys/devices/system/cpu/intel_pstate/no_turbo",
    "/sys/devices/system/cpu/cpufreq/boost",
    "/sys/devices/system/cpu/cpu[0-9]*/topology/thread_siblings_list",
    "/sys/bus/pci/devices/*/vendor",
    "/sys/bus/pci/devices/*/class",
)
FIND_PROGRAMS = f"PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin; command -v {' '.join(PROGRAMS)}"


@dataclass(frozen=True, kw_only=True)
class _There(Collected):
    """And how it is asked, and what makes its times steady or not."""

    host: RemoteMachine
    conditions: Conditions


def examine_away(bench: Workbench, host: RemoteMachine, *, is_online: bool) -> Diagnosis:
    """Look at everything that studies need there. Starts containers only where there is a GPU, and pulls nothing.

    is_online: ask indexes and registries too.
    """
    there = _look(bench, host)
    found = "answers; all below but buildx, which is needed here, is said of it"
    checks = (
        Check(name="connection", state="ok", found=f"{host.name} {found}"),
        *_path(there),
        *check_system(host.machine, there.conditions, there.system),
    )
    if there.docker is not None:
        checks = (*checks, *check_default_suite(there, there.engine, there.built, is_online=is_online))
    on_gpu = (there.engine.name,) if there.gpu is not None and fitting(there.catalog, there.gpu) else ()
    return diagnose(checks, collect_means(there, on_gpu), bench.options.device)


def _look(bench: Workbench, host: RemoteMachine) -> _There:
    catalog, gpus = load_images(bench.project), computable(host.machine.gpus)
    engine = DockerEngine(mirrors=bench.settings.mirrors, ca_bundle=bench.settings.ca_bundle, link=host.link)
    system, conditions = read_there(host)
    reason, docker = _ask_engine(host, engine)
    return _There(
        bench=bench,
        host=host,
        system=system,
        conditions=conditions,
        gpu=gpus[0] if gpus and bench.options.device != "cpu" else None,
        catalog=catalog,
        engine=engine,
        reach=Reach(endpoint=host.name, reason=reason),
        docker=docker,
        built=built_on_docker(docker, catalog) if docker else (),
    )


def read_there(host: RemoteMachine) -> tuple[System, Conditions]:
    """Describe the system of a remote machine, by copies of its files."""
    with TemporaryDirectory() as folder:
        root = Path(folder)
        for path, content in host.read_files(FILES).items():
            copy = root.joinpath(*PurePosixPath(path).parts[1:])
            copy.parent.mkdir(parents=True, exist_ok=True)
            if path.endswith("/"):
                copy.mkdir(exist_ok=True)
            else:
                copy.write_text(content, encoding="utf-8")
        system, conditions = read_system({}, root), read_conditions(root)
    programs = frozenset(PurePosixPath(path).name for path in host.ask(FIND_PROGRAMS).splitlines())
    return replace(system, is_root=host.ask("id -u") == "0", programs=programs), replace(
        conditions, load=host.read_load()
    )


def _ask_engine(host: RemoteMachine, engine: DockerEngine) -> tuple[str, Docker | None]:
    """Return what the engine says of itself, or why it says nothing."""
    try:
        host.check_engine()
    except HostError as error:
        return str(error).removeprefix(f"{host.name}: "), None
    return "", replace(engine.ask(describe), is_here=True)


def _path(there: _There) -> Iterator[Check]:
    """From the driver to a framework that computes. An engine is looked at whether there is a GPU or not."""
    system, gpu, docker, device = there.system, there.gpu, there.docker, there.bench.options.device
    if device != "cpu":
        gpus = there.host.machine.gpus
        yield check_driver(gpus, there.host.driver_says, system, is_needed=device == "cuda")
        yield check_mig(gpus, system)
    if docker is None:
        yield Check(name=ENGINE, state="missing", found="it does not answer", advice=Advice(text=there.reach.reason))
    else:
        yield check_engine(there.reach, docker, system)
    yield check_buildx(docker, *read_buildx(), read_system(there.bench.env))  # a program of this machine
    yield check_limits(docker)
    if device == "cpu":
        yield try_computing(there.engine, choose_image(there.built, None), None)
        return
    toolkit = check_toolkit(gpu, docker, system) if gpu else not_reached(TOOLKIT, there.before_gpu)
    yield toolkit
    yield from try_gpu(there, toolkit, lambda after: not_reached(FRAMEWORK["cuda"], after))
