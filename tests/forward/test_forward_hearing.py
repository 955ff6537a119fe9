"""What the forwarder says of the centre and the broker, from what comes from there."""

from dataclasses import replace
from datetime import timedelta

import pytest

from edge.clock import ClockTrust
from edge.errors import ForwardError
from edge.messages.receipt import EpochReceipt, Receipt, sign_receipt
from edge.messages.signing import Ed25519Signer
from edge.mqtt.link import Disconnected
from edge.reading.chain import GENESIS
from tests.forward.forward_tools import AT, CENTRE_KEY, GATEWAY, RECEIPTS, Bench


def receipt(bench: Bench, *, n: int = 1, after_s: float = 0.0, signer: Ed25519Signer = CENTRE_KEY) -> bytes:
    """Return a receipt that covers nothing, issued so long after now by the gateway's clock."""
    at = bench.clock.utc_now() + timedelta(seconds=after_s)
    state = EpochReceipt(bench.outbox.head().epoch, 0, 0, GENESIS)
    return sign_receipt(Receipt(GATEWAY, b"run----1", n, at, "commit", (state,)), signer)


def test_what_the_broker_had_kept_does_not_make_the_centre_confirm(bench):
    """A receipt from before the connection that covers nothing of ours: who knows whether the centre still runs."""
    bench.broker.retained[RECEIPTS] = receipt(bench)
    bench.poll(1)
    bench.run(60)
    assert 1 == bench.counter("receipts")
    assert ("unknown", None) == bench.condition("centre_confirms")
    bench.run(120)
    assert ("no", "E-FWD-205") == bench.condition("centre_confirms")
    bench.send_receipt(receipt(bench, n=2))
    assert ("yes", None) == bench.condition("centre_confirms")


def test_a_kept_receipt_that_covers_what_we_sent_confirms(bench):
    """It came while the connection was down, and can only have been made after our batch."""
    bench.poll(1)
    bench.until(bench.broker.envelopes)
    bench.broker.is_up = False
    bench.broker.break_connections()
    bench.run(5)
    bench.centre.accept(bench.broker.envelopes()[0])
    bench.broker.retained[RECEIPTS] = bench.centre.receipt()
    bench.broker.is_up = True
    bench.run(600)
    assert 0 == bench.outbox.counts().unsent
    assert ("yes", None) == bench.condition("centre_confirms")


def test_a_flood_of_forged_receipts_leaves_few_lines(bench, caplog):
    """The first, the tenth, the hundredth; a condition with the count, which ends an hour after the last."""
    bench.run(5)
    assert ("yes", None) == bench.condition("receipts_sound")
    for n in range(1, 151):
        bench.broker.deliver(RECEIPTS, receipt(bench, n=n, signer=Ed25519Signer(b"x" * 32)))
        bench.run(1)
    lines = [one for one in caplog.messages if "receipt refused" in one]
    assert ["1", "10", "100"] == [line.split(", ")[1].split()[0] for line in lines]
    assert ("no", "E-FWD-218") == bench.condition("receipts_sound")
    assert 150 == bench.health.snapshot()["conditions"]["receipts_sound"]["values"]["count"]
    bench.run(3700)
    assert ("yes", None) == bench.condition("receipts_sound")


def test_an_old_receipt_that_comes_again_is_no_condition(bench):
    """Brokers do that."""
    bench.run(5)
    bench.send_receipt(receipt(bench, n=5))
    bench.send_receipt(receipt(bench, n=4))
    assert 1 == bench.counter("receipts_refused_E-MSG-402")
    assert ("yes", None) == bench.condition("receipts_sound")


@pytest.mark.parametrize(
    ("after_s", "condition"),
    [(-400 * 86400, ("no", "E-FWD-219")), (400, ("no", "E-FWD-219")), (-200, ("yes", None)), (200, ("yes", None))],
)
def test_a_clock_that_is_far_from_the_centres_is_told(bench, after_s, condition):
    """A box that calls its clock synchronised may be wrong all the same; it ends when they agree."""
    bench.run(5)
    bench.send_receipt(receipt(bench, after_s=after_s))
    assert condition == bench.condition("clock_agrees")
    bench.send_receipt(receipt(bench, n=2))
    assert ("yes", None) == bench.condition("clock_agrees")


