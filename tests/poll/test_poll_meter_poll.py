"""One poll of one meter: tries, fall-backs, faults and reasons, on a scripted protocol."""

from decimal import Decimal

import pytest

from edge.poll.meter_poll import MeterPoll
from edge.protocols.exchange import ANY_METER, PlanTerms, Proof, Request, Timing
from edge.reading.outcome import (
    Answer,
    BadChecksum,
    Collision,
    Item,
    Malformed,
    PortGone,
    Refused,
    Silence,
    WrongAddress,
)
from edge.reading.verdict import SlotReason, Verdict

METER = "202311000001"
VOLTS = ("voltage_l1", "voltage_l2", "voltage_l3")


class ScriptedDriver:
    """Reads voltages as a block and everything else singly; knows no frequency."""

    name = "scripted"

    def requests_for(self, keys, terms=ANY_METER):
        unknown = tuple(key for key in keys if key == "frequency")
        known = [key for key in keys if key not in unknown]
        volts = tuple(key for key in known if key in VOLTS)
        requests = []
        if len(volts) > 1 and "block" not in terms.avoid:
            requests.append(Request("block", volts))
            known = [key for key in known if key not in volts]
        requests += [Request(key, (key,)) for key in known]
        return tuple(requests), unknown

    def read(self, address, request, timing, late_from=frozenset()):
        self.late_from = late_from
        return (address, request.identifier)

    def is_unlisted(self, identifier):
        return False

    def tariffs_in(self, identifier, items):
        return None

    def expected_size(self, identifier, terms=ANY_METER):
        return 6

    def judge(self, identifier, items):
        raise AssertionError

    def find(self, pattern, timing):
        raise AssertionError


def poll(*keys, tries=2, refused=()):
    return MeterPoll(METER, keys, ScriptedDriver(), Timing(), tries, PlanTerms(avoid=frozenset(refused)))


def answer(**values):
    items = tuple(Item(key, key, value if value is None else Decimal(value), "V") for key, value in values.items())
    return Answer(address=METER, items=items, response_ms=30)


def test_a_healthy_meter_is_read():
    """Values come by key, exact, and nothing is missing."""
    one = poll("voltage_l1", "current_l1")
    one.take(answer(voltage_l1="230.10"))
    one.take(answer(current_l1="5.000"))
    assert one.is_done
    assert {"voltage_l1": Decimal("230.10"), "current_l1": Decimal("5.000")} == one.values
    assert "230.10" == str(one.values["voltage_l1"])
    assert one.reason is None
    assert {} == one.faults


def test_power_comes_in_its_own_unit():
    """kW on the wire is W in the reading, digit for digit."""
    one = poll("power_active_total")
    item = Item("power_active_total", "02030000", Decimal("-0.2600"), "kW")
    one.take(Answer(address=METER, items=(item,)))
    assert "-260.0" == str(one.values["power_active_total"])


def test_a_dead_meter_is_asked_only_its_tries():
    """The first request without an answer ends the poll: nothing more is asked of a silent meter."""
    one = poll("voltage_l1", "current_l1", "power_active_total")
    one.take(Silence())
    assert not one.is_done
    one.take(Silence())
    assert one.is_done
    assert SlotReason.SILENCE == one.reason
    assert {"voltage_l1", "current_l1", "power_active_total"} == set(one.faults)


def test_a_second_try_saves_the_reading():
    """A damaged answer is asked again."""
    one = poll("voltage_l1")
    one.take(BadChecksum(raw=b"\x68"))
    one.take(answer(voltage_l1="230.1"))
    assert one.is_done
    assert one.reason is None
    assert 2 == one.read["voltage_l1"].tries


@pytest.mark.parametrize("refusal", [Refused(code="02"), Malformed(reason="length")])
def test_a_refused_block_falls_back_to_singles(refusal):
    """Singles replace the block at once, and the block is remembered."""
    one = poll(*VOLTS)
    assert "block" == one.request.identifier
    one.take(refusal)
    assert ["voltage_l1", "voltage_l2", "voltage_l3"] == [request.identifier for request in one._waiting]
    assert {"block"} == one.refused
    for key in VOLTS:
        one.take(answer(**{key: "230.1"}))
    assert one.is_done
    assert 3 == len(one.values)


def test_a_remembered_block_is_not_asked():
    """What the meter refused before is not tried again."""
    assert "voltage_l1" == poll(*VOLTS, refused=("block",)).request.identifier


