"""What `edge doctor` looks at of the site: service, folders, keys, certificates, ports, buses, store, broker."""

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from edge.app.daemon import STORE_FILE
from edge.bus.ports import Port, PortState, look_at_ports
from edge.cli.doctor_machine import Halves
from edge.clock import Clock, SystemClock
from edge.config.settings import Bus, Settings
from edge.errors import ControlError, EdgeError, ForwardError, IdentityError, StoreError
from edge.forward.telling import trouble_of_delivery
from edge.health.check import Check, found, not_known
from edge.identity.certificate import read_validity, trouble_of_pair, trouble_with
from edge.identity.files import find_file, rights_of_others

_REACH_S = 10.0
_LEAST_EXCHANGES, _LEAST_PERCENT = 20, 90
_SERVER = "://"
_NOT_FOUND, _NO_TCP = "E-FWD-101", ("E-FWD-102", "E-FWD-103", "E-FWD-104")


def look_at_site(settings: Settings, folder: Path, halves: Halves, *, is_offline: bool) -> Iterator[Check]:
    """Yield what the site shows. Time: some milliseconds, and at most 10 s for each broker of the settings."""
    clock = SystemClock()
    yield look_at_service(settings, halves)
    yield look_at_state_dir(settings.state_dir)
    yield look_at_keys(settings, folder)
    yield from look_at_certificates(settings, folder, clock)
    yield from look_at_bus_ports(settings, is_running=halves.get("poll") is not None)
    yield from look_at_buses(settings, halves.get("poll"))
    yield look_at_backlog(settings, halves.get("forward"), clock)
    if settings.mqtt is not None and not is_offline:
        yield look_at_brokers(settings, folder, clock)


def look_at_service(settings: Settings, halves: Halves) -> Check:
    """Look whether the daemon runs: both halves, in one process or two."""
    away = [name for name, document in halves.items() if document is None]
    if settings.mqtt is None and away == ["forward"]:
        away = []  # a site without a broker and keys polls alone
    error = ControlError("E-CTL-110", path=settings.state_dir, detail=", ".join(away)) if away else None
    return found("service_running", error, **{name: document is not None for name, document in halves.items()})


def look_at_state_dir(path: Path) -> Check:
    """Look whether the state directory is there, and closed to others."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return found("state_dir_sound", EdgeError("E-HLT-142", path=path))
    except OSError as exc:
        return not_known("state_dir_sound", path=str(path), detail=exc.strerror)
    if not stat.S_ISDIR(mode):
        return found("state_dir_sound", EdgeError("E-CLI-105", path=path, detail=f"{path} is no directory"))
    shown = f"{stat.S_IMODE(mode):04o}"
    error = EdgeError("E-HLT-141", path=path, mode=shown) if mode & stat.S_IRWXO else None
    return found("state_dir_sound", error, path=str(path), mode=shown)


def look_at_keys(settings: Settings, folder: Path) -> Check:
    """Look whether the private keys are there, and closed to everybody but their owner."""
    names = [settings.identity.batch_key, *([settings.mqtt.key] if settings.mqtt and settings.mqtt.key else [])]
    hidden, error = [], None
    for path in (find_file(folder / name) for name in names):
        try:
            mode = path.stat()
        except PermissionError:
            hidden.append(str(path))
            continue
        except OSError as exc:
            error = error or IdentityError("E-KEY-102", path=path, detail=exc.strerror)
            continue
        if rights_of_others(mode):
            error = error or IdentityError("E-KEY-103", path=path, mode=f"{stat.S_IMODE(mode.st_mode):04o}")
    if error is None and hidden:
        return not_known("keys_closed", hidden=hidden)
    return found("keys_closed", error, keys=len(names))


def look_at_certificates(settings: Settings, folder: Path, clock: Clock) -> Iterator[Check]:
    """Look at the dates of our certificate, and whether the key belongs to it."""
    mqtt = settings.mqtt
    if mqtt is None or mqtt.certificate is None or mqtt.key is None:
        return
    path, key = find_file(folder / mqtt.certificate), find_file(folder / mqtt.key)
    if not os.access(path.parent, os.X_OK) or (path.exists() and not os.access(path, os.R_OK)):
        yield not_known("certificate_valid", path=str(path))
        return
    error = trouble_with(path, clock.utc_now())
    facts: dict[str, Any] = {"path": str(path)}
    if error is None or error.code != "E-HLT-165":
        validity = read_validity(path)
        facts |= {"end": validity.end.isoformat(), "days_left": validity.days_left(clock.utc_now())}
    yield found("certificate_valid", error, **facts)
    if os.access(key, os.R_OK):
        yield found("certificate_fits", trouble_of_pair(path, key), key=str(key))
    else:
        yield not_known("certificate_fits", key=str(key))


def look_at_bus_ports(settings: Settings, *, is_running: bool) -> Iterator[Check]:
    """Look whether the ports of the settings are there and may be used; the running daemon may hold them."""
    asked = [bus.port for bus in settings.bus if _SERVER not in bus.port]
    ports = look_at_ports(asked) if asked else ()
    for bus in settings.bus:
        port = next((one for one in ports if bus.port in (one.device, *one.names)), None)
        if port is None:
            yield not_known(f"port {bus.name}", port=bus.port)
        else:
            error = _trouble_of_port(port, is_running=is_running)
            yield found(f"port {bus.name}", error, port=bus.port, state=port.state.value)


def _trouble_of_port(port: Port, *, is_running: bool) -> EdgeError | None:
    if port.state is PortState.GONE:
        return EdgeError("E-CLI-404", port=port.device)
    if is_running:
        return None  # whether it may be used, and by whom it is, the daemon knows better
    if port.state is PortState.USED:
        holders = ", ".join(f"{one.program} ({one.pid})" for one in port.holders)
        return EdgeError("E-CLI-401", port=port.device, holders=holders)
    if port.state is PortState.NO_PERMISSION:
        code = "E-CLI-402" if port.is_for_group and port.group != "root" else "E-CLI-403"
        return EdgeError(code, port=port.device, group=port.group)
    return None


def look_at_buses(settings: Settings, poll: Mapping[str, Any] | None) -> Iterator[Check]:
    """Look how many exchanges of each bus went well since the daemon's start; without it nobody knows."""
    counters = poll["health"]["counters"] if poll is not None else {}
    for bus in settings.bus:
        yield look_at_bus(bus, counters)


