"""The forwarder: seals what waits, keeps a connection to one of the brokers, sends, and believes only receipts.

It is a step, not a loop: each call does one network turn or seals one batch, and returns when it wants to be called
again. Whatever the network does, the store keeps every batch until a receipt has it; a fault of the store drops the
connection, so that the retained receipt comes again.
"""

import logging
from collections.abc import Callable
from random import Random

from edge.clock import Clock
from edge.errors import EdgeError, ForwardError, MessageError, StoreError
from edge.forward.broker_link import BrokerLink, LinkFactory
from edge.forward.claims import Claims
from edge.forward.greeting import BoxFacts, birth_of, state_of
from edge.forward.hearing import Hearing
from edge.forward.outbox import Parcel, SendWindow
from edge.forward.pace import Pace
from edge.forward.receipts import Accepted, accept_receipt
from edge.forward.retry import Retry
from edge.forward.settings import ForwardSettings
from edge.forward.store_work import Done, StoreWork
from edge.forward.telling import tell_receipt
from edge.forward.unacknowledged import Unacknowledged
from edge.health.model import Health
from edge.messages.birth import sign_birth
from edge.messages.signing import Signer, Verifier
from edge.messages.topics import BACKLOG, EVENTS, LIVE, batch_topic, birth_topic, receipt_topic
from edge.mqtt.link import Connected, Disconnected, Event, Published, Received, Subscribed
from edge.store.outbox import Outbox
from edge.store.sealed import Sealed

WILL = b"gone"  # what the broker retains for us when we vanish: unsigned, so only a hint

_LOG = logging.getLogger(__name__)
_STORE_PAUSE_S = 5.0
_ANSWER_EVERY_S = 60.0
_DAMAGED = "E-STO-105"


