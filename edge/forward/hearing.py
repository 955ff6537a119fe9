"""What is said of the centre and of the broker, from what comes from there: does it confirm, and is it the right one.

Rules:
1. The centre confirms by a receipt that is news and that was sent just now, or that covers a batch which this process
   has sent. The one that the broker retains may be older than all that.
2. A message that is refused is counted; the log has the first, the tenth, the hundredth of each reason. What no centre
   of ours would send is a condition, for an hour after the last.
3. A signed receipt of this moment tells the centre's time. No slot moves for it, but a clock that is minutes away from
   it is a condition, whoever calls it synchronised.
4. Connections that end again and again are a condition: somebody else may log in with this gateway's id.
"""

import logging
from collections import Counter, deque
from datetime import datetime

from edge.clock import Clock
from edge.errors import EdgeError, ForwardError, MessageError
from edge.forward.claims import Claims
from edge.health.model import Health

_HARMLESS = frozenset({"E-MSG-402", "E-MSG-403"})  # the broker brought an old receipt again
_REMEMBERED_S = 3600.0
_APART_S = 300.0
_TAKEN_OVER = "E-FWD-135"
_MOST_LOST = 5  # connections that stood, in so long:
_LOST_WITHIN_S = 1800.0

_LOG = logging.getLogger(__name__)


class Hearing:
    """What was heard since the start. Times in seconds of the monotonic clock."""

    def __init__(self, health: Health, claims: Claims, clock: Clock, receipt_s: float) -> None:
        self._health = health
        self._claims = claims
        self._clock = clock
        self._receipt_s = receipt_s
        self._silent_since_s: float | None = None
        self._refused: Counter[str] = Counter()
        self._refused_until_s: float | None = None
        self._lost: deque[float] = deque(maxlen=_MOST_LOST)
        self._suspect_until_s: float | None = None

    def note_sent(self, now_s: float) -> None:
        """Note that a batch was sent: from now on a receipt is waited for."""
        self._silent_since_s = now_s if self._silent_since_s is None else self._silent_since_s

    def note_lost(self, reason: EdgeError, now_s: float, *, has_stood: bool) -> None:
        """Note that the connection is gone, or was not made."""
        self.forget_silence()
        if has_stood:
            self._lost.append(now_s)
        often = len(self._lost) == _MOST_LOST and now_s - self._lost[0] <= _LOST_WITHIN_S
        if reason.code == _TAKEN_OVER or (has_stood and often):
            self._suspect_until_s = now_s + _LOST_WITHIN_S
            self._claims.settle("id_is_ours", ForwardError("E-FWD-217", minutes=round(_LOST_WITHIN_S / 60)))

    def forget_silence(self) -> None:
        """Note that there is no connection: the centre is not to blame for its silence."""
        self._silent_since_s = None

    def note_receipt(self, issued_at: datetime, *, is_live: bool, is_confirming: bool, is_waiting: bool) -> None:
        """Note a receipt that was applied. `is_live`: it came as it was sent; `is_waiting`: batches are under way."""
        self._health.count("receipts")
        if is_confirming:
            self._health.seen("receipt")
            self._claims.settle("centre_confirms", None, "the centre confirms")
            self._silent_since_s = self._clock.monotonic() if is_waiting else None
        self._compare(issued_at, is_live=is_live)

    def note_refused(self, exc: MessageError) -> None:
        """Note a message on the topic of receipts that is not believed."""
        self._health.count("receipts_refused")
        self._health.count(f"receipts_refused_{exc.code}")
        self._refused[exc.code] += 1
        count = self._refused[exc.code]
        if str(count).strip("0") == "1":
            _LOG.warning("receipt refused, %d so far for this reason: %s", count, exc)
        if exc.code not in _HARMLESS:
            bad = sum(number for code, number in self._refused.items() if code not in _HARMLESS)
            self._claims.settle(
                "receipts_sound", ForwardError("E-FWD-218", count=bad, detail=f"[{exc.code}] {exc.fact()}")
            )
            self._refused_until_s = self._clock.monotonic() + _REMEMBERED_S

    def watch(self, now_s: float, waiting: int) -> None:
        """Say that the centre is silent, and let go of what is over."""
        since_s = self._silent_since_s
        if since_s is not None and now_s - since_s >= self._receipt_s:
            silent = ForwardError("E-FWD-205", seconds=round(now_s - since_s), count=waiting)
            self._claims.settle("centre_confirms", silent)
        if self._refused_until_s is None or now_s >= self._refused_until_s:
            self._claims.settle("receipts_sound", None)
        if self._suspect_until_s is None or now_s >= self._suspect_until_s:
            self._claims.settle("id_is_ours", None)

    def _compare(self, issued_at: datetime, *, is_live: bool) -> None:
        """Compare the clocks. A receipt that was retained is as old as it likes, but never of the future."""
        ahead_s = (self._clock.utc_now() - issued_at).total_seconds()
        if is_live:
            self._health.measure("clock_offset_s", round(ahead_s, 3))
        if not self._clock.trust().is_good:
            return
        if ahead_s < -_APART_S or (is_live and ahead_s > _APART_S):
            self._claims.settle("clock_agrees", ForwardError("E-FWD-219", seconds=f"{round(ahead_s):+d}"))
        elif is_live:
            self._claims.settle("clock_agrees", None)
