"""The window of what is under way: only receipts release, the size holds, and everything gets there in the end."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.forward.outbox import NEXT, Confirmed, Happening, Parcel, SendWindow, State

EPOCH = b"epoch--1"


def parcel(seq: int, epoch: bytes = EPOCH) -> Parcel:
    """Return a batch."""
    return Parcel((epoch, seq), 2, bytes([seq % 256]))


def under_way(window: SendWindow) -> list[tuple[bytes, int]]:
    """Return what was sent on this connection and has no receipt."""
    return [key for key, one in window._entries.items() if one.state is not State.WAITING]


def sent(window: SendWindow, now_s: float) -> list[int]:
    """Send all that is to be sent now and return the numbers."""
    numbers = []
    while (one := window.next_parcel(now_s)) is not None:
        window.mark_sent(one.key, now_s)
        numbers.append(one.key[1])
    return numbers


def test_the_table_of_states_is_complete():
    """Each state knows what each happening does to it, and the broker's word ends none."""
    assert {(state, happening) for state in State for happening in Happening} == set(NEXT)


def test_the_brokers_acknowledgement_releases_nothing():
    """A batch that the broker acknowledged still holds its place and is sent again when its timer runs out."""
    window = SendWindow(1, 30, 120)
    window.load([parcel(1), parcel(2)])
    assert [1] == sent(window, 0)
    window.mark_acknowledged((EPOCH, 1), 1, 0)
    assert window.room() == 0
    assert (EPOCH, 1) == window.cursor
    assert sent(window, 30.9) == []
    assert window.next_due_s() == 31
    assert [1] == sent(window, 31)


def test_the_pause_before_sending_again_grows_to_its_bound():
    """Each unanswered sending doubles the pause, up to the longest; the jitter lengthens it."""
    window = SendWindow(4, 30, 100)
    window.load([parcel(1)])
    now, pauses = 0.0, []
    for _ in range(4):
        assert [1] == sent(window, now)
        window.mark_acknowledged((EPOCH, 1), now, 0.5)
        due = window.next_due_s()
        pauses.append(due - now)
        now = due
    assert pauses == [45, 90, 150, 150]


def test_without_an_acknowledgement_only_the_longest_timer_runs():
    """On a slow line nothing is put behind itself: what the broker has not taken yet waits for the longest timer."""
    window = SendWindow(4, 30, 100)
    window.load([parcel(1)])
    sent(window, 0)
    assert sent(window, 99) == []
    assert [1] == sent(window, 100)


def test_a_lost_connection_puts_everything_back():
    """After a disconnect nothing is under way, and the next connection sends it at once."""
    window = SendWindow(4, 30, 100)
    window.load([parcel(1), parcel(2)])
    sent(window, 0)
    window.mark_acknowledged((EPOCH, 1), 0, 0)
    window.mark_lost()
    assert under_way(window) == []
    assert [1, 2] == sent(window, 1)


def test_live_goes_before_the_backlog():
    """A live batch overtakes what waits, finds room in a window that the backlog filled, and cannot fill it."""
    window = SendWindow(8, 30, 100)
    window.load(parcel(seq) for seq in range(1, 20))
    assert len(window) == 6
    assert [True, True, False] == [window.add_live(parcel(seq)) for seq in (20, 21, 22)]
    assert [20, 21, 1, 2, 3, 4, 5, 6] == sent(window, 0)
    empty = SendWindow(8, 30, 100)
    assert [True] * 4 + [False] == [empty.add_live(parcel(seq)) for seq in range(5)]
    assert empty.room() == 4


def test_a_receipt_takes_out_what_is_stored_or_rejected():
    """Up to `stored` and what was rejected leaves the window, the rest stays."""
    window = SendWindow(8, 30, 100)
    window.load(parcel(seq) for seq in range(1, 6))
    sent(window, 0)
    window.apply_receipt([Confirmed(EPOCH, 2, (), frozenset({4}))])
    assert [(EPOCH, 3), (EPOCH, 5)] == under_way(window)


def test_a_receipt_of_another_epoch_takes_out_nothing():
    """The same numbers of another epoch are other batches."""
    window = SendWindow(8, 30, 100)
    window.load([parcel(1), parcel(1, b"epoch--2")])
    window.apply_receipt([Confirmed(b"epoch--2", 1)])
    assert [1] == sent(window, 0)
    assert [(EPOCH, 1)] == under_way(window)


def test_what_the_centre_holds_above_a_gap_leaves_room_and_comes_back_if_it_is_lost():
    """A held batch is not sent again, until a later receipt no longer holds it."""
    window = SendWindow(8, 30, 100)
    window.load(parcel(seq) for seq in range(1, 5))
    sent(window, 0)
    window.apply_receipt([Confirmed(EPOCH, 1, ((2, 3),))])
    assert [2, 3] == [seq for _, seq in under_way(window)]
    window.load(parcel(seq) for seq in range(1, 5))
    assert (EPOCH, 4) == window.cursor
    assert sent(window, 1) == []
    window.apply_receipt([Confirmed(EPOCH, 0)])
    assert window.cursor is None
    window.load(parcel(seq) for seq in range(1, 5))
    assert {1, 2, 3, 4} == {seq for _, seq in under_way(window)} | set(sent(window, 1))


@pytest.mark.parametrize(
    ("stored", "missing", "held"),
    [
        (0, (), []),
        (5, (), []),
        (5, ((7, 8),), [6, 9]),
        (5, ((6, 6), (9, 12)), [7, 8, 13]),
        (0, ((1, 1),), [2]),
    ],
)
def test_what_is_held_follows_from_the_gaps(stored, missing, held):
    """Between the gaps and just above the last one the centre must have it; further up nobody knows."""
    confirmed = Confirmed(EPOCH, stored, missing)
    assert held == [seq for seq in range(1, 20) if confirmed.is_held(seq)]


