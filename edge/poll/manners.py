"""How a meter wants to be talked to, found out by careful trials: wake bytes, quiet before a request, patience. Pure.

Rules:
1. Everything starts as the standard and the settings say. A shorter way is tried only on a meter that has just
   answered, one thing at a time, and kept after `_PROOFS` answers in a row.
2. Whatever goes unanswered is asked again the long way. If that is answered, the short way is to blame. Two such
   strikes end a trial, or restore the long way where a short one was proven; it is tried again after thousands of
   answers. An answer lost by chance now and then is no strike against a way that is answered otherwise.
3. The first request of a poll may meet a meter that has fallen asleep, so its wake bytes are proven apart.
4. The deadline follows the slowest of at least `_ANSWERS` answers, with room; before that it is the bus's. A second
   try always waits as long as the bus says, so a late answer cannot reach the next meter's question.
"""

from dataclasses import dataclass, replace

from edge.poll.learned import Learned

_PROOFS = 3
_STRIKES = 2
_FORGIVEN_AFTER = 50  # answers the short way
_AGAIN_AFTER = 2000  # answers
_ANSWERS = 30
_WARM_UP = 2  # answers in this run before anything is tried
_ROOM_S = 0.06
_LEAST_REPLY_S = 0.12
_RESPONSE_STEP_MS = 20
_WAYS = ("wake_first", "wake_next", "quiet_ms")
_PROVEN = "proven"


@dataclass(frozen=True, slots=True, kw_only=True)
class LongWay:
    """The way that always works: what the settings and the standard say.

    `set_ms`: the quiet that the settings ask for; where that is less than the standard's, `quiet_ms` is the way back.
    """

    wake: int = 4
    quiet_ms: int = 20
    set_ms: int = 20
    reply_s: float = 0.6


@dataclass(frozen=True, slots=True, kw_only=True)
class Approach:
    """How one request is made. `trying`: what is shorter than proven ("" if nothing is)."""

    wake: int
    quiet_s: float
    reply_s: float
    trying: str = ""


@dataclass(slots=True)
class _Trial:
    """A shorter way under trial, or proven and in use. `rests`: answers until it may be tried again."""

    proofs: int = 0
    strikes: int = 0
    since_strike: int = 0
    rests: int = 0

    def strike(self) -> bool:
        """Note a strike; return True if it is one too many."""
        self.proofs = self.since_strike = 0
        self.strikes += 1
        if self.strikes < _STRIKES:
            return False
        self.strikes, self.rests = 0, _AGAIN_AFTER
        return True

    def answered(self) -> None:
        """Note an answer the short way: old strikes are forgiven after a while."""
        self.since_strike += 1
        if self.since_strike >= _FORGIVEN_AFTER:
            self.strikes = 0


class Manners:
    """The manners of one meter in this run; `learned` is what is worth remembering."""

    def __init__(self, learned: Learned, long_way: LongWay) -> None:
        self.learned = learned
        self._long = long_way
        self._warm = 0
        self._trials: dict[str, _Trial] = {}
        self._blamed = ""
        for name in ("wake_first", "wake_next"):
            if getattr(learned, name):  # it needed them in an earlier run
                self._trial(name).rests = _AGAIN_AFTER

    def approach(self, *, is_first: bool, is_retry: bool) -> Approach:
        """Return how to make the next request."""
        if is_retry:
            return Approach(wake=self._long.wake, quiet_s=self._long.quiet_ms / 1000, reply_s=self._long.reply_s)
        wake_name = "wake_first" if is_first else "wake_next"
        known: int | None = getattr(self.learned, wake_name)
        wake = self._long.wake if known is None else min(known, self._long.wake)
        quiet = self._quiet_ms
        trying = ""
        if self._warm >= _WARM_UP:
            if wake and not self._trial(wake_name).rests:
                wake, trying = 0, wake_name
            elif quiet and not is_first and not self._trial("quiet_ms").rests:
                quiet, trying = quiet // 2, "quiet_ms"
        return Approach(wake=wake, quiet_s=quiet / 1000, reply_s=self._reply_s, trying=trying)

    def answered(self, approach: Approach, response_ms: int | None) -> None:
        """Note that a request was answered (a refusal is an answer)."""
        self._warm += 1
        for trial in self._trials.values():
            trial.rests = max(0, trial.rests - 1)
        if self._blamed:
            self._strike(self._blamed)
            self._blamed = ""
        elif approach.trying:
            self._prove(approach)
        elif self._is_short(approach):
            self._trial(_PROVEN).answered()
        if response_ms is not None:
            self._measure(response_ms)

    def unanswered(self, approach: Approach) -> None:
        """Note that a request brought no sound answer. If the long way brings one, the short way was to blame."""
        if approach.trying:
            self._blamed = approach.trying
        elif self._is_short(approach):
            self._blamed = _PROVEN

    def _is_short(self, approach: Approach) -> bool:
        return approach.quiet_s * 1000 < self._long.quiet_ms or approach.wake < self._long.wake

    def gave_up(self) -> None:
        """Note that the meter was not reached the long way either: nobody is to blame."""
        self._blamed = ""
        self._warm = 0

    @property
    def _quiet_ms(self) -> int:
        known = self.learned.quiet_ms
        return self._long.set_ms if known is None else min(known, self._long.quiet_ms)

    @property
    def _reply_s(self) -> float:
        slowest = self.learned.slowest_ms
        if slowest is None or self.learned.answers < _ANSWERS:
            return self._long.reply_s
        return min(self._long.reply_s, max(_LEAST_REPLY_S, 1.5 * slowest / 1000 + _ROOM_S))

    def _trial(self, name: str) -> _Trial:
        return self._trials.setdefault(name, _Trial())

    def _prove(self, approach: Approach) -> None:
        trial = self._trial(approach.trying)
        trial.proofs += 1
        if trial.proofs < _PROOFS:
            return
        trial.proofs = 0
        if approach.trying == "quiet_ms":
            self.learned = replace(self.learned, quiet_ms=round(approach.quiet_s * 1000))
        else:
            self._remember_wake(approach.trying, 0)

    def _strike(self, name: str) -> None:
        """End a trial that failed, or restore the long way: after the second strike."""
        if not self._trial(name).strike():
            return
        if name == _PROVEN:
            self.learned = replace(
                self.learned, wake_first=self._long.wake, wake_next=self._long.wake, quiet_ms=self._long.quiet_ms
            )
            for each in _WAYS:
                self._trial(each).rests = _AGAIN_AFTER
        elif name != "quiet_ms":
            self._remember_wake(name, self._long.wake)

    def _remember_wake(self, name: str, wake: int) -> None:
        if name == "wake_first":
            self.learned = replace(self.learned, wake_first=wake)
        else:
            self.learned = replace(self.learned, wake_next=wake)

    def _measure(self, response_ms: int) -> None:
        slowest = self.learned.slowest_ms or 0
        steps = -(-response_ms // _RESPONSE_STEP_MS) * _RESPONSE_STEP_MS
        answers = min(_ANSWERS, self.learned.answers + 1)
        if steps > slowest or answers != self.learned.answers:
            self.learned = replace(self.learned, slowest_ms=max(slowest, steps), answers=answers)
