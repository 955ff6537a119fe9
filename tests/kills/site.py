"""A site whose parts can be killed: meters, the two halves of the daemon, broker, centre, PostgreSQL, a small disk."""

import json
import re
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from edge.control.client import ask
from edge.errors import ControlError
from tests.flow.processes import FlowSite, edge, eventually, free_port
from tests.kills.disk import Disk, small_disk
from tests.kills.judge import Count, Promise, count
from tests.kills.mishaps import PARTS, Fate, Mishap
from tests.kills.parts import Broker, Database, Part, Program
from tests.kills.truth import ITEMS, load_truth
from tests.postgres_server import PostgresServer, running_server

METERS = tuple(f"{202311000001 + number:012d}" for number in range(8))
DEAD = METERS[-1]
GATEWAY_PARTS = ("poll", "forward")
_AGAIN_S = 1.0  # a part that ended by itself is started again after this, as a service is
_TICK_S = 0.05
_ERROR, _LAST_WORDS = re.compile(r"error\[E-[A-Z]{3}-\d+\]"), 2000
_PATIENCE_S = 300.0  # until all that waits is at the centre; a bound, not a promise


@dataclass(slots=True)
class Tally:
    """What was done to the site, and what it did by itself.

    `full`: fillings that the store noticed. `acknowledged`: records that were stored, by the poller's own word, before
    it was killed or ended.
    """

    kills: Counter[str] = field(default_factory=Counter)
    forgotten: int = 0
    full: int = 0
    acknowledged: int = 0
    ended: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class KillSite:
    """The running site. `flow`: its folders and processes of ours."""

    flow: FlowSite
    server: PostgresServer
    database: str
    disk: Disk
    parts: dict[str, Part]
    tally: Tally = field(default_factory=Tally)
    _down_until: dict[str, float] = field(default_factory=dict)

    def live_through(self, fate: Fate) -> None:
        """Let everything befall it that was drawn, in real time."""
        begin, mishaps, filled_at, was_filled = time.monotonic(), list(fate.mishaps), None, False
        while (now := time.monotonic() - begin) < fate.seconds or filled_at is not None:
            self._raise_dead()
            while mishaps and mishaps[0].at_s <= now:
                self._befall(mishaps.pop(0))
            if not was_filled and now >= fate.full_at_s:
                filled_at, was_filled, said = now, True, self._said_full()
            if filled_at is not None:
                self.disk.fill(self._gateway_pids())
                if self._said_full() > said or now - filled_at > fate.full_for_s:
                    self.tally.full += self._said_full() > said
                    self.disk.free(self._gateway_pids())
                    filled_at = None
            time.sleep(_TICK_S)

    def come_to_rest(self) -> datetime:
        """Start what is dead, and wait until nothing is on its way; return until when slots are promised."""
        self._down_until = dict.fromkeys(self._down_until, 0.0)
        self._raise_dead()
        until = datetime.now(UTC)
        self._wait(lambda: self._heard_of_all(until), "a later slot of every meter")
        del self.parts["poll"]
        self.tally.acknowledged += self._acknowledged()
        assert 0 == self.flow.end("poll")
        self._wait(lambda: self._waiting() == 0, "an empty outbox")
        for name in ("forward", "centre"):
            del self.parts[name]
            assert 0 == self.flow.end(name)
        return until

    def judged(self, until: datetime) -> Count:
        """Return what is in the database."""
        promise = Promise(meters=METERS, dead=DEAD, until=until, acknowledged=self.tally.acknowledged)
        with psycopg.connect(self.database) as db:
            return count(db, load_truth(self.flow.folder / "answers"), promise)

    def defects(self) -> list[str]:
        """Return what no kill explains: a part that ended without naming an error, and tracebacks.

        With an error named a part may end: the centre does while it is started before its database answers.
        """
        found = [f"ended by itself, {name}" for name in self.tally.ended if "error[E-" not in name]
        logs = ("poll", "forward", "centre", "sim")
        return found + [f"{name}.log has a traceback" for name in logs if "Traceback" in self.flow.log(name)]

    def _befall(self, mishap: Mishap) -> None:
        part = self.parts[mishap.part]
        if mishap.part in self._down_until or part.ended() is not None:
            return  # it is dead already
        acknowledged = self._acknowledged() if mishap.part == "poll" else 0
        part.kill()
        self.tally.acknowledged += acknowledged
        self.tally.kills[mishap.part] += 1
        if mishap.forgets:
            self.tally.forgotten += self.parts["broker"].forget()
        self._down_until[mishap.part] = time.monotonic() + mishap.down_s

    def _raise_dead(self) -> None:
        now = time.monotonic()
        for name, part in self.parts.items():
            if name not in self._down_until:
                if (code := part.ended()) is not None:
                    self.tally.ended[f"{name}: {self._last_words(name, code)}"] += 1
                    self._down_until[name] = now + _AGAIN_S
            elif now >= self._down_until[name]:
                del self._down_until[name]
                part.start()

    def _last_words(self, name: str, code: int) -> str:
        """Return the error that a part named as it ended with an exit code above 0; else the code."""
        path = self.flow.folder / f"{name}.log"
        told = _ERROR.findall(self.flow.log(name)[-_LAST_WORDS:]) if path.exists() else []
        return told[-1] if told and code > 0 else f"code {code}"

    def _wait(self, check, what: str) -> None:
        def checked() -> bool:
            self._raise_dead()
            return check()

        eventually(checked, seconds=_PATIENCE_S, what=what)

    def _acknowledged(self) -> int:
        """Return how many records this life of the poller has stored; what it stores from here on is not counted."""
        try:
            for reply in ask(self.flow.state_dir / "poll.sock", {"job": "status"}, silence_s=3):
                if isinstance(result := reply.get("result"), dict):
                    return result["health"]["counters"].get("records.stored", 0)
        except ControlError:
            pass  # it has just been started
        return 0

    def _gateway_pids(self) -> list[int]:
        return [self.flow.processes[name].pid for name in GATEWAY_PARTS if name not in self._down_until]

    def _said_full(self) -> int:
        return sum(self.flow.log(name).count(self.disk.code) for name in GATEWAY_PARTS)

    def _heard_of_all(self, after: datetime) -> bool:
        rows = self._asked("SELECT meter FROM poll JOIN series ON series.id = series WHERE slot_at > %s", [after])
        return {meter for (meter,) in rows} == set(METERS)

    def _waiting(self) -> int | None:
        done = edge("status", "--json", "--config", self.flow.config, check=False)
        forward = json.loads(done.stdout)["forward"] if done.stdout else None
        return forward and forward["unsent_batches"] + forward["waiting_readings"]

    def _asked(self, query: str, values: list[object]) -> list[tuple]:
        try:
            with psycopg.connect(self.database, connect_timeout=5) as db:
                return db.execute(query, values).fetchall()
        except psycopg.Error:
            return []  # it is not there yet, or the centre has made no tables in it


