"""What carries an engine's socket here: nothing of ours, or a tunnel that may be lost and made again."""

from typing import Protocol


class Link(Protocol):
    """What lies between us and an engine."""

    @property
    def url(self) -> str | None:
        """Where the engine is reached; None: where DOCKER_HOST or the current context says."""

    @property
    def generation(self) -> int:
        """How often it was made again."""

    def mend(self, since: int, /) -> bool:
        """Make it again if it was lost since that generation; False if it was not, and the engine itself is to blame.

        Raises HostError if it stays lost.
        """


class Direct:
    """No tunnel: an engine that does not answer is away."""

    url: str | None = None
    generation = 0

    def mend(self, _since: int, /) -> bool:
        """There is nothing to mend; see Link."""
        return False


DIRECT = Direct()