def look_at_bus(bus: Bus, counters: Mapping[str, int]) -> Check:
    """Look at one bus; a handful of exchanges says nothing."""
    start = f"exchanges.{bus.name}."
    counts = {name.removeprefix(start): count for name, count in counters.items() if name.startswith(start)}
    total, claim = sum(counts.values()), f"bus {bus.name} quality"
    if total < _LEAST_EXCHANGES:
        return not_known(claim, exchanges=total)
    percent = 100 * counts.get("ok", 0) // total
    bad = {verdict: count for verdict, count in counts.items() if verdict != "ok"}
    error: EdgeError | None = None
    if percent < _LEAST_PERCENT:
        worst = max(bad, key=lambda verdict: bad[verdict])
        error = EdgeError("E-HLT-171", bus=bus.name, percent=percent, count=total, worst=worst)
    return found(claim, error, exchanges=total, ok_percent=percent, **bad)


def look_at_backlog(settings: Settings, forward: Mapping[str, Any] | None, clock: Clock) -> Check:
    """Look how long the oldest reading has waited: by the daemon's word, or without one in the store itself."""
    from datetime import datetime

    from edge.store.database import look_at_database
    from edge.store.outbox import Outbox

    if forward is not None:
        oldest, batches = forward["oldest_unsent"], forward["unsent_batches"]
        at = datetime.fromisoformat(oldest) if oldest else None
    else:
        try:
            with look_at_database(settings.state_dir / STORE_FILE, max_mib=settings.store.max_mib) as database:
                counts = Outbox(database).counts()
        except StoreError as exc:
            return not_known("delivery_current", code=exc.code)
        at, batches = counts.oldest_unsent_at, counts.unsent
    error = trouble_of_delivery(at, batches, clock.utc_now()) if settings.mqtt is not None else None
    return found("delivery_current", error, oldest_unsent=at and at.isoformat(timespec="seconds"), batches=batches)


def look_at_brokers(settings: Settings, folder: Path, clock: Clock) -> Check:
    """Look whether one of the brokers answers, and which step fails first: name, TCP, TLS. Nothing is logged in."""
    mqtt = settings.mqtt
    steps, errors = {}, []
    for url in mqtt.endpoints if mqtt is not None else ():
        steps[url], error = _reach(settings, folder, url, clock)
        errors += [error] if error is not None else []
    return found("broker_reachable", errors[0] if len(errors) == len(steps) else None, **steps)


def _reach(settings: Settings, folder: Path, url: str, clock: Clock) -> tuple[dict[str, str], ForwardError | None]:
    from edge.mqtt.socket import connect_socket, load_tls, parse_url

    mqtt = settings.mqtt
    assert mqtt is not None  # noqa: S101 - a caller's broker
    endpoint = parse_url(url)
    files = [str(find_file(folder / name)) if name else None for name in (mqtt.ca, mqtt.certificate, mqtt.key)]
    try:
        tls = load_tls(*files) if endpoint.is_tls else None
    except ForwardError as exc:
        return {"files": "no"}, exc
    try:
        connect_socket(endpoint, tls, clock, clock.monotonic() + _REACH_S).close()
    except ForwardError as exc:
        return _steps(exc.code, is_tls=endpoint.is_tls), exc
    return _steps("", is_tls=endpoint.is_tls), None


def _steps(code: str, *, is_tls: bool) -> dict[str, str]:
    """Return which step of a connection went well: those before the one that failed."""
    if code == _NOT_FOUND:
        return {"name": "no"}
    if code in _NO_TCP or (code and not is_tls):
        return {"name": "yes", "tcp": "no"}
    return {"name": "yes", "tcp": "yes"} | ({"tls": "no" if code else "yes"} if is_tls else {})
