"""The centre's folder: how it is made, how a gateway's key gets into it, and how a worker is built from it."""

import csv
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from edge.centre.carrying import Reception
from edge.centre.disk import make_path, write_path
from edge.centre.keyring import NAME, FolderKeyring
from edge.centre.ledger import Ledger
from edge.centre.opening import watch_of
from edge.centre.receipts import ReceiptDesk
from edge.centre.worker import OFFLINE, Broker, CentreWorker, Notice
from edge.clock import Clock
from edge.config.centre import FILE_NAME, TEMPLATE, CentreSettings
from edge.config.checks import CENTRE_ID
from edge.errors import ConfigError, IdentityError, UsageError, translating
from edge.identity.keys import load_signer, load_verifier, make_key, public_pem, save_public
from edge.messages.receipt import RUN_BYTES
from edge.messages.topics import centre_topic
from edge.mqtt.link import MqttLink, MqttOptions
from edge.mqtt.secrets import read_password

PUBLIC_NAME = "centre.pub"
KEY_NAME = "centre.key"

_ADDRESS_COLUMNS = ("address", "表地址", "表号", "通信地址", "地址")
_ADDRESS_DIGITS = 12


def make_folder(folder: Path, tenant: str) -> list[Path]:
    """Make centre.toml, the centre's key pair and the folder for the gateways' keys; return what was made.

    Raises UsageError E-CEN-101 if any of it exists, and then changes nothing.
    """
    made = [folder / name for name in (FILE_NAME, KEY_NAME, PUBLIC_NAME, "gateways")]
    for path in made:
        if path.exists():
            raise UsageError("E-CEN-101", path=path, folder=folder)
    if not NAME.fullmatch(tenant):
        raise UsageError("E-CEN-102", name=tenant)
    settings, key, public, gateways = made
    with translating({OSError: UsageError}, "E-CEN-106", path=folder):
        make_path(gateways)
        save_public(public, make_key(key))
        write_path(settings, TEMPLATE.format(tenant=tenant).encode())
    return made


def enrol_gateway(settings: CentreSettings, gateway: str, public: Path, *, replace: bool = False) -> bytes:
    """Take in the public key of a gateway and return its key id.

    Durable: the key is in place when this returns. Raises IdentityError: E-CEN-103 another key has the name,
    E-CEN-116 it is the centre's own key, E-CEN-117 another gateway has it.
    """
    if not NAME.fullmatch(gateway) or gateway == CENTRE_ID:
        raise UsageError("E-CEN-102", name=gateway)
    verifier = load_verifier(public)
    if verifier.kid == load_signer(Path(settings.centre.key)).kid:
        raise IdentityError("E-CEN-116", path=public)
    keys = FolderKeyring(Path(settings.centre.gateways))
    for other in keys.names():
        if other != gateway and keys.verifier_of(other, verifier.kid) is not None:
            raise IdentityError("E-CEN-117", path=public, gateway=gateway, other=other)
    place = keys.path_of(gateway)
    if place.exists() and keys.verifier_of(gateway, verifier.kid) is None and not replace:
        raise IdentityError("E-CEN-103", gateway=gateway)
    with translating({OSError: UsageError}, "E-CEN-106", path=place):
        make_path(place.parent)
        write_path(place, public_pem(verifier.public).encode("ascii"))
    return verifier.kid


def read_addresses(path: Path) -> Iterator[str]:
    """Yield the addresses of a meter list (CSV with a heading). Raises ConfigError E-CEN-104 at the first bad row."""
    with translating({OSError: ConfigError, ValueError: ConfigError}, "E-CEN-106", path=path):
        rows = list(csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines()))
    for number, row in enumerate(rows, start=2):
        column = next((name for name in _ADDRESS_COLUMNS if name in row), None)
        if column is None:
            raise ConfigError("E-CEN-104", path=path, line=1, detail="no column `address`")
        address = (row[column] or "").strip()
        if len(address) != _ADDRESS_DIGITS or not (address.isascii() and address.isdigit()):
            raise ConfigError("E-CEN-104", path=path, line=number, detail=f'"{address}" is no address of 12 digits')
        yield address
    if not rows:
        raise ConfigError("E-CEN-104", path=path, line=1, detail="it names no meter")


def build_worker(
    settings: CentreSettings,
    ledger: Ledger,
    clock: Clock,
    tell: Callable[[Notice], None],
    *,
    broker: str | None = None,
    link: Broker | None = None,
) -> CentreWorker:
    """Return the worker of a centre; each call is a new run. `broker` takes the place of the settings' endpoint."""
    facts = settings.centre
    return CentreWorker(
        link=link or MqttLink(mqtt_options(settings, broker), clock),
        ledger=ledger,
        keys=FolderKeyring(Path(facts.gateways)),
        desk=build_desk(settings, ledger),
        clock=clock,
        tenant=facts.tenant,
        tell=tell,
    )


def build_desk(settings: CentreSettings, ledger: Ledger) -> ReceiptDesk:
    """Return the desk that writes the receipts of a new run."""
    facts = settings.centre
    return ReceiptDesk(
        ledger=ledger,
        signer=load_signer(Path(facts.key)),
        run=os.urandom(RUN_BYTES),
        policy=facts.durable,
        watch=watch_of(settings, ledger),
    )


def build_reception(settings: CentreSettings, ledger: Ledger, clock: Clock) -> Reception:
    """Return what takes sticks in; each call is a new run."""
    keys, desk = FolderKeyring(Path(settings.centre.gateways)), build_desk(settings, ledger)
    return Reception(ledger, keys, desk, clock, settings.centre.tenant)


def mqtt_options(settings: CentreSettings, broker: str | None = None) -> MqttOptions:
    """Return how to reach the broker. The session outlives the connection: the broker keeps what comes meanwhile."""
    mqtt, tenant = settings.mqtt, settings.centre.tenant
    return MqttOptions(
        url=broker or mqtt.endpoint,
        client_id=f"edge-centre-{tenant}",
        clean_session=False,
        version=mqtt.version,
        ca=mqtt.ca,
        certificate=mqtt.certificate,
        key=mqtt.key,
        username=mqtt.username,
        password=read_password(mqtt.password_file),
        will=(centre_topic(tenant), OFFLINE, 1, True),
    )