def test_a_refused_item_is_a_fault_of_that_item_alone():
    """One unsupported item does not cost the others."""
    one = poll("voltage_l1", "current_l1")
    one.take(Refused(code="02", reasons=("no requested data",)))
    one.take(answer(current_l1="5.000"))
    assert {"voltage_l1": SlotReason.REFUSED} == one.faults
    assert {"voltage_l1": 1} == one.tried
    assert one.reason is None
    assert "no requested data" in one.details["voltage_l1"]


def test_a_meter_that_refuses_everything_is_missing():
    """Without a single value the slot is missing, and the reason is the refusal."""
    one = poll("voltage_l1", "current_l1")
    one.take(Refused(code="02"))
    one.take(Refused(code="02"))
    assert SlotReason.REFUSED == one.reason


def test_the_most_telling_try_gives_the_reason():
    """A collision once and a silence once is a collision."""
    one = poll("voltage_l1")
    one.take(Collision(raw=b"\x68\x68"))
    one.take(Silence())
    assert SlotReason.COLLISION == one.reason
    assert Verdict.COLLISION == one.verdict
    other = poll("voltage_l1")
    other.take(Silence())
    other.take(WrongAddress(address="999999999991"))
    assert SlotReason.WRONG_ADDRESS == other.reason


def test_a_meter_that_stops_answering_loses_only_what_was_not_read():
    """What was read before stays; what failed is a fault with its reason."""
    one = poll("voltage_l1", "current_l1", tries=1)
    one.take(answer(voltage_l1="230.1"))
    one.take(Silence())
    assert one.is_done
    assert one.reason is None
    assert {"current_l1": SlotReason.SILENCE} == one.faults


def test_a_lost_port_ends_the_poll_at_once():
    """No second try on a port that has gone."""
    one = poll("voltage_l1", "current_l1", tries=5)
    one.take(PortGone())
    assert one.is_done
    assert SlotReason.PORT_GONE == one.reason


def test_an_item_without_an_identifier_is_named():
    """The protocol cannot read it: the fault says so, the rest is read."""
    one = poll("frequency", "voltage_l1")
    one.take(answer(voltage_l1="230.1"))
    assert {"frequency": SlotReason.UNKNOWN_ITEM} == one.faults


def test_a_shorter_block_leaves_absent_values():
    """A key that the block did not bring is absent at the meter: null, no fault."""
    one = poll(*VOLTS)
    one.take(answer(voltage_l1="230.1"))
    assert {"voltage_l1": Decimal("230.1"), "voltage_l2": None, "voltage_l3": None} == one.values
    assert {} == one.faults


def test_raw_identifiers_keep_their_name():
    """What was asked by identifier is stored under that identifier, with its unit."""
    one = poll("di:02010100")
    one.take(Answer(address=METER, items=(Item("voltage_l1", "02010100", Decimal("230.1"), "V"),)))
    assert {"di:02010100": Decimal("230.1")} == one.values
    assert {"di:02010100": "V"} == one.units


def test_further_fields_of_an_item_are_kept():
    """The time of a demand stands beside it under key.time."""
    one = poll("demand_active_import_max_total")
    items = (
        Item("demand_active_import_max_total", "01010000", Decimal("1.2345"), "kW"),
        Item("demand_active_import_max_total.time", "01010000", "2601011230", ""),
    )
    one.take(Answer(address=METER, items=items))
    assert "2601011230" == one.values["demand_active_import_max_total.time"]


TOTALS = ("power_active_total", "power_factor_total")


class TotalsDriver(ScriptedDriver):
    """Reads both totals by a block that stands in no table; `proof` is what its values say by themselves."""

    def __init__(self, proof):
        self.proof = proof

    def requests_for(self, keys, terms=ANY_METER):
        if terms.with_unlisted and set(TOTALS) <= set(keys) and "totals" not in terms.avoid:
            return (Request("totals", TOTALS),), ()
        return tuple(Request(key, (key,)) for key in keys), ()

    def is_unlisted(self, identifier):
        return identifier == "totals"

    def judge(self, identifier, items):
        return self.proof


def totals_poll(proof, proven=()):
    terms = PlanTerms(with_unlisted=True)
    return MeterPoll(METER, TOTALS, TotalsDriver(proof), Timing(), 2, terms, proven=set(proven))


