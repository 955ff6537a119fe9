"""A broker on virtual time, with all that brokers do wrong; and the connections to it, as both workers know them.

It acknowledges what it takes, and may then lose it, double it, delay it (and so reorder it), forget sessions and
retained messages when it dies, bound its queues or have none, refuse a login, or let a connection hang until somebody's
patience ends. `Manners` says how much of that; it can be changed at any time.
"""

import heapq
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from random import Random

from edge.errors import ForwardError
from edge.mqtt.link import Connected, Disconnected, Event, Published, Received, Subscribed, Token
from tests.simulation.clocks import Now
from tests.simulation.disk import Life

Will = tuple[str, bytes, int, bool]
_PATIENCE_S = 20.0  # of a connection that is being made
_KEEP_ALIVE_S = 45.0
_LATENCY_S = 0.03
_WAITS_LONG_S = 1.0  # whoever waits so long has nothing to do until something comes
_LONGEST_WAIT_S = 60.0
_MOST_WAITING = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Manners:
    """Shares of messages that are lost after the acknowledgement, doubled, or delayed by up to `delay_s`."""

    loses: float = 0.0
    doubles: float = 0.0
    delays: float = 0.0
    delay_s: float = 0.0
    stalls: float = 0.0  # of connections that say nothing more after a while
    queue: int = 1000  # messages kept for whoever is away
    keeps_sessions: bool = True
    keeps_retained: bool = True


@dataclass(slots=True)
class _Session:
    """What the broker keeps for one client: filters, what is under way to it, what waits for it."""

    filters: set[str] = field(default_factory=set)
    under_way: dict[int, tuple[str, bytes]] = field(default_factory=dict)
    waiting: deque[tuple[str, bytes]] = field(default_factory=deque)


