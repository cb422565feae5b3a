"""Ask package indexes and registries whether what a suite needs can be had from here."""

import urllib.parse
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from orchestrator import console
from orchestrator.doctor.checks import Advice, Check, State
from orchestrator.engines import Engine
from orchestrator.errors import EngineError
from orchestrator.images import ImageVariant
from orchestrator.reaching import reachable_bytes
from orchestrator.wheelhouse import Wheelhouse

AT_ONCE = 4  # they wait for the network
OWN_INDEX = "the package index of pip's configuration"


def check_online(targets: Sequence[ImageVariant], engine: Engine, wheelhouse: Wheelhouse) -> Iterator[Check]:
    """Look whether wheels and base images of these variants are here or can be fetched. Fetches nothing."""
    console.note(f"Asking indexes and registries for {len(targets)} images …")
    with ThreadPoolExecutor(AT_ONCE) as pool:
        sizes = list(pool.map(lambda target: reachable_bytes(target, wheelhouse), targets))
        bases = list(pool.map(lambda target: _why_no_base(target, engine), targets))
    yield judge_wheels({target: size is not None for target, size in zip(targets, sizes, strict=True)})
    yield judge_bases({target.base: reason for target, reason in zip(targets, bases, strict=True)})


def judge_wheels(reached: dict[ImageVariant, bool]) -> Check:
    """Judge which wheels can be had, and name the places that gave none."""
    lost = [target for target, is_there in reached.items() if not is_there]
    found = f"{len(reached) - len(lost)} of {len(reached)} images: their wheels are here or can be fetched"
    if not lost:
        return Check(name="wheels", state="ok", found=found)
    places = ", ".join(dict.fromkeys(place for target in lost for place in _places(target)))
    names = ", ".join(target.name for target in lost)
    text = f"Nothing for {names} from {places}. Other places are told to pip itself: pip config set global.index-url "
    text += "URL, or global.find-links FOLDER."
    state: State = "warning" if len(lost) < len(reached) else "missing"
    return Check(name="wheels", state=state, found=found, advice=Advice(text=text))


def judge_bases(reasons: dict[str, str]) -> Check:
    """Judge which base images can be had. reasons: base -> why not, empty if it can."""
    lost = {base: reason for base, reason in reasons.items() if reason}
    found = f"{len(reasons) - len(lost)} of {len(reasons)} are here or can be fetched"
    if not lost:
        return Check(name="base images", state="ok", found=found)
    advice = Advice(text=next(iter(lost.values())))
    found += f"; not {', '.join(lost)}"
    state: State = "warning" if len(lost) < len(reasons) else "missing"
    return Check(name="base images", state=state, found=found, advice=advice)


def _why_no_base(target: ImageVariant, engine: Engine) -> str:
    try:
        engine.resolve_base(target, None)
    except EngineError as error:
        return str(error)
    return ""


def _places(target: ImageVariant) -> Iterator[str]:
    """Yield where the wheels of a variant are looked for: hosts that its row names, and the user's own index."""
    addresses = [one.partition("@")[2].strip() for one in target.requirements if "@" in one]
    if not addresses:
        yield OWN_INDEX
    for address in (*addresses, target.variant.index or ""):
        name = urllib.parse.urlsplit(address).hostname
        if name:
            yield name