@pytest.mark.parametrize(("after_s", "condition"), [(-4000, ("unknown", None)), (4000, ("no", "E-FWD-219"))])
def test_a_kept_receipt_may_be_old_but_not_of_the_future(bench, after_s, condition):
    """The broker may have had it for days."""
    bench.broker.retained[RECEIPTS] = receipt(bench, after_s=after_s)
    bench.run(5)
    assert condition == bench.condition("clock_agrees")


def test_a_box_without_a_trusted_clock_is_not_compared(bench):
    """It says so itself."""
    bench.clock.trusted = ClockTrust.NONE
    bench.run(5)
    bench.send_receipt(receipt(bench, after_s=4000))
    assert ("unknown", None) == bench.condition("clock_agrees")


def test_a_broker_that_says_so_names_the_copy_at_once(bench):
    """MQTT 5: another client took the session over. The condition outlasts the next connection by half an hour."""
    bench.run(5)
    (link,) = bench.broker.links
    link.is_connected = False
    link.events.append(Disconnected(ForwardError("E-FWD-135", host="h", port=1)))
    bench.run(60)
    assert ("yes", None) == bench.condition("broker_reachable")
    assert ("no", "E-FWD-217") == bench.condition("id_is_ours")
    bench.run(1900)
    assert ("yes", None) == bench.condition("id_is_ours")


def test_connections_that_end_again_and_again_are_told(bench):
    """MQTT 3.1.1 has no word for it; the fifth within half an hour is a condition, four are not."""
    for number in range(1, 6):
        bench.run(120)
        bench.broker.break_connections()
        bench.run(60)
        assert ("no" if number == 5 else "yes") == bench.condition("id_is_ours")[0]


def test_rejected_batches_are_a_condition_and_those_that_moved_are_not(bench):
    """What `edge backlog` lists is what `edge status` complains of: what lives on under another number is neither."""
    bench.poll(1)
    bench.until(bench.broker.envelopes)
    epoch = bench.outbox.head().epoch
    bench.send_receipt(bench.centre.receipt(EpochReceipt(epoch, 7, 0, b"\x55" * 32)))
    bench.run(60)
    bench.confirm()
    assert 1 == bench.counter("batches_resealed")
    assert ([True], 0) == ([one.is_moved for one in bench.outbox.quarantine()], bench.outbox.counts().quarantined)
    assert ("yes", None) == bench.condition("batches_accepted")
    bench.poll(2)
    bench.until(lambda: bench.outbox.counts().unsent == 1)
    state = bench.centre.state_of(bench.outbox.head().epoch)
    bench.send_receipt(bench.centre.receipt(replace(state, rejected=((2, "unreadable"),))))
    assert ("no", "E-FWD-206") == bench.condition("batches_accepted")
    assert ["unreadable"] == [one.reason for one in bench.outbox.quarantine() if not one.is_moved]
    bench.start()
    bench.run(5)
    assert ("no", "E-FWD-206") == bench.condition("batches_accepted")


def test_a_new_epoch_for_another_chain_stays_to_be_seen_for_a_day(bench):
    """The receipts of a copy of this box: one line in the log would be missed. It outlasts a restart."""
    bench.poll(1)
    bench.until(bench.broker.envelopes)
    assert ("yes", None) == bench.condition("numbers_are_ours")
    wrong = EpochReceipt(bench.outbox.head().epoch, 7, 0, b"\x55" * 32)
    bench.send_receipt(bench.centre.receipt(wrong))
    assert ("no", "E-FWD-204") == bench.condition("numbers_are_ours")
    bench.start()
    bench.run(5)
    assert ("no", "E-FWD-204") == bench.condition("numbers_are_ours")
    bench.clock.advance(86500)
    bench.poll(2)
    bench.run(5)
    assert ("yes", None) == bench.condition("numbers_are_ours")
    assert bench.clock.utc_now() > AT