class SimBroker:
    """`doors`: the endpoints by name, each open, shut (refuses) or stuck (hangs); `carried`: what was published."""

    def __init__(self, now: Now, random: Random, faults: Counter) -> None:
        self.now = now
        self.random = random
        self.faults = faults
        self.manners = Manners()
        self.doors: dict[str, str] = {}
        self.is_up = True
        self.retained: dict[str, bytes] = {}
        self.carried: list[tuple[str, bytes]] = []
        self._sessions: dict[str, _Session] = {}
        self._links: dict[str, SimLink] = {}

    def link(self, client: str, url: str, *, life: Life, will: Will | None, is_clean: bool) -> "SimLink":
        """Return a connection that is not made yet."""
        return SimLink(self, client, url, life, will, is_clean=is_clean)

    def die(self) -> None:
        """Lose all connections and what is only in memory."""
        self.is_up = False
        self.faults["broker died"] += 1
        for link in list(self._links.values()):
            self.drop(link, with_will=False)
        if not self.manners.keeps_sessions:
            self.faults["broker forgot its sessions"] += bool(self._sessions)
            self._sessions.clear()
        if not self.manners.keeps_retained:
            self.faults["broker forgot what it retained"] += bool(self.retained)
            self.retained.clear()

    def drop(self, link: "SimLink", *, with_will: bool = True, is_told: bool = True) -> None:
        """End a connection; `is_told`: its client hears of it soon."""
        if self._links.get(link.client) is not link:
            return
        del self._links[link.client]
        if is_told:
            link.arrive(self.now.at + _LATENCY_S, Disconnected(ForwardError("E-FWD-106", host="b", detail="gone")))
        session = self._sessions.get(link.client)
        if session is not None:
            again = dict.fromkeys(session.under_way.values())  # a doubled one comes again once
            session.waiting = deque([*again, *(one for one in session.waiting if one not in again)], _MOST_WAITING)
            session.under_way.clear()
            if link.is_clean:
                del self._sessions[link.client]
        if with_will and link.will is not None and self.is_up:
            topic, payload, _, retain = link.will
            self.publish(topic, payload, retain=retain)

    def shake(self) -> None:
        """Drop everybody."""
        for link in list(self._links.values()):
            self.drop(link)

    def enter(self, link: "SimLink") -> None:
        """Take a login. Raises ForwardError, after a while if the door hangs."""
        door = self.doors.get(link.url, "open")
        if self.is_up and door == "stuck":
            self.faults["connection hung"] += 1
            self.now.at += _PATIENCE_S
            raise ForwardError("E-FWD-107", host="b")
        if not self.is_up or door == "shut":
            self.faults["connection refused"] += 1
            raise ForwardError("E-FWD-102", host="b", port=1)
        if (other := self._links.get(link.client)) is not None:
            self.drop(other, with_will=False)
        if link.is_clean:
            self._sessions.pop(link.client, None)
        is_present = link.client in self._sessions
        session = self._sessions.setdefault(link.client, _Session())
        self._links[link.client] = link
        link.arrive(self.now.at, Connected(session_present=is_present))
        if self.random.random() < self.manners.stalls:
            link.stalls_at = self.now.at + self.random.random() * 120
        waiting, session.waiting = session.waiting, deque()
        for topic, payload in waiting:
            self._deliver(link.client, session, topic, payload)

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Carry a message to whoever wants it; the publisher has been told that all is well."""
        self.carried.append((topic, payload))
        if retain:
            self.retained[topic] = payload
        for client, session in list(self._sessions.items()):
            if any(_matches(one, topic) for one in session.filters):
                self._deliver(client, session, topic, payload)

    def subscribe(self, link: "SimLink", filters: Sequence[str]) -> None:
        """Note filters and bring what is retained for them."""
        session = self._sessions[link.client]
        session.filters.update(filters)
        for topic, payload in list(self.retained.items()):
            if any(_matches(one, topic) for one in filters):
                self._deliver(link.client, session, topic, payload)

    def done(self, client: str, mid: int) -> None:
        """Forget a message that was acknowledged."""
        if client in self._sessions:
            self._sessions[client].under_way.pop(mid, None)

    def _deliver(self, client: str, session: _Session, topic: str, payload: bytes) -> None:
        random, manners = self.random, self.manners
        if random.random() < manners.loses:
            self.faults["message lost after its acknowledgement"] += 1
            return
        copies = 1 + (random.random() < manners.doubles)
        self.faults["message doubled"] += copies - 1
        for _ in range(copies):
            link = self._links.get(client)
            if link is not None:
                delay_s = _LATENCY_S
                if random.random() < manners.delays:
                    self.faults["message delayed"] += 1
                    delay_s += random.random() * manners.delay_s
                mid = link.next_number()
                session.under_way[mid] = (topic, payload)
                link.arrive(self.now.at + delay_s, Received(topic, payload, Token(link.number, mid, 1)))
            elif len(session.waiting) < manners.queue:
                session.waiting.append((topic, payload))
            else:
                self.faults["queue was full"] += 1


class SimLink:
    """A connection. A step never waits: `waits_until` and `arrives_at` tell the loop when the next one is worth it."""

    is_plain = False
    _connections = count(1)

    def __init__(
        self, broker: SimBroker, client: str, url: str, life: Life, will: Will | None, *, is_clean: bool
    ) -> None:
        self.broker = broker
        self.client = client
        self.url = url
        self.life = life
        self.will = will
        self.is_clean = is_clean
        self.number = 0
        self.stalls_at = float("inf")
        self.waits_until = 0.0
        self._is_open = False
        self._mid = 0
        self._order = count()
        self._latest = -1
        self._coming: list[tuple[float, int, Event]] = []

    @property
    def arrives_at(self) -> float:
        """When the next event arrives for somebody who waits for it."""
        return self._coming[0][0] if self._coming and self.waits_until else float("inf")

    def next_number(self) -> int:
        """Return the number of the next message, in either direction."""
        self._mid += 1
        return self._mid

    def arrive(self, at: float, event: Event) -> None:
        """Let an event arrive."""
        if at >= self.stalls_at and not isinstance(event, Disconnected):
            return
        heapq.heappush(self._coming, (at, next(self._order), event))

    def connect(self) -> None:
        """Connect and log in."""
        self.close()
        self._coming.clear()
        self.number += 1
        self.stalls_at = float("inf")
        if not self.life.act():
            raise ForwardError("E-FWD-106", host="b", detail="dead")
        self.broker.enter(self)
        self._is_open = True

    def step(self, timeout_s: float) -> list[Event]:
        """Return what has arrived."""
        now = self.broker.now.at
        wait_s = _LONGEST_WAIT_S if timeout_s >= _WAITS_LONG_S else timeout_s
        self.waits_until = now + wait_s
        if now >= self.stalls_at and self._is_open:
            self._notice_stall(now)
        events = []
        while self._coming and self._coming[0][0] <= now:
            _, number, event = heapq.heappop(self._coming)
            if isinstance(event, Received):
                self.broker.faults["message overtaken by a later one"] += number < self._latest
                self._latest = max(self._latest, number)
            events.append(event)
        if any(isinstance(event, Disconnected) for event in events):
            self._is_open = False
        return events

    def _notice_stall(self, now: float) -> None:
        """Let a connection that says nothing any more end when the keep-alive is over."""
        if now >= self.stalls_at + _KEEP_ALIVE_S:
            self.broker.faults["connection went silent"] += 1
            self.stalls_at = float("inf")
            self.broker.drop(self)
        else:
            self.waits_until = min(self.waits_until, self.stalls_at + _KEEP_ALIVE_S)

    def publish(self, topic: str, payload: bytes, *, qos: int, retain: bool = False) -> int:
        """Hand over a message."""
        if not self._is_open or not self.life.act():
            raise ForwardError("E-FWD-106", host="b", detail="not connected")
        mid = self.next_number()
        now = self.broker.now.at
        if now < self.stalls_at and self.broker._links.get(self.client) is self:
            self.broker.publish(topic, payload, retain=retain)
            self.arrive(now + _LATENCY_S, Published(mid, refused=False))
        return mid

    def subscribe(self, topics: list[tuple[str, int]]) -> int:
        """Ask for topics."""
        if not self._is_open or not self.life.act():
            raise ForwardError("E-FWD-106", host="b", detail="not connected")
        mid = self.next_number()
        if self.broker.now.at < self.stalls_at and self.broker._links.get(self.client) is self:
            self.arrive(self.broker.now.at + _LATENCY_S, Subscribed(mid, ()))
            self.broker.subscribe(self, [topic for topic, _ in topics])
        return mid

    def acknowledge(self, token: Token) -> None:
        """Tell the broker that a message was dealt with."""
        if self._is_open and token.connection == self.number and self.life.act():
            self.broker.done(self.client, token.mid)

    def forget_session(self) -> None:
        """Let the next connection begin without what the broker keeps."""
        self.broker._sessions.pop(self.client, None)

    def disconnect(self) -> None:
        """Say goodbye and close."""
        self._close(with_will=False)

    def close(self) -> None:
        """Drop the connection; the broker publishes the will."""
        self._close(with_will=True)

    def _close(self, *, with_will: bool) -> None:
        if self._is_open:
            self._is_open = False
            self.broker.drop(self, with_will=with_will, is_told=False)


def _matches(pattern: str, topic: str) -> bool:
    wanted, found = pattern.split("/"), topic.split("/")
    return len(wanted) == len(found) and all(one in ("+", other) for one, other in zip(wanted, found, strict=True))