@given(st.sets(st.integers(1, 12)), st.sets(st.integers(1, 12)))
def test_lacking_is_told_by_ranges_as_by_numbers(before, after):
    """`has_all_of` says what a comparison number by number would say."""
    old, new = confirmed_of(before), confirmed_of(after)
    had = {seq for seq in range(1, 14) if old.is_done(seq) or old.is_held(seq)}
    has = {seq for seq in range(1, 14) if new.is_done(seq) or new.is_held(seq)}
    assert (had <= has) == new.has_all_of(old)


def confirmed_of(numbers: set[int], epoch: bytes = EPOCH) -> Confirmed:
    """Return the receipt of a centre that has these batches."""
    stored = next(seq for seq in range(len(numbers) + 1) if seq + 1 not in numbers)
    missing: list[tuple[int, int]] = []
    for seq in range(stored + 1, max(numbers, default=0)):
        if seq not in numbers:
            if missing and missing[-1][1] == seq - 1:
                missing[-1] = (missing[-1][0], seq)
            else:
                missing.append((seq, seq))
    return Confirmed(epoch, stored, tuple(missing))


@dataclass
class World:
    """A store, a window, a line that loses and reorders, and a centre that can be put back to an older state."""

    window: SendWindow
    sealed: int = 0
    unstored: list[int] = field(default_factory=list)
    line: list[int] = field(default_factory=list)
    centre: set[int] = field(default_factory=set)
    receipts: list[frozenset[int]] = field(default_factory=list)
    now_s: float = 0.0

    def seal(self) -> None:
        """Seal one more batch while connected."""
        self.sealed += 1
        self.unstored.append(self.sealed)
        self.window.add_live(parcel(self.sealed))

    def seal_apart(self) -> None:
        """Seal one more batch without a connection."""
        self.sealed += 1
        self.unstored.append(self.sealed)

    def load(self) -> None:
        """Load pages until nothing more fits."""
        while self.window.room():
            after = self.window.cursor[1] if self.window.cursor else 0
            page = [seq for seq in self.unstored if seq > after][:3]
            if not page:
                return
            self.window.load(parcel(seq) for seq in page)

    def send(self) -> None:
        """Send all that is to be sent."""
        self.load()
        self.line += sent(self.window, self.now_s)
        assert len(under_way(self.window)) <= self.window.size
        assert len(self.window) <= self.window.size

    def puback(self, which: int) -> None:
        """Let the broker acknowledge one batch."""
        if self.line:
            before = under_way(self.window)
            self.window.mark_acknowledged((EPOCH, self.line[which % len(self.line)]), self.now_s, 0.5)
            assert before == under_way(self.window)

    def lose(self, which: int) -> None:
        """Lose a message after the broker acknowledged it."""
        if self.line:
            del self.line[which % len(self.line)]

    def deliver(self, which: int) -> None:
        """Let one message arrive at the centre, which signs a receipt."""
        if self.line:
            self.centre.add(self.line.pop(which % len(self.line)))
        self.receipts.append(frozenset(self.centre))

    def receive(self, which: int) -> None:
        """Let one of the receipts arrive, in any order: those that are older are refused before, so drop them."""
        if self.receipts:
            index = which % len(self.receipts)
            self.apply(set(self.receipts[index]))
            del self.receipts[: index + 1]

    def apply(self, numbers: set[int]) -> None:
        """Apply a receipt to store and window, as the worker does."""
        confirmed = confirmed_of(numbers)
        self.unstored = list(range(confirmed.stored + 1, self.sealed + 1))
        self.window.apply_receipt([confirmed])
        for seq in self.unstored:
            held = confirmed.is_held(seq)
            passed = self.window.cursor is not None and seq <= self.window.cursor[1]
            inside = (EPOCH, seq) in self.window._entries
            assert held or inside or not passed, f"{seq} would never be offered again"

    def disconnect(self) -> None:
        """Lose the connection and what was on the line."""
        self.window.mark_lost()
        self.line.clear()
        assert under_way(self.window) == []

    def restore(self, keep: int) -> None:
        """Put the centre back to an older state; receipts of before are of an old run and no longer arrive."""
        self.centre = {seq for seq in self.centre if seq <= keep}
        self.receipts = [frozenset(self.centre)]

    def wait(self) -> None:
        """Let time pass."""
        self.now_s += 40


ACTS = ["seal", "seal_apart", "send", "disconnect", "wait"]
NUMBERED = ["puback", "lose", "deliver", "receive", "restore"]
SCRIPT = st.lists(
    st.one_of(st.sampled_from(ACTS).map(lambda name: (name,)), st.tuples(st.sampled_from(NUMBERED), st.integers(0, 9))),
    max_size=60,
)


@settings(max_examples=150)
@given(st.integers(1, 8), SCRIPT)
def test_everything_is_offered_until_it_has_a_receipt(size, script):
    """Whatever is lost, reordered, acknowledged or restored: on a line that then works, all gets a receipt."""
    world = World(SendWindow(size, 30, 120))
    for name, *numbers in script:
        getattr(world, name)(*numbers)
    for _ in range(3 * world.sealed + 10):
        world.now_s += 400
        world.send()
        while world.line:
            world.deliver(0)
        world.apply(world.centre)
    assert world.unstored == []
    assert set(range(1, world.sealed + 1)) == world.centre
    assert len(world.window) == 0


def test_impossible_settings_are_refused():
    """A window without room or with a timer that shrinks is a mistake of the caller."""
    for size, resend_s, longest_s in [(0, 1, 2), (1, 0, 2), (1, 3, 2)]:
        with pytest.raises(ValueError, match="window"):
            SendWindow(size, resend_s, longest_s)
