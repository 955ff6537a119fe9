"""Root causes first: what follows from a condition stands under it, and nothing else does."""

import pytest

from edge.health.causes import CAUSES, merged, troubles_of


def no(code: str, **values: object) -> dict[str, object]:
    return {"answer": "no", "code": code, "since": "2026-11-23T08:00:00+00:00", "values": values}


YES = {"answer": "yes", "code": None, "since": "", "values": {}}
UNKNOWN = {**YES, "answer": "unknown"}


def shape(troubles) -> list:
    """Return the claims of a tree, each with what follows from it."""
    return [(one.claim, shape(one.follows)) if one.follows else one.claim for one in troubles]


def test_a_lost_port_explains_its_own_silent_meters_only():
    """Meters of that bus stand under the port; those of another bus, and a meter's clock, by themselves."""
    conditions = {
        "meter 000000000001": no("E-BUS-213", bus="A"),
        "meter 000000000002": no("E-BUS-213", bus="B"),
        "clock of meter 000000000001": no("E-BUS-234", bus="A"),
        "bus A answers": no("E-BUS-233", bus="A"),
        "port A": no("E-BUS-104"),
        "port B": YES,
    }
    assert [
        ("port A", ["bus A answers", "meter 000000000001"]),
        "clock of meter 000000000001",
        "meter 000000000002",
    ] == shape(troubles_of(conditions))


def test_a_dead_bus_explains_its_meters_when_the_port_is_fine():
    """The nearest cause that is wrong takes the consequence."""
    conditions = {"meter 000000000001": no("E-BUS-213", bus="A"), "bus A answers": no("E-BUS-233"), "port A": YES}
    assert [("bus A answers", ["meter 000000000001"])] == shape(troubles_of(conditions))


def test_no_clock_is_why_sealing_waits_and_the_backlog_grows():
    """A chain of three stands as a chain."""
    conditions = {
        "delivery_current": no("E-FWD-220"),
        "clock_trusted": no("E-FWD-208"),
        "clock_known": no("E-HLT-101"),
        "time_service": no("E-HLT-102"),
    }
    assert [("time_service", [("clock_known", [("clock_trusted", ["delivery_current"])])])] == shape(
        troubles_of(conditions)
    )


def test_a_broker_that_is_not_found_explains_the_backlog():
    """What is not sent cannot be confirmed either."""
    conditions = {"delivery_current": no("E-FWD-220"), "broker_reachable": no("E-FWD-101")}
    assert [("broker_reachable", ["delivery_current"])] == shape(troubles_of(conditions))


@pytest.mark.parametrize(
    ("code", "is_below"), [("E-FWD-116", True), ("E-FWD-101", False)], ids=["refused", "name not found"]
)
def test_a_bad_certificate_explains_only_what_tls_refused(code, is_below):
    """A name that is not resolved has nothing to do with the certificate."""
    found = troubles_of({"certificate_valid": no("E-HLT-162"), "broker_reachable": no(code)})
    assert (["broker_reachable"] if is_below else []) == shape(found[-1].follows)


def test_what_nobody_knows_is_neither_cause_nor_consequence():
    """Only a "no" is trouble."""
    assert () == troubles_of({"port A": UNKNOWN, "store": YES, "bus A answers": UNKNOWN})
    assert ["bus A answers"] == shape(troubles_of({"port A": UNKNOWN, "bus A answers": no("E-BUS-233")}))


def test_the_worse_answer_of_two_halves_counts():
    """A "no" of one half is not hidden by the other's "yes", whichever comes first."""
    bad = {"store_has_room": no("E-STO-116"), "a": UNKNOWN}
    good = {"store_has_room": YES, "a": YES}
    for pair in ([bad, good], [good, bad]):
        assert {"store_has_room": "no", "a": "yes"} == {name: one["answer"] for name, one in merged(pair).items()}


def test_no_circle_can_come_up():
    """Whatever is a cause stands below every row that it follows from."""
    causes = [cause for cause, _ in CAUSES]
    assert len(causes) == len(set(causes))
    for place, (_, effects) in enumerate(CAUSES):
        for name in (effect.partition(":")[0] for effect in effects):
            assert name not in causes[: place + 1]
