"""What forwarding is told: from `edge.toml` to one frozen value, and to the options of a connection."""

from dataclasses import dataclass, replace
from pathlib import Path

from edge.config.settings import Mqtt, Settings, parse_duration
from edge.errors import ForwardError
from edge.identity.files import find_file
from edge.mqtt.link import MqttOptions
from edge.mqtt.secrets import read_password

_READING_BYTES = 16  # what a waiting reading takes in the store, generously


@dataclass(frozen=True, slots=True, kw_only=True)
class SealRules:
    """When readings are sealed into a batch.

    `quiet_s`: so long after the last news a round counts as complete; longer than the poller's pause between commits.
    `patience_s`: so long sealing waits for a trusted clock; `held_readings`: so many readings may wait for it.
    """

    max_readings: int = 4096
    max_age_s: float = 900.0
    quiet_s: float = 3.0
    patience_s: float = 86400.0
    held_readings: int = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardSettings:
    """Who sends, where to, and how patiently. Times in seconds of the monotonic clock.

    Without `endpoints` nothing is sent: batches are sealed, and given up where there is no room, and wait for a stick.
    """

    gateway: str
    tenant: str
    version: str
    endpoints: tuple[str, ...]
    seal: SealRules = SealRules()
    window: int = 12
    shed_percent: int = 95  # above this part of the store's bound batches give way to smaller ones
    resend_s: float = 30.0
    max_resend_s: float = 600.0
    backlog_per_minute: float = 60_000.0  # batches; as good as unbounded
    retry_s: float = 1.0
    max_retry_s: float = 300.0
    look_s: float = 0.5  # how often the store is asked for news
    answer_s: float = 30.0  # the broker's time to answer a subscription
    receipt_s: float = 120.0  # after so long without a receipt the centre counts as silent
    dispute_s: float = 600.0  # pause between two receipts of another chain that are believed
    birth_s: float = 300.0  # so often the birth is told again: how this gateway is changes while its chain stands
    steady_s: float = 60.0  # a connection that lasted so long ends the growing of pauses


def forward_settings(settings: Settings, version: str) -> ForwardSettings:
    """Return what the settings file says about forwarding; without a broker in it there are no endpoints."""
    site = ForwardSettings(
        gateway=settings.gateway.id,
        tenant=settings.gateway.tenant,
        version=version,
        endpoints=(),
        seal=seal_rules(settings),
        shed_percent=settings.store.shed_percent,
    )
    mqtt = settings.mqtt
    if mqtt is None:
        return site
    resend_s = parse_duration(mqtt.resend)
    return replace(
        site,
        endpoints=mqtt.endpoints,
        window=mqtt.window,
        resend_s=resend_s,
        max_resend_s=max(resend_s, 20 * resend_s),
        backlog_per_minute=mqtt.backlog_per_minute,
    )


def seal_rules(settings: Settings) -> SealRules:
    """Return when readings are sealed; a site without a broker seals too."""
    return SealRules(
        max_readings=settings.batch.max_readings,
        max_age_s=parse_duration(settings.batch.max_age),
        quiet_s=settings.store.commit_s + 2,
        held_readings=settings.store.max_mib * 1024 * 1024 // (2 * _READING_BYTES),
    )


def link_options(
    settings: Settings, folder: Path, url: str, will: tuple[str, bytes, int, bool], handed: Path | None = None
) -> MqttOptions:
    """Return the options of a connection to one endpoint; file names are relative to `folder`.

    `handed`: the folder of what the service manager handed over.

    The session is clean: what is under way is in our store, never in the broker's. Raises ForwardError if the
    password file cannot be read or is open to other users.
    """
    mqtt = _mqtt_of(settings)

    def file(name: str | None) -> str | None:
        return None if name is None else str(find_file(folder / name, handed))

    return MqttOptions(
        url=url,
        client_id=f"{settings.gateway.tenant}.{settings.gateway.id}",
        clean_session=True,
        version=mqtt.version,
        ca=file(mqtt.ca),
        certificate=file(mqtt.certificate),
        key=file(mqtt.key),
        username=mqtt.username,
        password=read_password(file(mqtt.password_file)),
        will=will,
    )


def _mqtt_of(settings: Settings) -> Mqtt:
    if settings.mqtt is None:
        raise ForwardError("E-FWD-109")
    return settings.mqtt
