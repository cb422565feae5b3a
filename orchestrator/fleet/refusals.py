"""Why ssh gave up, from its own words, and what to do."""

import re
from dataclasses import dataclass

from orchestrator.errors import HostError
from orchestrator.fleet.addresses import Address

_LINES = 4  # of ssh's words, where they are not known


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """One way not to get through. words: of OpenSSH's stderr, a pattern. lasting: waiting does not help."""

    words: str
    cause: str
    remedy: str
    lasting: bool = True


# Source: OpenSSH 9.2; tests/data/ssh/ holds what it wrote in each of these cases.
REFUSALS = (
    Refusal(
        words="REMOTE HOST IDENTIFICATION HAS CHANGED",
        cause="its host key is another one than at your last connection",
        remedy="If you know why (the machine was made anew), forget the old key: {forget}. Else somebody may be in "
        "between: ask who runs it.",
    ),
    Refusal(
        words="Host key verification failed|No .* host key is known",
        cause="its host key is not known here",
        remedy="Connect once by hand and compare the key: {by_hand}",
    ),
    Refusal(
        words=r"Permission denied \(",
        cause="it refuses your key",
        remedy="Give it your public key: {copy_id}. A key with a passphrase has to be in the agent: ssh-add. "
        "Try it: {by_hand}",
    ),
    Refusal(
        words="Too many authentication failures",
        cause="it refuses all keys of your agent before it comes to the right one",
        remedy="Name the key in ~/.ssh/config: IdentityFile, and IdentitiesOnly yes.",
    ),
    Refusal(
        words="Could not resolve hostname",
        cause="no machine of that name is known",
        remedy="Check the name; aliases of ~/.ssh/config count, case included.",
        lasting=False,
    ),
    Refusal(
        words="Connection refused",
        cause="nothing listens on its ssh port",
        remedy="Is it up, with sshd, at that port?",
        lasting=False,
    ),
    Refusal(
        words="timed out|No route to host|Network is unreachable",
        cause="it does not answer",
        remedy="Is it running, and does its firewall let your address in?",
        lasting=False,
    ),
    Refusal(
        words="Bad configuration option|terminating, .* bad configuration|Bad owner or permissions",
        cause="ssh does not accept its own configuration",
        remedy="Correct the file it names.",
    ),
    Refusal(
        words="bash: (command )?not found",
        cause="it has no bash",
        remedy="Install it there: the questions orch asks are asked in its words.",
    ),
)
UNKNOWN = Refusal(words="", cause="ssh ended", remedy="Try it: {by_hand}", lasting=False)


def explain(address: Address, complaints: str) -> HostError:
    """Make the error of a connection that could not be made. complaints: what ssh wrote to stderr."""
    refusal = next((one for one in REFUSALS if re.search(one.words, complaints)), UNKNOWN)
    lines = [line.strip(" .@") for line in complaints.strip().splitlines()]
    told = [line for line in lines if re.search(refusal.words, line)][-1:] if refusal.words else lines[-_LINES:]
    said = f" ({'; '.join(told)})" if told else ""
    remedy = _fill(refusal.remedy, address, complaints)
    return HostError(f"{address}: {refusal.cause}{said}. {remedy}", lasting=refusal.lasting)


def _fill(remedy: str, address: Address, complaints: str) -> str:
    forget = re.search(r"ssh-keygen -f .*", complaints)
    whom = f"{address.user}@{address.host}" if address.user else address.host
    port = f"-p {address.port} " if address.port else ""
    return remedy.format(
        forget=forget[0].strip() if forget else f"ssh-keygen -R {address.host}",
        by_hand=f"ssh {port}{whom}",
        copy_id=f"ssh-copy-id {port}{whom}",
    )
