"""The gateway's settings as they are in `edge.toml`: one frozen table each, unknown keys refused.

Every field has its unit in its name and its reason in its description; the descriptions feed `edge config schema`
and the reference in `docs/settings.md`. Reading the file, and saying where in it a mistake stands, is `load.py`.
"""

import re
from pathlib import Path
from typing import Annotated, ClassVar, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from edge.config.fields import Field, Rules, WrongValueError
from edge.config.steps import Steps
from edge.config.table import table

NAME_PATTERN = r"^[A-Za-z0-9_-]{1,32}$"

Name = Annotated[str, Rules(pattern=NAME_PATTERN)]
Protocol = Literal["dlt645-2007", "dlt645-1997", "dlt645"]
Parity = Literal["even", "odd", "none"]

_DURATION = re.compile(r"([0-9]{1,6})(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_DAY_S = 86400
_BROKER = re.compile(r"mqtts?://(\[[0-9A-Fa-f:]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?")
_LOOPBACK = re.compile(r"(?:127\.0\.0\.1|localhost|\[::1\]):([0-9]{1,5})")
_LONGEST_SOCKET = 90  # unix(7) takes 107 bytes; a half of the daemon adds its name
_LAST_PORT = 65535
_SHORTEST_RESEND_S = 0.1


def parse_duration(text: str) -> float:
    """Return seconds of a text like "15m", "90s", "24h", "7d". Raises ValueError for anything else."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(f'"{text}" is no duration: write a number and ms, s, m, h or d, as in "15m"')
    return int(match[1]) * _SECONDS[match[2]]


def _check_duration(text: str) -> None:
    try:
        parse_duration(text)
    except ValueError:
        raise WrongValueError("E-CFG-044") from None


def _check_period(text: str) -> None:
    seconds = parse_duration(text)
    if not 1 <= seconds <= _DAY_S or seconds % 1 or _DAY_S % seconds:
        raise WrongValueError("E-CFG-045")


def _check_resend(text: str) -> None:
    if parse_duration(text) < _SHORTEST_RESEND_S:
        raise WrongValueError("E-CFG-015", limit="100ms")


def _check_time(text: str) -> None:
    if not re.fullmatch(r"([01][0-9]|2[0-3]):[0-5][0-9]", text):
        raise WrongValueError("E-CFG-046")


def _check_zone(name: str) -> None:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise WrongValueError("E-CFG-043") from None


def _check_listen(text: str) -> None:
    path = text.removeprefix("unix:")
    if path != text:
        if not path.startswith("/") or path.endswith("/") or len(path.encode()) > _LONGEST_SOCKET:
            raise WrongValueError("E-CFG-078")
        return
    match = _LOOPBACK.fullmatch(text)
    if match is None or not 0 < int(match[1]) <= _LAST_PORT:
        raise WrongValueError("E-CFG-078")


def _check_broker(url: str) -> None:
    match = _BROKER.fullmatch(url)
    if match is None or not 0 < int(match[2] or 1) <= _LAST_PORT:
        raise WrongValueError("E-CFG-047")


Duration = Annotated[str, Rules(check=_check_duration)]
TimeOfDay = Annotated[str, Rules(check=_check_time)]
Broker = Annotated[str, Rules(check=_check_broker)]


@table
class Gateway:
    """Who this gateway is."""

    id: Name = Field(description="name of this gateway at the centre, not c; never changes")
    tenant: Name = Field(description="name of the utility; part of every topic")
    timezone: str = Field("Asia/Shanghai", check=_check_zone, description="the meters keep this zone's time")
    state_dir: str = Field(
        "/var/lib/edge",
        min_length=1,
        description="readings, register and sockets; local disk",
        is_path=True,
    )
    clock: Literal["auto", "rtc", "synchronised"] = Field(
        "auto",
        description="auto: ask the kernel; else your word that this machine's clock is kept by other means",
    )


@table
class Identity:
    """Which key signs the batches."""

    batch_key: str = Field(
        "batch.key",
        min_length=1,
        description="Ed25519 private key, made by `edge keys new`; mode 0600",
        is_path=True,
    )


@table
class Bus:
    """One RS-485 bus."""

    name: Name = Field(description="short name, as it stands on the cabinet")
    port: str = Field(min_length=1, description="/dev/..., socket://host:port or rfc2217://host:port")
    baud: Literal[300, 600, 1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200] = Field(
        2400, description="bits per second"
    )
    parity: Parity = Field("even", description="DL/T 645 meters use even")
    gap_ms: int = Field(20, ge=0, le=5000, description="quiet on the wire before a request")
    reply_ms: int = Field(600, ge=50, le=60000, description="longest wait for an answer's first byte")
    tries: int = Field(2, ge=1, le=5, description="how often a meter is asked inside its slot")
    protocol: Protocol = Field(
        "dlt645-2007", description="default for the meters on this bus; dlt645: found out for each meter"
    )
    time_sync: bool = Field(
        default=False,
        description="give this gateway's time to the meters, at most once a day, where they are off by under 5 minutes",
    )


@table
class Monthly:
    """A day of each month at a local time."""

    day: int = Field(ge=1, le=28, description="day of the month; 28 is the last that every month has")
    at: TimeOfDay = Field(description='local time, as in "00:10"')


@table
class Task:
    """What is read, from whom, when. Exactly one of every, at, monthly."""

    name: Name = Field(description="name of the task; part of every slot")
    every: Duration | None = Field(
        None, check=_check_period, description='period, as in "15m"; slots are aligned to the wall clock'
    )
    at: TimeOfDay | None = Field(None, description='daily at a local time, as in "00:05"')
    monthly: Monthly | None = Field(None, description="monthly, as in { day = 1, at = '00:10' }")
    items: tuple[str, ...] = Field(
        min_length=1,
        description='quantity keys, groups, keys of [[item]], or "di:00010000"; at most 256 with the keys of groups',
    )
    meters: tuple[str, ...] = Field(("*",), min_length=1, description='addresses, tags, or "*"')
    priority: int = Field(1, ge=0, le=9, description="lower goes first when the bus is short of time")
    snapshot: bool = Field(
        default=False,
        description="all meters freeze at the slot's instant and are asked for what they froze; every at least 5m",
    )

    def check(self) -> None:
        """Raise WrongValueError unless there is exactly one schedule."""
        if sum(value is not None for value in (self.every, self.at, self.monthly)) != 1:
            raise WrongValueError("E-CFG-051")


@table
class Item:
    """A data item that the tables do not have: a vendor's identifier, and how its bytes are read."""

    key: str = Field(pattern=r"^[a-z][a-z0-9_]{0,47}$", description="name in tasks and readings; di: works as well")
    di: str = Field(
        pattern=r"^([0-9A-Fa-f]{8}|[0-9A-Fa-f]{4})$",
        description="identifier, high byte first; 8 hex digits for DL/T 645-2007, 4 for 1997",
    )
    format: str = Field(
        min_length=1,
        description='"XXX.X" decimal digits, "HEX:2", "ASCII:10", "ID:6", "RAW:4" bytes, "YYMMDDhhmm" a time',
    )
    unit: str = Field("", pattern=r"^[^\s\x00-\x1F]{0,8}$", description="unit of the value, as the meter sends it")
    signed: bool = Field(default=False, description="the number's top bit is its sign")
    name: str = Field("", description="what it is, for people")
    name_zh: str = Field("", description="the same in Chinese")
    replaces_standard: bool = Field(
        default=False, description="true where the meters mean something else than the standard"
    )


@table
class Mqtt:
    """The way to the broker."""

    endpoints: tuple[Broker, ...] = Field(min_length=1, description="mqtt(s)://host:port, tried in turn")
    ca: str | None = Field(
        None,
        min_length=1,
        description="PEM file of the CA that signed the broker's certificate",
        is_path=True,
    )
    certificate: str | None = Field(
        None, min_length=1, description="PEM file of this gateway's TLS certificate", is_path=True
    )
    key: str | None = Field(None, min_length=1, description="PEM file of its private key; mode 0600", is_path=True)
    username: str | None = Field(None, description="where the broker asks for one")
    password_file: str | None = Field(None, min_length=1, description="file with the password; mode 0600", is_path=True)
    window: int = Field(12, ge=1, le=64, description="batches under way without a receipt")
    resend: Duration = Field(
        "30s", check=_check_resend, description="a batch without a receipt is sent again after this, then slower"
    )
    backlog_per_minute: int = Field(
        300, ge=1, le=60_000, description="batches of the backlog that go in a minute, after a first window of them"
    )
    version: Literal["3.1.1", "5"] = Field("3.1.1", description="MQTT version")

    def check(self) -> None:
        """Raise WrongValueError if one of certificate and key is there without the other."""
        if (self.certificate is None) != (self.key is None):
            raise WrongValueError("E-CFG-050")


@table
class Batch:
    """When readings are sealed into a batch."""

    max_readings: int = Field(4096, ge=1, le=16384, description="an envelope is at most 64 KiB in any case")
    max_age: Duration = Field("15m", description="the oldest reading waits at most this long")


@table
class Store:
    """The store on this box."""

    max_mib: int = Field(512, ge=4, le=65536, description="bound of the store's file")
    shed_percent: int = Field(
        95,
        ge=50,
        le=99,
        description="above this part of the bound the oldest batches are reduced, then dropped, signed",
    )
    commit_polls: int = Field(
        16, ge=1, le=1000, description="polls per commit, of all buses together: fewer lose less, wear more"
    )
    commit_s: float = Field(5.0, ge=0, le=300, description="longest wait for a commit")
    open_slots: Duration = Field("7d", description="how long a missing slot may still be refilled")


@table
class Centre:
    """The other end."""

    key: str = Field("centre.pub", min_length=1, description="public key that verifies receipts", is_path=True)


@table
class Metrics:
    """Metrics for Prometheus: off without this table. Served on this machine only."""

    listen: str = Field(
        check=_check_listen,
        description='"unix:/var/lib/edge/metrics.sock", to which a half adds its name, or "127.0.0.1:9645"',
    )
    meters: bool = Field(default=True, description="false leaves out what has a sample for each meter")


@table
class Settings:
    """The whole of `edge.toml`. Relative paths are relative to the folder of that file."""

    STEPS: ClassVar[Steps] = {}

    schema: Literal[1] = Field(1, description="version of this layout")
    gateway: Gateway
    identity: Identity = Identity()  # type: ignore[call-arg]
    bus: tuple[Bus, ...] = Field(())
    task: tuple[Task, ...] = Field(())
    item: tuple[Item, ...] = Field(())
    mqtt: Mqtt | None = None
    batch: Batch = Batch()  # type: ignore[call-arg]
    store: Store = Store()  # type: ignore[call-arg]
    centre: Centre = Centre()  # type: ignore[call-arg]
    metrics: Metrics | None = None

    @property
    def state_dir(self) -> Path:
        """The state directory."""
        return Path(self.gateway.state_dir)
