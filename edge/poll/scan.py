"""Finds meters: the ones that are known, a list or range, or everybody by shortened addresses. Stepped between polls.

1. First an address that nobody has is asked: where that is answered, nothing that answers can be believed.
2. Known and listed addresses take one probe each. Everybody: where several answer at once, the hundred patterns
   that know one address byte more are asked.
3. What the overlapping answers allow goes first, and among that bytes that found meters have in this place: meters
   of one delivery have neighbouring numbers. The rest is asked too, unless the scan is a quick one.
4. On a bus of either year everybody, or the list, is asked in 2007 first, then in 1997.
5. A silent probe costs the standard's longest delay and no more; whoever set a longer one than usual means it.
6. The course is a value (`ScanState`): it is sent along, and a scan begins from one that was kept.
"""

from dataclasses import dataclass, field, replace
from itertools import pairwise

from edge.errors import EdgeError, LinkError
from edge.poll.jobs import Asker, Way
from edge.poll.plan import EITHER_YEAR, year_to_ask, years_to_ask
from edge.poll.probe import End, Probe
from edge.poll.scan_state import Candidate, ScanState, candidates, state_document
from edge.protocols.dlt645.addresses import ANY, BROADCAST
from edge.protocols.dlt645.wildcard import NOBODY, Overlap, known_digits, narrower
from edge.protocols.drivers import driver as driver_of
from edge.protocols.exchange import Driver, Timing
from edge.reading.outcome import Outcome
from edge.reading.verdict import Verdict

_LONGEST_DELAY_MS = 550  # DL/T 645: 500 ms, and what adapters add
_USUAL_MS = 600  # `reply_ms` where nobody set another one
_MOST_METERS = 256  # on one bus
_STATE_EVERY = 10
_ANSWER_SHARE_S = 0.1  # what a probe takes beside its deadline, at 2400 Bd


