"""Why a bus does not work: checks in a fixed order, each pass, fail or not known, and one cause at the end.

1. Listen without asking: is the port there, is the line quiet, does somebody else ask?
2. One probe for each known meter, in the order of the list (without any: everybody at once); where its year of the
   standard is not known, one in each until it gives a value. The first silent ones are listened for a while longer:
   an answer after the deadline is late, not silence.
   The daemon has counted in which hours of the last day answers were damaged: interference keeps its hours.
3. A damaged meter is looked at again: two with one address, or one with a bad wire?
4. Ten reads of one meter that answers: how many are damaged, how far do the response times spread?
5. Only where nobody is understood: other speeds, parities, protocols.
The course is a generator of exchanges that gets each outcome back, so that it reads like the list above.
"""

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from edge.errors import EdgeError
from edge.poll.damage_hours import HourOfAnswers, worst_hour
from edge.poll.detect import Combination, DetectRun
from edge.poll.findings import ANSWERED, DAMAGED, Check, Findings, Mark, Repeats, Seen, conclude
from edge.poll.jobs import Asker, Way
from edge.poll.plan import years_to_ask
from edge.poll.probe import End, Probe
from edge.poll.scan import scan_timing
from edge.poll.scan_state import Candidate
from edge.protocols.dlt645.addresses import ANY
from edge.protocols.dlt645.control import Version
from edge.protocols.dlt645.listen import ListenExchange
from edge.protocols.dlt645.wildcard import addresses_in, overlap_in, who_has
from edge.protocols.drivers import driver
from edge.protocols.exchange import Exchange
from edge.reading.outcome import Outcome
from edge.reading.verdict import Verdict

_LISTEN_S = 2.0
_LATE_S = 1.5
_LISTENED_FOR = 3  # so many silent meters
_REPEATS = 10
_TROUBLED = 5  # so many damaged meters are looked at again

Question = tuple[Exchange, str]  # and the meter that it is meant for: some are raised to another speed
Course = Generator[Question, Outcome, None]


@dataclass(slots=True)
class _Kept:
    """The way of the search for other settings: its end is kept, the rest is not told."""

    is_closed: bool = False
    last: Mapping[str, object] = field(default_factory=dict)
    error: EdgeError | None = None

    def put(self, document: Mapping[str, object]) -> None:
        """Tell nobody."""

    def end(self, document: Mapping[str, object] | None = None) -> None:
        """Keep the end."""
        self.last = document or {}

    def fail(self, error: EdgeError) -> None:
        """Keep the error."""
        self.error = error


