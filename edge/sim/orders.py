"""The orders that a meter obeys or refuses, DL/T 645-2007 and 1997: everything that is no read.

A refusal names its reason by the bits of the error byte. What needs a password needs the programming key too, the relay
apart. A password of a lower level number may do what one of a higher number may. Whoever writes with a level of the
security module (98H, 99H) is refused: there is none here.
Source: DL/T 645-2007, functions 08H, 14H to 1BH; 1CH from two independent sources; 1DH, 03H, and of 1997 the answers of
0AH, 0FH and 10H, from recall.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from edge.protocols.dlt645.catalogue import catalogue
from edge.protocols.dlt645.control import ABNORMAL, RELAY_ORDERS, REPLY, SPEEDS, Version
from edge.protocols.dlt645.frame import decode_address
from edge.protocols.dlt645.items import decode_data
from edge.reading.outcome import Item
from edge.sim import events as log
from edge.sim.contents import Contents
from edge.sim.state import State
from edge.sim.traits import Traits

OTHER_ERROR, NO_DATA, NOT_AUTHORISED, NO_SPEED_CHANGE = 0x01, 0x02, 0x04, 0x08
WRITE, WRITE_ADDRESS = {"2007": 0x14, "1997": 0x04}, {"2007": 0x15, "1997": 0x0A}
TIME_SYNC, FREEZE = 0x08, 0x16

_SPEED, _PASSWORD, _CLEAR_DEMAND, _CLEAR_METER, _CLEAR_EVENTS, _RELAY, _OUTPUT = (
    0x17,
    0x18,
    0x19,
    0x1A,
    0x1B,
    0x1C,
    0x1D,
)
_SECURITY = 0x03
_PASSWORD_1997, _CLEAR_DEMAND_1997 = 0x0F, 0x10
_SERR_NOT_AUTHORISED = bytes((0x04, 0x00))
_SECURE_LEVEL = 0x98
_FOR_WRITING, _FOR_CLEARING = 4, 2
_TRIP, _PERMIT, _CLOSE, _ALARM_ON, _ALARM_OFF, _KEEP_ON, _KEEP_OFF = 0x1A, 0x1B, 0x1C, 0x2A, 0x2B, 0x3A, 0x3B
_RELAY_SIZE, _HEAD = 16, 8  # data bytes of 1CH; password and operator
_OUTPUTS = 3
_ALL_EVENTS = b"\xff" * 4
_LARGEST_SYNC = timedelta(minutes=5)
_DATE, _TIME, _DATE_TIME, _ADDRESS = "04000101", "04000102", "0400010C", "04000401"
_STAMP = "%y%m%d%H%M%S"

Answer = tuple[int, bytes] | None
"""Control byte and data; None for silence."""


class Orders:
    """What one meter does when it is told to."""

    def __init__(self, version: Version, *, state: State, traits: Traits, contents: Contents) -> None:
        self._version = version
        self._state = state
        self._traits = traits
        self._truth = contents.computed
        self._memory = contents.memory
        self._events = contents.events
        self._synchronised_on: object = None
        self._acts: dict[int, Callable[[int, bytes, datetime], Answer]] = {
            TIME_SYNC: self._synchronise,
            WRITE[version]: self._write,
            WRITE_ADDRESS[version]: self._write_address,
            **self._acts_of(version),
        }

    def obey(self, function: int, data: bytes, local: datetime) -> Answer:
        """Return the answer to an order given at an instant of the meter's local time."""
        return self._acts.get(function, self._unknown)(function, data, local)

    def _acts_of(self, version: Version) -> dict[int, Callable[[int, bytes, datetime], Answer]]:
        """Return the orders that one version alone has under these codes."""
        if version == "1997":
            return {_PASSWORD_1997: self._change_password, _CLEAR_DEMAND_1997: self._clear_demand}
        return {
            FREEZE: self._freeze,
            _SPEED: self._change_speed,
            _PASSWORD: self._change_password,
            _CLEAR_DEMAND: self._clear_demand,
            _CLEAR_METER: self._clear_meter,
            _CLEAR_EVENTS: self._clear_events,
            _RELAY: self._switch,
            _OUTPUT: self._set_output,
            _SECURITY: self._security,
        }

    def _unknown(self, function: int, _data: bytes, _local: datetime) -> Answer:
        """Refuse what the meter does not know; the change of speed of 1997 too, whose codes are not known."""
        return _refuse(function, OTHER_ERROR)

    # Clock, parameters, address.

    def _synchronise(self, _function: int, data: bytes, local: datetime) -> Answer:
        """Set the clock: at most five minutes, at most once a day; nothing is answered."""
        given = _instant(data)
        if given and abs(given - local) <= _LARGEST_SYNC and self._synchronised_on != given.date():
            self._state.clock_error += given - local
            self._synchronised_on = given.date()
        return None

    def _write(self, function: int, data: bytes, local: datetime) -> Answer:
        size, head = (4, 12) if self._version == "2007" else (2, 6)
        if not self._is_allowed(data[size : size + 4], _FOR_WRITING):
            return _refuse(function, NOT_AUTHORISED)
        di, operator = data[:size][::-1].hex().upper(), data[8:head][::-1].hex().upper()
        entry = catalogue(self._version).find(di)
        if entry is None or "w" not in entry.access:
            return _refuse(function, NO_DATA)
        try:
            items = decode_data(self._version, di, data[head:])
        except ValueError:
            return _refuse(function, OTHER_ERROR)
        if self._version == "2007" and di in {_DATE, _TIME, _DATE_TIME}:
            self._set_clock(items, operator, local)
        else:
            self._set(di, items, operator, local)
        return REPLY | function, b""

    def _set(self, di: str, items: tuple[Item, ...], operator: str, local: datetime) -> None:
        if di == _ADDRESS:
            self._state.address = str(items[0].value)
        self._state.written[di] = tuple(item.value for item in items)
        nothing = dict.fromkeys(f"identifier_{number}" for number in range(2, 11))
        self._events.note(log.PROGRAMMING, local, operator=operator, identifier_1=di, **nothing)

    def _set_clock(self, items: tuple[Item, ...], operator: str, local: datetime) -> None:
        date, time = f"{local:%y%m%d}", f"{local:%H%M%S}"
        for item in items:
            if item.identifier == _TIME or item.key.endswith("time"):
                time = str(item.value)
            elif not item.key.endswith("weekday"):
                date = str(item.value)
        after = datetime.strptime(date + time, _STAMP)  # noqa: DTZ007 - a meter's local time
        self._state.clock_error += after - local
        self._events.note(log.TIME_SETTING, local, operator=operator, before=f"{local:{_STAMP}}", after=date + time)

    def _write_address(self, function: int, data: bytes, _local: datetime) -> Answer:
        """Take a new address and answer with it; without the programming key, or the right length, nothing is said."""
        address = decode_address(data)
        if not self._state.is_key_pressed or len(data) != 6 or not address.isdecimal():  # noqa: PLR2004 - bytes of it
            return None
        self._state.address = address
        return REPLY | function, b"" if self._version == "2007" else data

    # Freeze, speed, password.

    def _freeze(self, function: int, data: bytes, local: datetime) -> Answer:
        order = data[::-1].hex()
        is_order = len(data) == 4 and order.isdecimal()  # noqa: PLR2004 - mm hh DD MM
        done = is_order and self._memory.freeze(order, local)
        return (REPLY | function, b"") if done else _refuse(function, OTHER_ERROR)

    def _change_speed(self, function: int, data: bytes, _local: datetime) -> Answer:
        """Confirm, and from then on talk at the new speed."""
        baud = SPEEDS.get(data[0]) if len(data) == 1 else None
        if baud is None or not self._traits.changes_speed:
            return _refuse(function, NO_SPEED_CHANGE)
        self._state.baud = baud
        return REPLY | function, data

    def _change_password(self, function: int, data: bytes, local: datetime) -> Answer:
        """Take a new password in the place of the one that is given: that level's own."""
        if self._version == "2007":
            di, data = data[:4][::-1].hex().upper(), data[4:]
        else:
            di = "C212"
        old, new = data[:4], data[4:]
        known = self._state.passwords
        if len(new) != 4 or old[0] != new[0] or not self._is_allowed(old, new[0]):  # noqa: PLR2004 - level and digits
            return _refuse(function, NOT_AUTHORISED)
        known[new[0]] = new[1:]
        nothing = dict.fromkeys(f"identifier_{number}" for number in range(2, 11))
        self._events.note(log.PROGRAMMING, local, operator="0" * 8, identifier_1=di.zfill(8), **nothing)
        return REPLY | function, new

    # Clears.

    def _clear_demand(self, function: int, data: bytes, local: datetime) -> Answer:
        if not self._is_allowed(data[:4], _FOR_WRITING):
            return _refuse(function, NOT_AUTHORISED)
        self._events.note(log.DEMAND_CLEAR, local, operator=_operator(data))
        self._truth.clear_demand(local)
        return REPLY | function, b""

    def _clear_meter(self, function: int, data: bytes, local: datetime) -> Answer:
        """Set energies, demands, records and events to nothing; that it was cleared stays known."""
        if not self._is_allowed(data[:4], _FOR_CLEARING):
            return _refuse(function, NOT_AUTHORISED)
        self._events.clear("", local)
        self._events.note(log.METER_CLEAR, local, operator=_operator(data))
        self._truth.clear(local)
        self._memory.clear(local)
        return REPLY | function, b""

    def _clear_events(self, function: int, data: bytes, local: datetime) -> Answer:
        """Clear all events (FF FF FF FF) or one group (FF DI1 DI2 DI3)."""
        which = data[_HEAD:]
        if not self._is_allowed(data[:4], _FOR_CLEARING):
            return _refuse(function, NOT_AUTHORISED)
        if len(which) != 4 or which[0] != 0xFF:  # noqa: PLR2004 - an identifier whose DI0 is FFH
            return _refuse(function, OTHER_ERROR)
        group = "" if which == _ALL_EVENTS else which[:0:-1].hex().upper()
        self._events.clear(group, local)
        cleared = None if which == _ALL_EVENTS else which[::-1].hex().upper()
        self._events.note(log.EVENT_CLEAR, local, operator=_operator(data), identifier=cleared)
        return REPLY | function, b""

    # Relay, output, security module.

    def _switch(self, function: int, data: bytes, local: datetime) -> Answer:
        """Trip, close, alarm, keep power; not past the order's limit, and under keep-power only its release."""
        state = self._state
        if not self._is_allowed(data[:4], _FOR_CLEARING, needs_key=False):
            return _refuse(function, NOT_AUTHORISED)
        limit = _instant(data[_HEAD + 2 :])
        order = data[_HEAD] if len(data) == _RELAY_SIZE else 0
        is_possible = order in RELAY_ORDERS and limit is not None and limit >= local
        if not is_possible or (state.keeps_power and order != _KEEP_OFF):
            return _refuse(function, OTHER_ERROR)
        self._turn(order, local)
        return REPLY | function, b""

    def _turn(self, order: int, local: datetime) -> None:
        state = self._state
        if order == _TRIP:
            state.is_relay_open = state.was_tripped = True
            state.may_close = False
            self._events.note(log.TRIP, local)
        elif order in {_PERMIT, _CLOSE}:
            state.was_tripped = False
            state.may_close = state.is_relay_open and order == _PERMIT
            state.is_relay_open = state.may_close
            if order == _CLOSE:
                self._events.note(log.CLOSE, local)
        state.is_alarm_on = order == _ALARM_ON or (state.is_alarm_on and order != _ALARM_OFF)
        state.keeps_power = order == _KEEP_ON or (state.keeps_power and order != _KEEP_OFF)

    def _set_output(self, function: int, data: bytes, _local: datetime) -> Answer:
        if len(data) != 1 or data[0] >= _OUTPUTS:
            return _refuse(function, OTHER_ERROR)
        self._state.output = data[0]
        return REPLY | function, data

    def _security(self, function: int, _data: bytes, _local: datetime) -> Answer:
        """Refuse: a security module's dialogue needs keys. The error has two bytes."""
        return REPLY | ABNORMAL | function, _SERR_NOT_AUTHORISED

    def _is_allowed(self, password: bytes, level: int, *, needs_key: bool = True) -> bool:
        """Return whether level and password are right, high enough, and the key is pressed where it is needed."""
        if len(password) != 4 or password[0] >= _SECURE_LEVEL or password[0] > level:  # noqa: PLR2004
            return False
        has_key = self._state.is_key_pressed or not needs_key
        return has_key and self._state.passwords.get(password[0]) == password[1:]


def _refuse(function: int, err: int) -> Answer:
    return REPLY | ABNORMAL | function, bytes((err,))


def _operator(data: bytes) -> str:
    """Return the operator code behind the password, C3 first; zeros where there is none (1997)."""
    return data[4:_HEAD][::-1].hex().upper().rjust(8, "0")


def _instant(data: bytes) -> datetime | None:
    """Return the instant of ss mm hh DD MM YY, None if it is none."""
    try:
        return datetime.strptime(data[::-1].hex(), _STAMP)  # noqa: DTZ007 - a meter's local time
    except ValueError:
        return None
