"""The topics, all below `e1/{tenant}/`. Names are of [A-Za-z0-9_-]{1,32}, as the settings demand."""

import re

LIVE, EVENTS, BACKLOG = 0, 1, 2  # the lanes of batches: transport only, one sequence for all

_UP_BATCH = re.compile(r"e1/([A-Za-z0-9_-]{1,32})/([A-Za-z0-9_-]{1,32})/up/b/([012])")
_BIRTH = re.compile(r"e1/([A-Za-z0-9_-]{1,32})/([A-Za-z0-9_-]{1,32})/st")


def batch_topic(tenant: str, gateway: str, lane: int) -> str:
    """Return where a gateway publishes the batches of a lane."""
    return f"e1/{tenant}/{gateway}/up/b/{lane}"


def result_topic(tenant: str, gateway: str) -> str:
    """Return where a gateway publishes the results of commands."""
    return f"e1/{tenant}/{gateway}/up/res"


def birth_topic(tenant: str, gateway: str) -> str:
    """Return where a gateway's signed birth is retained; its will goes to the same place, as a hint only."""
    return f"e1/{tenant}/{gateway}/st"


def receipt_topic(tenant: str, gateway: str) -> str:
    """Return where the centre's receipt for a gateway is retained."""
    return f"e1/{tenant}/{gateway}/dn/rc"


def command_topic(tenant: str, gateway: str) -> str:
    """Return where commands for a gateway are published."""
    return f"e1/{tenant}/{gateway}/dn/cmd"


def settings_topic(tenant: str, gateway: str) -> str:
    """Return where the settings for a gateway are retained."""
    return f"e1/{tenant}/{gateway}/dn/cfg"


def centre_topic(tenant: str) -> str:
    """Return where it is retained whether the centre is there."""
    return f"e1/{tenant}/c/st"


def all_batches(tenant: str) -> str:
    """Return the filter that the centre subscribes to for the batches of all gateways and lanes."""
    return f"e1/{tenant}/+/up/b/+"


def all_births(tenant: str) -> str:
    """Return the filter that the centre subscribes to for all births. It matches `centre_topic` too."""
    return f"e1/{tenant}/+/st"


def parse_batch_topic(topic: str) -> tuple[str, str, int] | None:
    """Return tenant, gateway and lane of a batch's topic; None for any other topic."""
    match = _UP_BATCH.fullmatch(topic)
    return (match[1], match[2], int(match[3])) if match else None


def parse_birth_topic(topic: str) -> tuple[str, str] | None:
    """Return tenant and gateway of a birth's topic; None for any other topic.

    `c` reads as a gateway here: the centre's own topic has the same shape, therefore no gateway is called "c".
    """
    match = _BIRTH.fullmatch(topic)
    return (match[1], match[2]) if match and match[2] != "c" else None
