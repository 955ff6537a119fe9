"""What a simulated customer draws: a load curve that follows from the seed alone, and the energy it adds up to.

All whole numbers (watts, watt-seconds, hundredths of kWh), so that anybody who knows the seed and the instant knows
the meter's digits. Instants are the meter's local time without a zone, as meters keep it.
"""

from datetime import datetime, timedelta
from functools import cached_property
from random import Random

ORIGIN = datetime(2026, 1, 1)  # noqa: DTZ001 - a meter's local time; the curve begins here
_HOUR_S = 3600
_DAY_S = 24 * _HOUR_S
_WS_PER_HUNDREDTH = 36_000  # 0.01 kWh
_ROLL = 10**8  # a register of eight digits
# Tariff of each hour: 1 sharp, 2 peak, 3 flat, 4 valley.
_TARIFF_OF_HOUR = (4, 4, 4, 4, 4, 4, 4, 3, 2, 2, 2, 3, 3, 3, 3, 3, 3, 2, 2, 1, 1, 2, 3, 4)
# How a day usually goes, in percent of the peak.
_SHAPE = (22, 18, 16, 15, 15, 18, 30, 48, 55, 52, 50, 56, 62, 55, 48, 46, 52, 68, 85, 100, 96, 80, 55, 34)


class Load:
    """One customer's load with `tariffs` tariffs."""

    def __init__(self, seed: int, *, tariffs: int = 4, peak_w: int = 9000) -> None:
        self.tariffs = tariffs
        self._seed = seed
        self._peak_w = peak_w

    def power_w(self, local: datetime) -> int:
        """Return the active power of this hour, in watts."""
        return self._watts[local.hour]

    def energy(self, local: datetime) -> tuple[int, ...]:
        """Return the forward energy of each tariff, lowest first, in hundredths of kWh; whole, never falling."""
        seconds = max(0, int((local - ORIGIN).total_seconds()))
        days, rest = divmod(seconds, _DAY_S)
        hour, over = divmod(rest, _HOUR_S)
        drawn = [days * whole for whole in self._day_ws]
        for past in range(hour):
            drawn[self._tariff_of(past)] += self._watts[past] * _HOUR_S
        drawn[self._tariff_of(hour)] += self._watts[hour] * over
        return tuple(
            (at_start + ws // _WS_PER_HUNDREDTH) % _ROLL for at_start, ws in zip(self._start, drawn, strict=True)
        )

    def peak(self, tariff: int) -> tuple[int, int]:
        """Return the highest power in watts and its hour; `tariff` 0 looks at all hours, a tariff only at its own."""
        hours = [hour for hour in range(24) if tariff in (0, self._tariff_of(hour) + 1)]
        hour = max(hours, key=lambda each: self._watts[each], default=0)
        return (self._watts[hour], hour) if hours else (0, 0)

    def wobble(self, name: str, local: datetime, span: int) -> int:
        """Return a number from -span to +span that changes every ten seconds, for what is never steady."""
        window = int((local - ORIGIN) / timedelta(seconds=10))
        return Random(f"{self._seed}/{name}/{window}").randint(-span, span)

    def _tariff_of(self, hour: int) -> int:
        return (_TARIFF_OF_HOUR[hour] - 1) % self.tariffs

    @cached_property
    def _watts(self) -> tuple[int, ...]:
        random = Random(f"{self._seed}/load")
        peak = random.randint(self._peak_w * 4 // 10, self._peak_w)
        return tuple(peak * share * random.randint(85, 115) // 10_000 for share in _SHAPE)

    @cached_property
    def _start(self) -> tuple[int, ...]:
        random = Random(f"{self._seed}/start")
        return tuple(random.randint(1_000, 5_000_000) for _ in range(self.tariffs))

    @cached_property
    def _day_ws(self) -> tuple[int, ...]:
        whole = [0] * self.tariffs
        for hour, watts in enumerate(self._watts):
            whole[self._tariff_of(hour)] += watts * _HOUR_S
        return tuple(whole)