@dataclass(slots=True)
class DiagnoseRun:
    """A diagnosis. `meters`: the known ones in the order of the list; `current`: how the bus is set.

    `hours`: what the daemon counted of the last day, None without one.
    """

    way: Way
    current: Combination
    meters: tuple[Candidate, ...] = ()
    reply_ms: int = 600
    port: str = ""
    hours: tuple[HourOfAnswers, ...] | None = None
    checks: list[Check] = field(default_factory=list)
    seen: Findings = field(default_factory=Findings)
    _course: Course | None = None
    _outcome: Outcome | None = None
    _search: DetectRun | None = None
    _found: _Kept = field(default_factory=_Kept)

    def step(self, worker: Asker) -> bool:
        """Do one exchange; False when done."""
        if self.way.is_closed:
            return False
        if self._search is not None:
            return self._search.step(worker) or self._end_search()
        try:
            exchange, meter = self._next()
            self._outcome = worker.exchange(exchange, worker.line_of(meter))
        except StopIteration:
            return self._end_course()
        except EdgeError as exc:
            return self._end_by_port(exc)
        if self._outcome.verdict is Verdict.PORT_GONE:
            return self._end_by_port(EdgeError("E-BUS-210", meter=self.port))
        return True

    def _next(self) -> Question:
        if self._course is None or self._outcome is None:
            self._course = self._steps()
            return next(self._course)
        return self._course.send(self._outcome)

    def _end_course(self) -> bool:
        """Search for other settings if nobody was understood, else end."""
        if self.seen.is_understood:
            self._tell(Check("settings", Mark.PASS, {"at": str(self.current)}))
            return self._end()
        self._search = DetectRun.over(self._found, current=self.current, reply_ms=self.reply_ms, port=self.port)
        return True

    def _end_search(self) -> bool:
        if self._found.error is not None:
            return self._end_by_port(self._found.error)
        last = self.seen.detected = self._found.last
        found = last.get("found")
        if isinstance(found, dict) and not self.meters:
            address = str(last.get("address") or ANY)
            self.seen.meters.append(Seen(Candidate(address, protocol=found["protocol"]), Verdict.OK))
        is_other = bool(found) and last.get("condition") is not None
        mark = Mark.FAIL if is_other else Mark.PASS if found else Mark.UNKNOWN
        self._tell(Check("settings", mark, {"at": str(self.current), "found": found}))
        return self._end()

    def _end_by_port(self, error: EdgeError) -> bool:
        """End where the port went away: whoever was not asked yet has that for a reason."""
        self.seen.port_error = error.code, error.values
        asked = {one.meter for one in self.seen.meters}
        self.seen.meters += [Seen(meter, Verdict.PORT_GONE) for meter in self.meters if meter not in asked]
        self._tell(Check("port", Mark.FAIL, {"port": self.port}))
        return self._end()

    def _end(self) -> bool:
        self.way.end(diagnose_document(self.checks, self.seen))
        return False

    def _tell(self, check: Check) -> None:
        self.checks.append(check)
        self.way.put({"result": check.document()})

    def _steps(self) -> Course:
        yield from self._listen()
        yield from self._ask_each()
        yield from self._look_again()
        yield from self._repeat()

    # 1.

    def _listen(self) -> Course:
        heard = yield ListenExchange(_LISTEN_S), ANY
        self._tell(Check("port", Mark.PASS, {"port": self.port}))
        self.seen.foreign = heard.verdict is Verdict.FOREIGN_MASTER
        is_noisy = heard.verdict is Verdict.GARBAGE
        self.seen.noise_bytes = len(heard.raw) if is_noisy else 0
        values = {"bytes": self.seen.noise_bytes, "seconds": _LISTEN_S}
        self._tell(Check("quiet", Mark.FAIL if is_noisy else Mark.PASS, values))

    # 2.

    def _ask_each(self) -> Course:
        silent: set[str] = set()
        for number, listed in enumerate(self.meters or (Candidate(ANY, protocol=self.current.protocol),)):
            self.way.put({"progress": {"meter": listed.pattern, "left": max(0, len(self.meters) - number - 1)}})
            meter, outcome = yield from self._ask_by_year(listed, frozenset(silent))
            verdict = outcome.verdict
            if verdict is Verdict.SILENCE and self.meters and len(silent) < _LISTENED_FOR:
                heard = yield ListenExchange(_LATE_S), meter.pattern
                verdict = Verdict.LATE if meter.pattern in addresses_in(heard.raw) else verdict
            if verdict is Verdict.SILENCE:
                silent.add(meter.pattern)
            self._keep(meter, outcome, verdict)
        self._tell_answers()

    def _ask_by_year(
        self, listed: Candidate, late_from: frozenset[str]
    ) -> Generator[Question, Outcome, tuple[Candidate, Outcome]]:
        """Return a meter with the year in which it answered, and what came back; else the first that was heard."""
        seen: list[tuple[Candidate, Outcome]] = []
        for name in years_to_ask(listed.protocol):
            meter = replace(listed, protocol=name)
            exchange = self._probe(meter, late_from)
            sent = exchange.request().lstrip(b"\xfe")
            outcome = yield exchange, meter.pattern
            self.seen.has_echo |= sent in outcome.raw
            seen.append((meter, outcome))
            if outcome.verdict is Verdict.OK:
                return meter, outcome
        return next((one for one in seen if one[1].verdict is not Verdict.SILENCE), seen[0])

    def _probe(self, meter: Candidate, late_from: frozenset[str]) -> Exchange:
        if meter.pattern == ANY:
            return driver(meter.protocol).find(ANY, scan_timing(self.reply_ms))
        return who_has(_version(meter), meter.pattern, scan_timing(self.reply_ms), late_from)

    def _keep(self, meter: Candidate, outcome: Outcome, verdict: Verdict) -> None:
        """Note a meter; of everybody's address only who is there: a crowd is what it is for."""
        if meter.pattern == ANY:
            addresses = addresses_in(outcome.raw)
            if not (addresses or verdict is Verdict.COLLISION or overlap_in(outcome.raw)):
                return
            meter, verdict = Candidate(addresses[0] if addresses else ANY, protocol=meter.protocol), Verdict.OK
        self.seen.meters.append(Seen(meter, verdict, outcome.detail, outcome.response_ms, len(outcome.raw)))

    def _tell_answers(self) -> None:
        seen = self.seen
        is_foreign = seen.foreign or any(one.verdict is Verdict.FOREIGN_MASTER for one in seen.meters)
        self._tell(Check("foreign_master", Mark.FAIL if is_foreign else Mark.PASS))
        echo = Mark.PASS if seen.answered or seen.has_echo else Mark.UNKNOWN
        self._tell(Check("echo", echo, {"echo": seen.has_echo}))
        silent, damaged = seen.silent, [one for one in seen.meters if one.verdict in DAMAGED]
        counts = {"answered": len(seen.answered), "silent": len(silent), "damaged": len(damaged)}
        is_fine = bool(seen.answered) and len(seen.answered) == len(seen.meters)
        self._tell(Check("answers", Mark.PASS if is_fine else Mark.FAIL, counts))
        found = seen.break_at
        order = Mark.UNKNOWN if len(seen.meters) <= 2 or not seen.answered else Mark.FAIL if found else Mark.PASS  # noqa: PLR2004
        self._tell(Check("order", order, {"last": found[0], "first": found[1]} if found else {}))
        self._tell_hours()

    def _tell_hours(self) -> None:
        worst = self.seen.worst_hour = worst_hour(self.hours or ())
        mark = Mark.UNKNOWN if worst is None else Mark.FAIL if self.seen.is_worst_noisy else Mark.PASS
        self._tell(Check("hours", mark, worst.document() if worst else {}))

    # 3.

    def _look_again(self) -> Course:
        damaged = [one for one in self.seen.meters if one.verdict in DAMAGED and one.meter.pattern != ANY]
        for one in damaged[:_TROUBLED]:
            probe = Probe(one.meter.pattern, driver(one.meter.protocol), scan_timing(self.reply_ms))
            while probe.end is None:
                probe.take((yield probe.next_exchange(), one.meter.pattern))
            one.is_twin = probe.end is End.TWIN
        twins = [one.meter.pattern for one in damaged if one.is_twin]
        mark = Mark.FAIL if twins else Mark.PASS if self.seen.answered else Mark.UNKNOWN
        self._tell(Check("twins", mark, {"meters": twins}))

    # 4.

    def _repeat(self) -> Course:
        answering = next((one for one in self.seen.answered if one.meter.pattern != ANY), None)
        if answering is None:
            self._tell(Check("repeats", Mark.UNKNOWN))
            return
        repeats = self.seen.repeats = Repeats(answering.meter.pattern)
        for _ in range(_REPEATS):
            outcome = yield self._probe(answering.meter, frozenset()), answering.meter.pattern
            repeats.verdicts.append(outcome.verdict)
            if outcome.response_ms is not None and outcome.verdict in ANSWERED:
                repeats.response_ms.append(outcome.response_ms)
        times = repeats.response_ms
        values: dict[str, object] = {"meter": repeats.meter, "reads": _REPEATS, "damaged": repeats.bad}
        values["silent"] = sum(verdict is Verdict.SILENCE for verdict in repeats.verdicts)
        if Verdict.FOREIGN_MASTER in repeats.verdicts:
            values["foreign"] = repeats.verdicts.count(Verdict.FOREIGN_MASTER)
            self.seen.foreign = True
        if times:
            values["response_ms"] = {"min": min(times), "avg": round(sum(times) / len(times)), "max": max(times)}
        is_steady = all(verdict in ANSWERED for verdict in repeats.verdicts)
        self._tell(Check("repeats", Mark.PASS if is_steady else Mark.FAIL, values))


def diagnose_document(checks: list[Check], seen: Findings) -> dict[str, Any]:
    """Return what `edge diagnose --json` prints: the checks, the meters, and the one cause."""
    condition = conclude(seen)
    return {
        "checks": [one.document() for one in checks],
        "meters": [one.document() for one in seen.meters],
        "answered": len(seen.answered),
        "conclusion": condition and {"code": condition[0], "values": dict(condition[1])},
    }


def port_document(error: EdgeError, port: str) -> dict[str, Any]:
    """Return the document of a bus whose port cannot be opened."""
    return diagnose_document(
        [Check("port", Mark.FAIL, {"port": port})], Findings(port_error=(error.code, error.values))
    )


def _version(meter: Candidate) -> Version:
    return "1997" if meter.protocol.endswith("1997") else "2007"