@contextmanager
def running_site(folder: Path) -> Iterator[KillSite]:
    """Yield a site in a folder, everything started and the first slots at the centre."""
    with ExitStack() as stack:
        server = stack.enter_context(running_server())
        database = server.new_database()
        broker = Broker.made(folder / "broker", free_port())
        stack.callback(broker.kill)
        disk = stack.enter_context(small_disk(folder / "disk"))
        flow = stack.enter_context(FlowSite(folder, broker.server.url))
        flow.state_dir = folder / "disk" / "state"
        _prepare(flow)
        programs = {
            "poll": ("run", "--only", "poll", "--config", flow.config),
            "forward": ("run", "--only", "forward", "--config", flow.config),
            "centre": ("centre", "run", flow.centre_dir, "--broker", broker.server.url, "--database", database),
        }
        parts: dict[str, Part] = {name: Program(flow, name, words) for name, words in programs.items()}
        site = KillSite(flow, server, database, disk, {**parts, "broker": broker, "database": Database(server)})
        assert set(PARTS) == set(site.parts)
        broker.start()
        for name in programs:
            site.parts[name].start()
        begin = datetime.now(UTC)
        eventually(lambda: site._heard_of_all(begin), what="the first slots at the centre", seconds=60)
        yield site


def _prepare(flow: FlowSite) -> None:
    """Start the meters, and write settings and register."""
    port = flow.start_sim(
        *("--bus", f"A=pty:{flow.folder / 'bus'}", "--meters", len(METERS), "--first", METERS[0], "--reply-ms", "5"),
        *("--fault", f"{DEAD}=dead", "--answers", flow.folder / "answers"),
    )
    more = "[store]\ncommit_polls = 8\ncommit_s = 1.0"
    flow.configure(("A", port, "reply_ms = 200"), every="1s", items=ITEMS, extra=more)
    listed = flow.folder / "meters.csv"
    listed.write_text("address,bus\n" + "".join(f"{meter},A\n" for meter in METERS), encoding="utf-8")
    edge("meters", "import", listed, "--config", flow.config)