class ForwardWorker:
    """Everything between the store and the broker."""

    def __init__(
        self,
        settings: ForwardSettings,
        *,
        outbox: Outbox,
        signer: Signer,
        centre: Verifier,
        clock: Clock,
        make_link: LinkFactory,
        rng: Random,
        health: Health,
        box: Callable[[], BoxFacts] = BoxFacts,
    ) -> None:
        self._settings = settings
        self._outbox = outbox
        self._signer = signer
        self._centre = centre
        self._clock = clock
        self._make_link = make_link
        self._rng = rng
        self._health = health
        self._box = box
        self._claims = Claims(health)
        self._work = StoreWork(settings, outbox, signer, clock, health=health, claims=self._claims)
        self._window = SendWindow(
            settings.window, settings.resend_s, settings.max_resend_s, settings.backlog_per_minute
        )
        self._link: BrokerLink | None = None
        self._is_ready = False  # the receipts are subscribed: batches may flow
        self._deadline_s = 0.0  # by then the subscription must be answered
        self._connected_s = 0.0
        self._retry = Retry(settings.endpoints, settings.retry_s, settings.max_retry_s, settings.steady_s)
        self._look_s = 0.0
        self._news: int | None = None
        self._has_worked = False
        self._is_searched = False  # the store holds nothing beyond the window's cursor
        self._given = Unacknowledged()
        self._is_birth_due = False
        self._birth_s = 0.0  # then the birth is told again
        self._store_bad_s = 0.0  # until then the store counts as bad
        self._answer_s = 0.0  # before that a centre that asks in vain is not answered again
        self._dispute_s = 0.0  # before that no receipt of another chain is believed
        self._hearing = Hearing(health, self._claims, clock, settings.receipt_s)
        self._birth_topic = birth_topic(settings.tenant, settings.gateway)
        self._receipt_topic = receipt_topic(settings.tenant, settings.gateway)
        self.pace = Pace(clock.monotonic())

    def step(self, now_s: float) -> float:
        """Do one thing and return when to be called again, by the monotonic clock.

        Time: a network turn waits at most `look_s`; connecting takes at most 20 s in all, but for the look-up of the
        broker's name, which only the system's resolver bounds.
        """
        try:
            wake_s = self._step(now_s)
        except StoreError as exc:
            self._note_store(exc)
            self._drop()
            return self._clock.monotonic() + _STORE_PAUSE_S
        if self._clock.monotonic() >= self._store_bad_s:
            self._claims.settle("store_works", None)
        return wake_s

    def _note_store(self, exc: StoreError) -> None:
        self._claims.settle("store_works", exc)
        if exc.code == _DAMAGED:
            self._work.begin_mending()
        self._store_bad_s = self._clock.monotonic() + 2 * _STORE_PAUSE_S

    def stop(self) -> None:
        """Say goodbye: the birth is replaced by the hint that the will would have left."""
        if self._link is not None:
            try:
                self._link.publish(self._birth_topic, WILL, qos=1, retain=True)
            except ForwardError as exc:
                _LOG.info("%s", exc)
            self._link.disconnect()
        self._forget_link()

    # What commands ask for; called between two steps, by the thread that steps

    def seal_now(self) -> bool:
        """Seal one batch of what waits, though none is due; return False if nothing was sealed. Raises StoreError."""
        before = self._outbox.head()
        now_s = self._clock.monotonic()
        self._take_in(self._work.seal_now(now_s), now_s)
        return self._outbox.head() != before

    def birth(self) -> bytes:
        """Return the signed birth, as things stand now."""
        state = state_of(self._outbox, self._clock, self._health, self._box())
        birth = birth_of(self._settings, self._outbox, self._clock, state)
        return sign_birth(birth, self._signer)

    def take_carried(self, payload: bytes) -> Accepted:
        """Apply a receipt that came on a stick, with all its checks. Raises MessageError, with nothing changed."""
        accepted = accept_receipt(
            payload,
            self._outbox,
            self._centre,
            self._settings.gateway,
            may_dispute=self._clock.monotonic() >= self._dispute_s,
            is_carried=True,
        )
        self._health.count("receipts_carried")
        self._apply(accepted)
        if self._link is not None and self._is_ready and accepted.new_epoch is not None:
            self._publish_birth(self._link)
        return accepted

    def _step(self, now_s: float) -> float:
        self._look(now_s)
        work = self._work.next_work(now_s)
        if work is not None and not self._has_worked:
            self._has_worked = True  # a network turn comes between two pieces of work
            under_way = self._window.keys() if self._is_ready else frozenset()
            try:
                self._take_in(self._work.do(work, now_s, under_way), now_s)
            except StoreError as exc:  # what is sealed already is sent meanwhile, and its receipts make room
                self._note_store(exc)
                self._work.hold(work, now_s + _STORE_PAUSE_S)
            return now_s
        self._has_worked = False
        if self._link is None:
            if not self._settings.endpoints:
                return self._next_wake_s()
            if now_s < self._retry.due_s:
                return self._next_wake_s(self._retry.due_s)
            self._connect(self._retry.endpoint)
        else:
            try:
                self._turn(self._link, now_s)
            except ForwardError as exc:
                self._lose(exc)
        return self._clock.monotonic()

    def _take_in(self, done: Done, now_s: float) -> None:
        """Let the window know what was done in the store."""
        for key in done.moved:
            self._window.drop(key)
        if done.sealed is not None:
            self.pace.note(now_s, sealed=1)
            if not (self._is_ready and self._window.add_live(_parcel(done.sealed, LIVE))):
                self._is_searched = False
        if done.is_more:
            self._is_searched = False
        if done.is_birth_due and self._link is not None and self._is_ready:
            self._tell_birth(self._link)

    def _next_wake_s(self, *others: float) -> float:
        due_s = self._work.next_due_s()
        return min([self._look_s, *others, *([] if due_s is None else [due_s])])

    def _look(self, now_s: float) -> None:
        """Ask the store whether somebody wrote, at most every `look_s`."""
        if now_s < self._look_s:
            return
        self._look_s = now_s + self._settings.look_s
        news = self._outbox.news()
        if news != self._news:
            self._news = news
            self._work.look(now_s)
        self._work.look_at_room()

    # The connection

    def _connect(self, url: str) -> None:
        try:
            link = self._make_link(url, (self._birth_topic, WILL, 1, True))
            self._link = link
            link.connect()
            link.subscribe([(self._receipt_topic, 1)])
            self._publish_birth(link)
        except ForwardError as exc:
            self._lose(exc)
            return
        self._health.count("connections")
        self._connected_s = self._clock.monotonic()
        self._deadline_s = self._connected_s + self._settings.answer_s
        if link.is_plain:
            self._claims.settle("broker_encrypted", ForwardError("E-FWD-209", url=url))
        else:
            self._claims.settle("broker_encrypted", None)

    def _tell_birth(self, link: BrokerLink) -> None:
        """Publish the birth beside the network turn; the next connection begins with one anyway."""
        try:
            self._publish_birth(link)
        except ForwardError as exc:
            _LOG.info("%s", exc)

    def _publish_birth(self, link: BrokerLink) -> None:
        self._is_birth_due = self._given.is_full  # then it goes as soon as the broker takes something
        if not self._is_birth_due:
            self._birth_s = self._clock.monotonic() + self._settings.birth_s
            self._given.add(link.publish(self._birth_topic, self.birth(), qos=1, retain=True))

    def _lose(self, reason: EdgeError) -> None:
        """Note that the connection is gone, or was not made: the next endpoint is tried after a pause."""
        self._claims.settle("broker_reachable", reason)
        self._hearing.note_lost(reason, self._clock.monotonic(), has_stood=self._is_ready)
        self._health.count("connections_lost" if self._is_ready else "connections_failed")
        now_s = self._clock.monotonic()
        self._retry.note_failure(now_s, now_s - self._connected_s if self._is_ready else 0.0, self._rng.random())
        self._drop()

    def _drop(self) -> None:
        if self._link is not None:
            self._link.close()
        self._forget_link()

    def _forget_link(self) -> None:
        self._link = None
        self._is_ready = False
        self._given.clear()
        self._is_birth_due = False
        self._hearing.forget_silence()
        self._window.mark_lost()
        self._is_searched = False

    # One network turn

    def _turn(self, link: BrokerLink, now_s: float) -> None:
        for event in link.step(self._patience_s(now_s)):
            self._take(link, event)
        now_s = self._clock.monotonic()
        if self._is_ready:
            self._load()
            self._send(link, now_s)
            self._hearing.watch(now_s, len(self._window))
        elif now_s >= self._deadline_s:
            raise ForwardError("E-FWD-108", topic=self._receipt_topic)

    def _patience_s(self, now_s: float) -> float:
        """Return how long the network may be waited for: not at all if something is to be sent."""
        may_send = self._is_ready and not self._given.is_full
        if may_send and self._window.next_parcel(now_s) is not None:
            return 0.0
        timer_s = self._window.next_due_s() if may_send else None
        return max(0.0, self._next_wake_s(*([] if timer_s is None else [timer_s])) - now_s)

    def _take(self, link: BrokerLink, event: Event) -> None:
        match event:
            case Disconnected(reason):
                raise reason or ForwardError("E-FWD-106", host="-", port="-", detail="closed")
            case Connected(_, receive_maximum):
                self._given.limit = receive_maximum
            case Subscribed(_, refused) if refused:
                raise ForwardError("E-FWD-132", topics=", ".join(refused))
            case Subscribed():
                self._is_ready = True
                self._health.seen("connected")
                self._claims.settle("broker_reachable", None, "connected")
            case Published(mid, refused):
                self._note_published(mid, refused=refused)
            case Received(topic, payload, token, is_retained):
                if topic == self._receipt_topic:
                    self._take_receipt(link, payload, is_live=not is_retained)
                link.acknowledge(token)

    def _note_published(self, mid: int, *, refused: bool) -> None:
        """Note that the broker took or refused a message: neither releases it; a refused one has the long timer."""
        key = self._given.take(mid)
        if refused:
            self._health.count("messages_refused")
            _LOG.warning("%s", ForwardError("E-FWD-133"))
        elif key is not None:
            self._window.mark_acknowledged(key, self._clock.monotonic(), self._rng.random())

    def _load(self) -> None:
        """Fill the window from the store, a page a turn."""
        if self._is_searched or not self._window.room():
            return
        try:
            page = self._outbox.unstored(self._window.cursor, self._window.size)
        except StoreError as exc:  # what is under way goes on, and so do live batches; the bad one is mended meanwhile
            self._note_store(exc)
            self._is_searched = True
            return
        self._window.load(_parcel(sealed, EVENTS if sealed.lane == EVENTS else BACKLOG) for sealed in page)
        self._is_searched = len(page) < self._window.size

    def _send(self, link: BrokerLink, now_s: float) -> None:
        if self._is_birth_due or now_s >= self._birth_s:
            self._publish_birth(link)
        while not self._given.is_full and (parcel := self._window.next_parcel(now_s)) is not None:
            topic = batch_topic(self._settings.tenant, self._settings.gateway, parcel.lane)
            mid = link.publish(topic, parcel.envelope, qos=1)
            self._given.add(mid, parcel.key)
            self._window.mark_sent(parcel.key, now_s)
            self._health.count("batches_sent")
            self._hearing.note_sent(now_s)

    # Receipts

    def _take_receipt(self, link: BrokerLink, payload: bytes, *, is_live: bool) -> None:
        try:
            accepted = accept_receipt(
                payload,
                self._outbox,
                self._centre,
                self._settings.gateway,
                may_dispute=self._clock.monotonic() >= self._dispute_s,
            )
        except MessageError as exc:
            self._hearing.note_refused(exc)
            return
        covers = self._window.covers_sent(accepted.confirmed)
        self._apply(accepted)
        self._hearing.note_receipt(
            accepted.issued_at,
            is_live=is_live and accepted.is_news,
            is_confirming=accepted.is_news and (is_live or covers),
            is_waiting=len(self._window) > 0,
        )
        if accepted.new_epoch is not None or accepted.is_new_run or self._is_to_answer(accepted):
            self._publish_birth(link)

    def _is_to_answer(self, accepted: Accepted) -> bool:
        """Return whether the centre is to be told again where the epochs stand, as it asks for what is not there."""
        now_s = self._clock.monotonic()
        if not accepted.asks_in_vain or not accepted.is_news or now_s < self._answer_s:
            return False
        self._answer_s = now_s + _ANSWER_EVERY_S
        return True

    def _apply(self, accepted: Accepted) -> None:
        """Do what follows from a receipt that the store has taken."""
        now_s = self._clock.monotonic()
        self.pace.note(now_s, released=accepted.stored + accepted.rejected)
        self._window.apply_receipt(accepted.confirmed)
        self._is_searched = False
        tell_receipt(self._health, self._claims, accepted)
        self._work.tell()
        if accepted.is_disputed:
            self._work.begin_resealing()
        if accepted.new_epoch is not None:
            self._dispute_s = now_s + self._settings.dispute_s
        if accepted.is_held or accepted.is_disputed or now_s >= self._dispute_s:
            self._claims.settle("centre_is_one", ForwardError("E-FWD-213") if accepted.is_held else None)
        if accepted.new_epoch is not None:
            self._work.look(now_s)  # the plan goes out again


def _parcel(sealed: Sealed, lane: int) -> Parcel:
    return Parcel((sealed.epoch, sealed.seq), lane, sealed.envelope)
