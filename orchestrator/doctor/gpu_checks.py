"""Judge the GPUs and their driver: whether they can be used, and what makes their times unsteady."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from orchestrator import console
from orchestrator.devices import computable, tell_processes
from orchestrator.doctor.checks import Advice, Check, State, not_reached
from orchestrator.doctor.facts import GpuState, System
from orchestrator.doctor.packages import as_root, install_driver
from orchestrator.hardware import Gpu, GpuUsers
from orchestrator.images import Image
from orchestrator.remedies import find_remedy
from orchestrator.variants import Choice, choose_variant

DRIVER, MIG = "GPU driver", "MIG"
SILENT = "the driver does not say"
# Bits of NVML's clock event reasons: what keeps a clock down. Source: NVML API reference, nvmlClocksEventReasons.
IDLE = 0x1
SLOWED = {0x8: "a hardware slowdown", 0x20: "heat (software)", 0x40: "heat (hardware)", 0x80: "the power supply"}


def check_driver(gpus: Sequence[Gpu], reason: str, system: System, *, is_needed: bool) -> Check:
    """Look whether the driver shows a GPU.

    gpus: what NVML lists. reason: of NVML, why it lists none; empty if it answers. is_needed: the CPU will not do.
    """
    if gpus:
        return _listed([gpu for gpu in gpus if gpu.instance is None], system)
    known = find_remedy(reason)
    if known is not None:
        return Check(name=DRIVER, state="missing", found=reason, advice=Advice(text=str(known)))
    if not system.nvidia_cards and not system.is_wsl:
        return _no_card(system, is_needed=is_needed)
    found = f"{f'NVIDIA GPUs in this machine: {system.nvidia_cards}' if system.nvidia_cards else 'WSL'}; "
    if not reason:
        return Check(name=DRIVER, state="missing", found=f"{found}the driver shows none", advice=_look_why(system))
    return Check(name=DRIVER, state="missing", found=found + reason, advice=install_driver(system))


def check_driver_age(gpu: Gpu, images: Sequence[Image], suite: str, system: System) -> Check:
    """Look which images of a suite the driver is too old for."""
    name = "driver's age"
    too_old = {image.name: reason for image in images if (reason := _too_old(image, gpu))}
    if not too_old:
        return Check(name=name, state="ok", found=f"{gpu.driver}: new enough for what of '{suite}' this GPU can run")
    advice = install_driver(system)
    first = next(iter(too_old.items()))
    found = f"too old for {len(too_old)} of {len(images)} images of '{suite}', such as {first[0]}: {first[1]}"
    return Check(name=name, state="warning", found=found, advice=replace(advice, text=f"The others run. {advice.text}"))


def check_state(states: Sequence[GpuState], users: Sequence[GpuUsers], system: System) -> Iterator[Check]:
    """Look at how the GPUs are set; those that are set alike are one line."""
    lost = [(state.address, _check_answer(state)) for state in states if state.lost]
    if lost:
        yield from _each(lost)
    there = [(state, one) for state, one in zip(states, users, strict=True) if not state.lost]
    for judge in (_check_clocks, _check_slowdown, _check_persistence, _check_ecc, _check_mode):
        yield from _each([(state.address, judge(state, system)) for state, _ in there])
    yield from _each([(state.address, _check_users(one)) for state, one in there])


def check_mig(gpus: Sequence[Gpu], system: System) -> Check:
    """Look whether GPUs are divided into MIG instances, on which alone they compute."""
    divided = [gpu for gpu in gpus if gpu.mig]
    if not gpus:
        return not_reached(MIG, DRIVER)
    if not divided:
        found = "off" if any(gpu.mig is False for gpu in gpus) else "not on these GPUs"
        return Check(name=MIG, state="ok", found=found)
    instances = [gpu for gpu in gpus if gpu.instance is not None]
    empty = [gpu for gpu in divided if all(one.index != gpu.index for one in instances)]
    if empty:
        commands = [f"sudo nvidia-smi -i {gpu.index} -mig 0" for gpu in empty]
        advice = Advice(
            text="Without instances it computes nothing. End the mode:", commands=as_root(system, *commands)
        )
        which = ", ".join(gpu.address for gpu in empty)
        state: State = "warning" if computable(gpus) else "missing"
        return Check(name=MIG, state=state, found=f"on without instances: GPU {which}", advice=advice)
    names = ", ".join(one.address for one in instances)
    text = f"Only the instances compute: name them with --gpus {names.replace(' ', '')}."
    return Check(name=MIG, state="warning", found=f"on, with instances {names}", advice=Advice(text=text))


def _listed(gpus: Sequence[Gpu], system: System) -> Check:
    found = ", ".join(f"{gpu.name} (compute {gpu.compute}{_memory(gpu)})" for gpu in gpus)
    found = f"{gpus[0].driver}: {found}"
    if len(gpus) < system.nvidia_cards and not system.is_container:  # which sees all cards, whatever it was handed
        found = f"{found}; {system.nvidia_cards - len(gpus)} more in this machine, not shown"
        return Check(name=DRIVER, state="warning", found=found, advice=_look_why(system))
    return Check(name=DRIVER, state="ok", found=found)


def _look_why(system: System) -> Advice:
    text = "A GPU that the driver does not show is lost, handed on to a virtual machine, or closed to this user:"
    return Advice(text=text, commands=as_root(system, "sudo nvidia-smi", "sudo dmesg | grep -i nvrm"))


def _no_card(system: System, *, is_needed: bool) -> Check:
    found = "no NVIDIA GPU in this machine"
    if not is_needed:
        return Check(name=DRIVER, state="missing", found=f"{found}; studies on the CPU need none")
    text = "PCI lists no NVIDIA card. Take a machine that has one: a cloud offers them as machine types of their own."
    if system.is_container:
        text = "orch runs in a container that was handed none: start it with --gpus all, or run orch outside of it."
    return Check(name=DRIVER, state="missing", found=found, advice=Advice(text=text))


def _memory(gpu: Gpu) -> str:
    return f", {console.size(gpu.memory_bytes)}" if gpu.memory_bytes else ""


def _too_old(image: Image, gpu: Gpu) -> str | None:
    """Return the reason if an image would run on this GPU under another driver only."""
    now = choose_variant(image, gpu, lambda _target: True)
    other = choose_variant(image, replace(gpu, driver=None), lambda _target: True)
    return now if isinstance(now, str) and isinstance(other, Choice) else None


def _each(found: Sequence[tuple[str, Check]]) -> Iterator[Check]:
    """Yield a check once for all GPUs it is the same for."""
    alike: dict[Check, list[str]] = {}
    for address, check in found:
        alike.setdefault(check, []).append(address)
    for check, addresses in alike.items():
        yield check if len(alike) == 1 else replace(check, name=f"{check.name} of {', '.join(addresses)}")


def _check_answer(state: GpuState) -> Check:
    text = "A GPU that is lost comes back with the machine: start it anew, and look after power and cooling."
    return Check(name="GPU", state="missing", found=state.lost, advice=Advice(text=text))


def _check_clocks(state: GpuState, system: System) -> Check:
    """NVML does not tell a lock; but an idle GPU whose clocks are not locked lowers them."""
    name = "GPU clocks"
    now = state.now
    if now is None or now.sm_mhz is None or state.highest_clock_mhz is None:
        return Check(name=name, state="ok", found=SILENT)
    found = f"{now.sm_mhz:.0f} MHz of at most {state.highest_clock_mhz}"
    base = state.base_clock_mhz or state.highest_clock_mhz
    if now.reasons is None or not now.reasons & IDLE:
        return Check(name=name, state="ok", found=f"{found}; whether they are locked shows only an idle GPU")
    if now.sm_mhz >= base:
        return Check(name=name, state="ok", found=f"{found} while idle, as if locked")
    text = "They follow heat and power. Where this machine is yours, lock them for a study (undo: nvidia-smi -rgc):"
    advice = Advice(text=text, commands=as_root(system, f"sudo nvidia-smi -lgc {base}"))
    return Check(name=name, state="warning", found=f"{found} while idle: not locked", advice=advice)


def _check_slowdown(state: GpuState, _system: System) -> Check:
    name = "GPU slowdown"
    reasons = state.now.reasons if state.now else None
    if reasons is None:
        return Check(name=name, state="ok", found=SILENT)
    heat = state.now.temperature_c if state.now else None
    at = f" at {heat:.0f} °C" if heat is not None else ""
    slowed_by = [text for bit, text in SLOWED.items() if reasons & bit]
    if not slowed_by:
        return Check(name=name, state="ok", found=f"none{at}")
    text = "The GPU runs slower than it could: look after cooling and power before measuring."
    found = f"by {', '.join(slowed_by)}{at}"
    return Check(name=name, state="warning", found=found, advice=Advice(text=text))


def _check_persistence(state: GpuState, system: System) -> Check:
    known = {None: SILENT, True: "on", False: "off"}
    found = known[state.persistence]
    if state.persistence is False:
        text = "Each launch waits until the driver has started the GPU anew. Keep it started:"
        advice = Advice(text=text, commands=as_root(system, "sudo nvidia-smi -pm 1"))
        return Check(name="persistence mode", state="warning", found=found, advice=advice)
    return Check(name="persistence mode", state="ok", found=found)


def _check_ecc(state: GpuState, system: System) -> Check:
    if state.ecc is None:
        return Check(name="ECC", state="ok", found="not on this GPU, or the driver does not say")
    found = "on" if state.ecc else "off"
    if state.ecc_after_reboot != state.ecc:
        found += f", {'on' if state.ecc_after_reboot else 'off'} after the next start"
        text = "Times before and after must not be compared: start the machine anew before a study."
        advice = Advice(text=text, commands=as_root(system, "sudo reboot"))
        return Check(name="ECC", state="warning", found=found, advice=advice)
    return Check(name="ECC", state="ok", found=found)


def _check_mode(state: GpuState, system: System) -> Check:
    found = state.compute_mode or SILENT
    if state.compute_mode == "prohibited":
        advice = Advice(
            text="Nothing may compute on it. Allow it:", commands=as_root(system, "sudo nvidia-smi -c DEFAULT")
        )
        return Check(name="compute mode", state="missing", found=found, advice=advice)
    return Check(name="compute mode", state="ok", found=found)


def _check_users(users: GpuUsers) -> Check:
    if users.compute:
        text = "Runs on this GPU are refused while others compute on it: wait for their end, end them, or take another."
        found = tell_processes(users.compute)
        return Check(name="GPU in use", state="warning", found=found, advice=Advice(text=text))
    if users.graphics:
        return Check(
            name="GPU in use", state="warning", found=f"a desktop draws on it: {tell_processes(users.graphics)}"
        )
    return Check(name="GPU in use", state="ok", found="nobody computes on it")