def totals(active="1.5000", factor="0.950"):
    power = Item("power_active_total", "02030000", Decimal(active), "kW")
    return Answer(address=METER, items=(power, Item("power_factor_total", "02060000", Decimal(factor), "")))


def alone(key, value, unit=""):
    return Answer(address=METER, items=(Item(key, key, Decimal(value), unit),))


def test_a_block_in_no_table_that_proves_itself_is_kept():
    """Its values fit each other: they count, and the block is proven."""
    one = totals_poll(Proof.HOLDS)
    one.take(totals())
    assert one.is_done
    assert {"power_active_total": Decimal("1500.0"), "power_factor_total": Decimal("0.950")} == one.values
    assert {"totals"} == one.proven


@pytest.mark.parametrize(
    ("power", "factor", "proven", "refused"),
    [("1.5100", "0.950", {"totals"}, set()), ("9.5000", "0.950", set(), {"totals"})],
)
def test_a_block_that_may_be_is_compared_with_single_reads(power, factor, proven, refused):
    """What was read alone counts; whether the block said the same decides about the block."""
    one = totals_poll(Proof.OPEN)
    one.take(totals())
    one.take(alone("power_active_total", power, "kW"))
    one.take(alone("power_factor_total", factor))
    assert one.is_done
    assert Decimal(power) * 1000 == one.values["power_active_total"]
    assert (proven, refused) == (one.proven, one.refused)


def test_zeros_prove_nothing():
    """An idle meter shows zeros whatever it means by the block: it is compared again when there is power."""
    one = totals_poll(Proof.OPEN)
    one.take(totals("0.0000", "0.000"))
    one.take(alone("power_active_total", "0.0000", "kW"))
    one.take(alone("power_factor_total", "0.000"))
    assert one.is_done
    assert (set(), set()) == (one.proven, one.refused)


def test_a_proven_block_is_kept_while_nothing_can_be_told():
    """An idle meter proves nothing new."""
    one = totals_poll(Proof.OPEN, proven=["totals"])
    one.take(totals())
    assert one.is_done
    assert 2 == len(one.values)


def test_a_block_that_cannot_be_totals_is_read_alone():
    """Not even a proven one: another firmware may have come."""
    one = totals_poll(Proof.BROKEN, proven=["totals"])
    one.take(totals())
    assert {"totals"} == one.refused
    assert set() == one.proven
    assert ["power_active_total", "power_factor_total"] == [request.identifier for request in one._waiting]


def noisy_poll(*keys):
    return MeterPoll(METER, keys, ScriptedDriver(), Timing(), 3, needs_two=True)


def test_on_a_noisy_line_two_answers_have_to_agree():
    """A damaged answer whose checksum holds by chance does not count."""
    one = noisy_poll("energy_active_import_total")
    for value in ("1234.56", "1235.56", "1235.57"):
        assert not one.is_done
        one.take(alone("energy_active_import_total", value, "kWh"))
    assert one.is_done
    assert {"energy_active_import_total": Decimal("1235.57")} == one.values


def test_answers_that_never_agree_are_damage():
    """Nothing is guessed."""
    one = noisy_poll("energy_active_import_total")
    for value in range(1, 9):
        if not one.is_done:
            one.take(alone("energy_active_import_total", f"{value * 1000}.00", "kWh"))
    assert SlotReason.BAD_CHECKSUM == one.reason
    assert {} == one.values


def test_a_try_that_was_unheard_may_still_be_answered():
    """The next try of the same request knows that its own meter owes an answer; the next request does not."""
    one = poll("voltage_l1", "current_l1")
    seen = []
    for outcome in (Silence(), answer(voltage_l1="230.1"), answer(current_l1="5.000")):
        one.next_exchange()
        seen.append(one.driver.late_from)
        one.take(outcome)
    assert [frozenset(), frozenset({METER}), frozenset()] == seen


def test_a_refusal_of_a_meter_that_owes_an_answer_is_not_remembered():
    """It may refuse an earlier question: single reads follow, but the block is asked for again at the next poll."""
    one = poll(*VOLTS)
    one.take(Silence())
    one.take(Refused(code="02", is_lasting=True))
    for key in VOLTS:
        assert key == one.request.identifier
        one.take(answer(**{key: "230.1"}))
    assert set(VOLTS) == set(one.values)
    assert set() == one.refused
