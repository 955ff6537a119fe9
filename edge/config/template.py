"""The first settings file of a gateway, as `edge config init` writes it: what a person decides, with a comment each."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from string import ascii_uppercase


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstSettings:
    """What is known on the first day."""

    id: str
    tenant: str
    ports: Sequence[str]
    baud: int = 2400
    parity: str = "even"
    timezone: str = "Asia/Shanghai"
    endpoint: str = ""


def build_first_file(first: FirstSettings) -> str:
    """Return the text of a commented `edge.toml`; whether its values are allowed is for the loader to say."""
    return "\n".join([*_head(first), *_buses(first), *_tasks(), *_mqtt(first), *_tail()]) + "\n"


def _head(first: FirstSettings) -> Iterator[str]:
    yield "# Settings of this gateway. After each change: edge config check"
    yield "schema = 1\n"
    yield "[gateway]"
    yield f"id = {_text(first.id)}            # name at the centre; never changes"
    yield f"tenant = {_text(first.tenant)}"
    yield f"timezone = {_text(first.timezone)}   # the meters keep this zone's time"
    yield 'state_dir = "/var/lib/edge"     # readings, register, sockets; local disk\n'
    yield "[identity]"
    yield 'batch_key = "batch.key"         # made by: edge keys new\n'


def _buses(first: FirstSettings) -> Iterator[str]:
    for name, port in zip(_names(), first.ports, strict=False):
        yield "[[bus]]"
        yield f"name = {_text(name)}"
        yield f"port = {_text(port)}   # a stable name from /dev/serial/by-id, or socket://host:port"
        yield f"baud = {first.baud}"
        yield f"parity = {_text(first.parity)}                 # DL/T 645 meters use even"
        yield 'protocol = "dlt645-2007"        # default for the meters on this bus\n'


def _tasks() -> Iterator[str]:
    yield "[[task]]                        # the load profile"
    yield 'name = "load"'
    yield 'every = "15m"                   # slots are aligned to the wall clock'
    yield 'items = ["energy_active_import", "voltage", "current", "power_active"]'
    yield 'meters = ["*"]                  # addresses, tags, or "*"\n'


def _mqtt(first: FirstSettings) -> Iterator[str]:
    if first.endpoint:
        yield "[mqtt]"
        yield f"endpoints = [{_text(first.endpoint)}]"
    else:
        yield "# Without this table readings are kept and nothing is sent."
        yield "# [mqtt]"
        yield '# endpoints = ["mqtts://broker.example:8883"]'
    yield '# ca = "ca.pem"'
    yield '# certificate = "gw.pem"         # mutual TLS: both or none'
    yield '# key = "gw.key"\n'


def _tail() -> Iterator[str]:
    yield "[centre]"
    yield 'key = "centre.pub"              # verifies receipts; given by the centre'


def _names() -> Iterator[str]:
    yield from ascii_uppercase
    number = 27
    while True:
        yield f"bus{number}"
        number += 1


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)
