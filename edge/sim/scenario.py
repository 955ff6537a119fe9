"""From a short description to meters on wires: so many meters, from this address on, with these faults.

Faults are texts "ADDRESS=FAULT" with `*` for all meters. A fault `duplicate` puts a second meter, with truths of its
own, behind the same address. Addresses count up over all buses; every third meter has one phase only.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from edge.bus.link import LineSettings
from edge.clock import Clock
from edge.protocols.dlt645.control import Version
from edge.sim.faults import DUPLICATE, Fault, UnknownFaultError, parse_fault
from edge.sim.meter import SimMeter
from edge.sim.wire import SimWire

_ADDRESS_DIGITS = 12
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
    """How a wire runs."""

    line: LineSettings
    fast: bool = False
    echo: bool = False
    seed: int = 1
    reply_delay_ms: int = 30
    utc_offset: timedelta = timedelta(hours=8)


def plan_meters(first: str, count: int, version: Version, faults: Sequence[str]) -> tuple[MeterSpec, ...]:
    """Return `count` meters from address `first` on. Raises UnknownFaultError for a fault that cannot be."""
    if len(first) != _ADDRESS_DIGITS or not first.isdecimal():
        raise UnknownFaultError(f'"{first}" is no address: write 12 digits')
    addresses = [f"{int(first) + n:0{_ADDRESS_DIGITS}d}" for n in range(count)]
    if addresses and len(addresses[-1]) > _ADDRESS_DIGITS:
        raise UnknownFaultError(f"{count} addresses from {first} on have more than 12 digits")
    by_address = _faults_by_address(faults, addresses)
    return tuple(
        MeterSpec(address, version, phases=1 if n % 3 == 2 else 3, faults=by_address[address])  # noqa: PLR2004
        for n, address in enumerate(addresses)
    )


def build_wire(meters: Sequence[MeterSpec], spec: WireSpec, clock: Clock) -> SimWire:
    """Return a wire with these meters, and the second ones of duplicate addresses."""
    built = [meter for each in meters for meter in _build(each, spec)]
    return SimWire(built, clock, line=spec.line, fast=spec.fast, echo=spec.echo)


def meter_seed(seed: int, address: str) -> int:
    """Return the seed of one meter of a scenario: whoever knows it can compute the meter's truths."""
    return seed * 1_000_000 + int(address) % 1_000_000


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
