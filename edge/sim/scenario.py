"""From a short description to meters on wires: so many meters, from this address on, with these faults.

Faults are texts "ADDRESS=FAULT" with `*` for all meters. A fault `duplicate` puts a second meter, with truths of its
own, behind the same address. Addresses count up over all buses, or are scattered over all twelve digits by a seed, or
stand in a list; every third meter has one phase only. Of mixed meters every other one is of 1997.
"""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Literal

from edge.bus.link import LineSettings
from edge.clock import Clock
from edge.protocols.dlt645.control import Version
from edge.sim.faults import DUPLICATE, Fault, UnknownFaultError, parse_fault
from edge.sim.meter import SimMeter
from edge.sim.second_master import SecondMaster
from edge.sim.wire import Adapter, SimWire

MIXED: Literal["mixed"] = "mixed"
PROTOCOLS: dict[str, Version | Literal["mixed"]] = {"dlt645-2007": "2007", "dlt645-1997": "1997", MIXED: MIXED}

_ADDRESS_DIGITS = 12
_READ_BYTES = 44  # of a request for one energy and its answer, four FEH each
_READ_PAUSES_S = 0.1  # what a read takes besides
_TWIN = 1_000_003  # apart from every other meter's seed


@dataclass(frozen=True, slots=True)
class MeterSpec:
    """One meter of a scenario."""

    address: str
    version: Version = "2007"
    phases: int = 3
    tariffs: int = 4
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WireSpec:
    """How a wire runs. `second_master_s`: another master reads the meters so often; None, there is none."""

    line: LineSettings
    fast: bool = False
    echo: bool = False
    latency_ms: float = 0.0
    loses_first: bool = False
    second_master_s: float | None = None
    seed: int = 1
    reply_delay_ms: int = 30
    utc_offset: timedelta = timedelta(hours=8)


def plan_meters(
    first: str, count: int, version: Version | Literal["mixed"], faults: Sequence[str], *, scatter: int | None = None
) -> tuple[MeterSpec, ...]:
    """Return `count` meters from address `first` on, or with addresses scattered by a seed.

    Raises UnknownFaultError for a fault or an address that cannot be.
    """
    if scatter is not None:
        addresses = [
            f"{n:0{_ADDRESS_DIGITS}d}" for n in Random(scatter).sample(range(1, 10**_ADDRESS_DIGITS - 1), count)
        ]
    else:
        addresses = _counted(first, count)
    return _specs([(address, _nth(version, n)) for n, address in enumerate(addresses)], faults)


def plan_listed(
    lines: Iterable[str], faults: Sequence[str], version: Version | Literal["mixed"]
) -> tuple[MeterSpec, ...]:
    """Return the meters of a CSV text: address, and optionally the protocol. Lines that begin with no digit are heads.

    Raises UnknownFaultError for a line that names no meter.
    """
    found: dict[str, Version] = {}
    for row in csv.reader(lines):
        cells = [cell.strip() for cell in row]
        if not cells or not cells[0][:1].isdecimal():
            continue
        address, protocol = _address(cells[0]), (cells[1] if len(cells) > 1 else "")
        known = PROTOCOLS.get(protocol) if protocol else version
        if known is None or address in found:
            raise UnknownFaultError(
                f'"{",".join(cells)}": a line is ADDRESS[,{"|".join(PROTOCOLS)}], each address once'
            )
        found[address] = _nth(known, len(found))
    return _specs(list(found.items()), faults)


def build_wire(meters: Sequence[MeterSpec], spec: WireSpec, clock: Clock) -> SimWire:
    """Return a wire with these meters, the second ones of duplicate addresses, and the second master, if any."""
    built = [meter for each in meters for meter in _build(each, spec)]
    adapter = Adapter(echo=spec.echo, latency_s=spec.latency_ms / 1000, loses_first=spec.loses_first)
    other = None if spec.second_master_s is None else _second_master(meters, spec.second_master_s, spec.line, clock)
    return SimWire(built, clock, line=spec.line, fast=spec.fast, adapter=adapter, second_master=other)


def meter_seed(seed: int, address: str) -> int:
    """Return the seed of one meter of a scenario: whoever knows it can compute the meter's truths."""
    return seed * 1_000_000 + int(address) % 1_000_000


def _counted(first: str, count: int) -> list[str]:
    addresses = [f"{int(_address(first)) + n:0{_ADDRESS_DIGITS}d}" for n in range(count)]
    if addresses and len(addresses[-1]) > _ADDRESS_DIGITS:
        raise UnknownFaultError(f"{count} addresses from {first} on have more than 12 digits")
    return addresses


def _address(text: str) -> str:
    if len(text) != _ADDRESS_DIGITS or not (text.isdecimal() and text.isascii()):
        raise UnknownFaultError(f'"{text}" is no address: write 12 digits')
    return text


def _nth(version: Version | Literal["mixed"], number: int) -> Version:
    """Return the version of the n-th meter."""
    if version != MIXED:
        return version
    return "1997" if number % 2 else "2007"


def _specs(meters: Sequence[tuple[str, Version]], faults: Sequence[str]) -> tuple[MeterSpec, ...]:
    by_address = _faults_by_address(faults, [address for address, _ in meters])
    return tuple(
        MeterSpec(address, version, phases=1 if n % 3 == 2 else 3, faults=by_address[address])  # noqa: PLR2004
        for n, (address, version) in enumerate(meters)
    )


def _second_master(meters: Sequence[MeterSpec], every_s: float, line: LineSettings, clock: Clock) -> SecondMaster:
    """Return a master that reads as many of the meters as its period has time for."""
    step_s = _READ_BYTES * line.byte_time_s + _READ_PAUSES_S
    read = [(meter.address, meter.version) for meter in meters][: int(every_s / step_s)]
    if not read:
        raise UnknownFaultError(f"a second master needs {step_s:.1f} s a meter at {line.baud} Bd")
    return SecondMaster(read, begin=clock.monotonic() + step_s, every_s=every_s, step_s=step_s)


def _build(spec: MeterSpec, wire: WireSpec) -> list[SimMeter]:
    own = tuple(fault for fault in spec.faults if fault.name != DUPLICATE)
    twins = [((*own, fault), _TWIN) for fault in spec.faults if fault.name == DUPLICATE]
    return [
        SimMeter(
            spec.address,
            spec.version,
            phases=spec.phases,
            tariffs=spec.tariffs,
            seed=meter_seed(wire.seed, spec.address) + apart,
            reply_delay_ms=wire.reply_delay_ms,
            utc_offset=wire.utc_offset,
            faults=faults,
        )
        for faults, apart in [(own, 0), *twins]
    ]


def _faults_by_address(texts: Sequence[str], addresses: Sequence[str]) -> dict[str, tuple[Fault, ...]]:
    found: dict[str, tuple[Fault, ...]] = dict.fromkeys(addresses, ())
    for text in texts:
        address, separator, fault = text.partition("=")
        if not separator:
            raise UnknownFaultError(f'"{text}": write ADDRESS=FAULT, or *=FAULT for all')
        if address != "*" and address not in found:
            raise UnknownFaultError(f'"{text}": no simulated meter has the address {address}')
        for each in addresses if address == "*" else [address]:
            found[each] += (parse_fault(fault),)
    return found
