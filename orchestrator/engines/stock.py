"""What engines keep for later: finished images and compile caches. Only what is orch's own."""

from dataclasses import dataclass
from typing import Literal, Protocol

Kind = Literal["image", "compile cache"]


@dataclass(frozen=True, kw_only=True)
class Kept:
    """One thing that an engine keeps."""

    kind: Kind
    name: str  # pytorch-1.13.1+cu117
    reference: str  # tag of an image, name of a volume, folder
    bytes: int
    shared_bytes: int = 0  # of these in layers that other images have as well
    made_s: float  # since 1970
    inputs_sha256: str = ""  # of an image


class Stock(Protocol):
    """Looks after what one engine keeps."""

    def kept(self) -> tuple[Kept, ...]:
        """Return what is there; half-made images are not, `Engine.reap` looks after them. Raises EngineError."""

    def remove(self, kept: Kept) -> None:
        """Remove it; that it is gone already is no error. Raises EngineError, where it is in use too."""
