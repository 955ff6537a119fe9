"""What a simulated meter can be told: its address, speed, passwords, clock, parameters, relay."""

from dataclasses import dataclass, field
from datetime import timedelta

from edge.sim.truth import Values

_RELAY_OPEN, _KEY, _RELAY_COMMAND, _KEEPS_POWER = 1 << 4, 1 << 3, 1 << 6, 1 << 12
_OPERATION_WORD = "04000503"


@dataclass(slots=True, kw_only=True)
class State:
    """One meter's settings. `baud`: None until it was told one. `passwords`: three bytes by level, as on the wire."""

    address: str
    baud: int | None = None
    passwords: dict[int, bytes] = field(default_factory=dict)
    is_key_pressed: bool = False
    clock_error: timedelta = timedelta()
    written: dict[str, Values] = field(default_factory=dict)
    is_relay_open: bool = False
    was_tripped: bool = False
    may_close: bool = False
    keeps_power: bool = False
    is_alarm_on: bool = False
    output: int = 0

    def press_button(self) -> None:
        """Close the relay by hand, if that is permitted."""
        if self.may_close:
            self.is_relay_open = self.may_close = False

    def run_word(self, di: str, *, is_voltage_lost: bool) -> str:
        """Return a run status word 04000501..07 as hex text: the relay and key in word 3, phase A in word 4."""
        bits = 0
        if di == _OPERATION_WORD:
            bits |= _RELAY_OPEN * self.is_relay_open | _RELAY_COMMAND * self.was_tripped
            bits |= _KEY * self.is_key_pressed | _KEEPS_POWER * self.keeps_power
        elif di == "04000504":
            bits |= is_voltage_lost
        return f"{bits:04X}"
