"""How a remote machine is named: ssh://[user@]host[:port]."""

import re
from dataclasses import dataclass

from orchestrator.errors import UsageError

# A name may not begin with a hyphen: ssh would take it for an option.
_FORM = re.compile(
    r"ssh://(?:(?P<user>[^@/:\s-][^@/:\s]*)@)?(?P<host>\[[0-9A-Fa-f:.]+\]|[^@/:\s-][^@/:\s]*)(?::(?P<port>\d+))?/?"
)


@dataclass(frozen=True, kw_only=True)
class Address:
    """Where ssh connects to; what is not said here, ~/.ssh/config says, aliases included."""

    host: str
    user: str | None = None
    port: int | None = None

    def __str__(self) -> str:
        user = f"{self.user}@" if self.user else ""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"ssh://{user}{host}" + (f":{self.port}" if self.port else "")

    @property
    def arguments(self) -> tuple[str, ...]:
        """The last arguments of ssh before the command there."""
        port = ("-p", str(self.port)) if self.port else ()
        user = ("-l", self.user) if self.user else ()
        return (*port, *user, "--", self.host)


def parse_address(text: str) -> Address:
    """Read what --host says. Raises UsageError."""
    found = _FORM.fullmatch(text)
    if found is None:
        example = text.removeprefix("ssh://").partition("/")[0]
        is_name = re.fullmatch(r"[\w.-]+(@[\w.-]+)?(:\d+)?", example) and not example.startswith("-")
        raise UsageError(
            f"--host {text}: is no ssh://[user@]host[:port]. Say --host ssh://{example if is_name else 'me@gpu-vm'}."
        )
    port = int(found["port"]) if found["port"] else None
    return Address(host=found["host"].strip("[]"), user=found["user"], port=port)