def scan_timing(reply_ms: int) -> Timing:
    """Return how long a probe waits: the standard's longest delay, more only where the bus was told to wait longer."""
    return Timing(reply_s=(reply_ms if reply_ms > _USUAL_MS else min(reply_ms, _LONGEST_DELAY_MS)) / 1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanOrder:
    """What to scan: these addresses or patterns, else the known meters and then everybody.

    `is_quick`: leave out what overlapping answers do not allow. `kept`: the state of a scan that was stopped.
    """

    addresses: tuple[str, ...] = ()
    known: tuple[Candidate, ...] = ()
    only_known: bool = False
    is_quick: bool = False
    kept: ScanState | None = None

    def state(self) -> ScanState:
        """Return the state to begin with."""
        if self.kept is not None:
            return self.kept
        wanted = list(self.addresses) or ([] if self.only_known else [ANY])
        known = () if self.addresses else self.known
        return ScanState(left=[*known, *candidates(wanted)], wanted=wanted)


def scan_run(protocol: str, reply_ms: int, way: Way, order: ScanOrder) -> "ScanRun":
    """Return a scan of a bus whose answers may take so long, in each year that `protocol` allows.

    One that goes on stays with its protocol.
    """
    state = order.state()
    if not state.protocol:
        state.years = list(years_to_ask(protocol))
        state.protocol = state.years[0]
    return ScanRun(driver_of(state.protocol), scan_timing(reply_ms), way, state, order.is_quick)


@dataclass(slots=True)
class ScanRun:
    """A scan. `is_quick`: leaves out what the overlapping answers do not allow."""

    driver: Driver
    timing: Timing
    way: Way
    state: ScanState
    is_quick: bool = False
    port: str = ""
    _probe: Probe | None = None
    _candidate: Candidate | None = None
    _checks: list[Outcome] = field(default_factory=list)

    @property
    def probes(self) -> int:
        """How many requests were sent."""
        return self.state.probes

    def step(self, worker: Asker) -> bool:
        """Do one exchange; False when done."""
        if self.way.is_closed:
            return False
        try:
            going_on = self._check(worker) if not self.state.is_begun else self._ask(worker)
        except EdgeError as exc:
            self.way.fail(exc)
            return False
        if not going_on:
            self.way.end(scan_document(self.state))
        return going_on

    # Rule 1.

    def _check(self, worker: Asker) -> bool:
        """Ask the address that nobody has, up to three times while something answers."""
        outcome = self._exchange(worker, Probe(NOBODY, self.driver, self.timing))
        self._checks.append(outcome)
        if outcome.verdict is not Verdict.SILENCE and len(self._checks) < 3:  # noqa: PLR2004 - as the docstring says
            return True
        self.state.is_begun = True
        verdicts = [one.verdict for one in self._checks]
        if Verdict.SILENCE in verdicts:
            return True
        if Verdict.OK in verdicts or Verdict.REFUSED in verdicts:
            return self._distrust(is_refusing=Verdict.OK not in verdicts)
        if self._is_wild:
            return self._stop("E-BUS-213", count=self.state.probes, waiting=len(self.state.left))
        return True

    def _distrust(self, *, is_refusing: bool) -> bool:
        """Say that somebody answers for everybody. Where it only refuses, whoever gives values can still be found."""
        self._remark("E-BUS-214", address=NOBODY)
        self.state.counts_refusals = False
        return is_refusing

    @property
    def _is_wild(self) -> bool:
        return any(known_digits(one.pattern) == "" for one in self.state.left)

    # Rules 2 and 3.

    def _ask(self, worker: Asker) -> bool:
        probe = self._probe or self._next_probe()
        if probe is None:
            return self._begin_next_year()
        probe.take(self._exchange(worker, probe))
        if probe.end is not None:
            self._probe = None
            self._conclude(probe, probe.end)
        if self.state.probes % _STATE_EVERY == 0:
            self.way.put({"state": self._kept_state()})
        self.way.put({"progress": self._progress()})
        return not self._is_flooded()

    def _begin_next_year(self) -> bool:
        """Ask the same of those who speak another year, if the bus may have such; False: there is none left."""
        state = self.state
        following = dict(pairwise(state.years)).get(state.protocol)
        if following is None or not state.wanted:
            return False
        state.protocol = following
        unsure = [address for address, protocol in state.found.items() if protocol == EITHER_YEAR]
        state.left = candidates([*unsure, *(one for one in state.wanted if one not in state.found)])
        state.crowds, state.is_begun, state.counts_refusals = {}, False, True
        self.driver = driver_of(state.protocol)
        self._checks.clear()
        return True

    def _next_probe(self) -> Probe | None:
        if self.is_quick:
            unlikely = [one for one in self.state.left if not one.is_likely]
            self.state.skipped += len(unlikely)
            self.state.left = [one for one in self.state.left if one.is_likely]
        if not self.state.left:
            return None
        best = min(range(len(self.state.left)), key=self._rank)
        self._candidate = self.state.left.pop(best)
        driver = driver_of(year_to_ask(self._candidate.protocol)) if self._candidate.protocol else self.driver
        self._probe = Probe(self._candidate.pattern, driver, self.timing, self.state.counts_refusals)
        return self._probe

    def _rank(self, at: int) -> tuple[bool, bool]:
        """Return how early a candidate goes, lowest first; among equals the order of the list holds."""
        one = self.state.left[at]
        known = known_digits(one.pattern)
        places = slice(12 - len(known), 14 - len(known))
        is_familiar = any(address[places] == known[:2] for address in self.state.found)
        return not one.is_likely, bool(known) and not is_familiar

    def _exchange(self, worker: Asker, probe: Probe) -> Outcome:
        outcome = worker.exchange(probe.next_exchange(), worker.line_of(probe.pattern))
        self.state.probes += 1
        if outcome.verdict is Verdict.PORT_GONE:
            raise LinkError("E-BUS-104", port=self.port or "of this bus", detail="it vanished during the scan")
        if outcome.verdict is Verdict.FOREIGN_MASTER:
            self._remark("E-BUS-209", meter=probe.pattern)
        return outcome

    def _conclude(self, probe: Probe, end: End) -> None:
        for address in probe.meters:
            if end is not End.TWIN or address != probe.pattern:
                self._found(address, probe.driver.name if address in probe.gave_value else self._year_of_refusal(probe))
        match end:
            case End.CROWD:
                self._narrow(probe.pattern, probe.overlap)
            case End.TWIN:
                self.state.collisions.append(probe.pattern)
                self.way.put({"result": {"collision": probe.pattern}})
            case End.DAMAGED:
                self.state.damaged[probe.pattern] = (probe.worst or Verdict.GARBAGE).value
            case End.NOBODY:
                self._note_nobody(probe)
            case End.FOUND:
                pass

    def _year_of_refusal(self, probe: Probe) -> str:
        """Return the protocol of a meter that only refused: where either year is allowed, it may be the other one."""
        is_open = len(self.state.years) > 1 or (self._candidate and self._candidate.protocol == EITHER_YEAR)
        return EITHER_YEAR if is_open else probe.driver.name

    def _found(self, address: str, protocol: str) -> None:
        """Note a meter; the year of one that is known already is told when it is found out."""
        known = self.state.found.get(address)
        if address != NOBODY and (known is None or (known == EITHER_YEAR and protocol != known)):
            self.state.found[address] = protocol
            self.way.put({"result": {"meter": address, "protocol": protocol}})

    def _note_nobody(self, probe: Probe) -> None:
        if self._candidate is not None and self._candidate.protocol == EITHER_YEAR:
            self.state.left.insert(0, replace(self._candidate, protocol="dlt645-1997"))
        elif self._candidate is not None and self._candidate.protocol:
            self.state.silent.append(probe.pattern)
        elif probe.pattern == ANY and self.driver.name.endswith("1997"):
            self.state.left.append(Candidate(BROADCAST))  # 1997: no function reads an address; some obey 99H only

    def _narrow(self, pattern: str, overlap: Overlap | None) -> None:
        """Ask the patterns below a crowded one, those first that the answers allow."""
        if pattern == BROADCAST:
            self._remark("E-BUS-215", pattern=pattern)
            return
        depth = str(len(known_digits(pattern)))
        self.state.crowds[depth] = self.state.crowds.get(depth, 0) + 1
        self.state.left += [Candidate(one, overlap is None or overlap.allows(one)) for one in narrower(pattern)]

    def _is_flooded(self) -> bool:
        """Return whether more crowds were met than a bus has meters for: noise that answers to everything."""
        if not self.state.left and not self._probe:
            self._note_disobedience()
        if max(self.state.crowds.values(), default=0) * 2 <= _MOST_METERS:
            return False
        self._remark("E-BUS-213", count=self.state.probes, waiting=len(self.state.left))
        return True

    def _note_disobedience(self) -> None:
        """Say it if a crowd answers to "everybody", and nobody to shortened addresses."""
        is_crowd_only = self.state.crowds == {"0": 1} and not self.state.found and not self.state.collisions
        if is_crowd_only and not self.state.damaged:
            self._remark("E-BUS-215", pattern=ANY)

    def _stop(self, code: str, **values: object) -> bool:
        self._remark(code, **values)
        return False

    def _remark(self, code: str, **values: object) -> None:
        self.state.conditions.setdefault(code, dict(values))

    def _kept_state(self) -> dict[str, object]:
        """Return the state with the probe that is under way still to be done."""
        document = state_document(self.state)
        left = document["left"]
        if self._probe is not None and self._candidate is not None and isinstance(left, list):
            one = self._candidate
            left.insert(0, [one.pattern, one.is_likely, one.protocol])
        return document

    def _progress(self) -> dict[str, object]:
        left = len(self.state.left) + (self._probe is not None)
        return {
            "asked": self.state.probes,
            "left": left,
            "found": len(self.state.found),
            "left_s": round(left * (self.timing.reply_s + _ANSWER_SHARE_S)),
        }


def scan_document(state: ScanState) -> dict[str, object]:
    """Return what `edge scan --json` prints of a scan, whole or stopped."""
    return {
        "found": sorted(state.found),
        "collisions": sorted(state.collisions),
        "probes": state.probes,
        "meters": [{"meter": address, "protocol": state.found[address]} for address in sorted(state.found)],
        "damaged": [{"meter": address, "verdict": verdict} for address, verdict in sorted(state.damaged.items())],
        "silent": sorted(state.silent),
        "left": len(state.left),
        "skipped": state.skipped,
        "conditions": [{"code": code, "values": values} for code, values in state.conditions.items()],
    }
