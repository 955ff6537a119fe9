"""A share of `make kills`, and proof that its judge sees what it is there for."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from tests.kills import __main__ as command
from tests.kills.judge import Count, Promise, count
from tests.kills.mishaps import PARTS, drawn_fate
from tests.kills.parts import children_of
from tests.kills.site import DEAD, METERS, Tally, running_site
from tests.kills.truth import Truth, load_truth

_SECONDS = 18.0  # two turns of all parts
_READ = "(SELECT ctid FROM poll WHERE counts AND amounts[1] IS NOT NULL ORDER BY slot_at OFFSET 9 LIMIT 1)"


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    """Yield a site that lived through a short run and came to rest, and until when its slots are promised."""
    with running_site(tmp_path_factory.mktemp("kills")) as site:
        site.live_through(drawn_fate(4, _SECONDS))
        yield site, site.come_to_rest()


@pytest.fixture
def judged_after(ended):
    """Return a function that changes the database, judges it, and takes the change back."""
    site, until = ended
    truth = load_truth(site.flow.folder / "answers")
    promise = Promise(meters=METERS, dead=DEAD, until=until, acknowledged=site.tally.acknowledged)

    def run(statement):
        with psycopg.connect(site.database) as db:
            assert db.execute(statement).rowcount > 0
            found = count(db, truth, promise)
            db.rollback()
        return found

    return run


def test_all_parts_killed_nothing_is_lost_or_doubled(ended):
    """Every slot is in PostgreSQL once, as what its meter said or with a reason; nothing else is there."""
    site, until = ended
    found = site.judged(until)
    assert [] == [*found.faults, *site.defects(), *command.thin(site.tally, found)]
    assert found.slots > len(METERS) * _SECONDS


@pytest.mark.parametrize(
    ("kind", "statement"),
    [
        ("lost", f"DELETE FROM poll WHERE ctid = {_READ}"),
        ("lost", f"UPDATE poll SET slot_at = slot_at + interval '500 ms' WHERE ctid = {_READ}"),
        ("wrong", f"UPDATE poll SET slot_at = slot_at + interval '500 ms' WHERE ctid = {_READ}"),
        ("wrong", f"UPDATE poll SET amounts[1] = '0.01' WHERE ctid = {_READ}"),
        ("wrong", f"UPDATE poll SET amounts[1] = amounts[1] || '0' WHERE ctid = {_READ}"),
        ("wrong", f"UPDATE poll SET amounts[1] = NULL WHERE ctid = {_READ}"),
        ("doubled", f"UPDATE poll SET conflict = true WHERE ctid = {_READ}"),
        (
            "doubled",
            (
                "INSERT INTO poll SELECT slot_at, read_at, batch, series, manner, false, false, amounts, faults"
                f" FROM poll WHERE ctid = {_READ}"
            ),
        ),
        ("chain", "UPDATE batch SET envelope = envelope || '\\x00' WHERE seq = 2"),
        ("chain", "UPDATE batch SET seq = seq + 1000000 WHERE seq = 2"),
        ("chain", "UPDATE batch SET prev = sha256 WHERE seq = 2"),
        ("chain", "UPDATE batch SET state = 'rejected' WHERE seq = 2"),
        (
            "chain",
            "INSERT INTO quarantine (kind, gateway, reason, raw, at) VALUES ('forged', 'gw-test-1', '', '', now())",
        ),
        (
            "chain",
            (
                "INSERT INTO epoch (gateway, epoch, stored, head, oldest, heard_at)"
                " VALUES ('gw-test-1', '\\x01', 0, '', 1, now())"
            ),
        ),
    ],
)
def test_the_judge_sees_what_is_not_right(judged_after, kind, statement):
    """Each way in which a ledger could be wrong is told, and under its name."""
    assert getattr(judged_after(statement), kind)


def test_the_judge_knows_the_dead(judged_after):
    """A value of the dead meter is wrong, whatever it is."""
    series = f"(SELECT id FROM series WHERE meter = '{DEAD}')"
    found = judged_after(
        f"UPDATE poll SET series = {series}, counts = true, slot_at = '2019-01-01Z' WHERE ctid = {_READ}"
    )
    assert any("a dead meter spoke" in text for text in found.wrong)


def test_the_judge_knows_what_was_acknowledged(ended, judged_after):
    """A record that the store took and forgot is missed, though its slot has another one."""
    site, _ = ended
    assert site.tally.acknowledged > 0
    found = judged_after("DELETE FROM poll WHERE amounts[1] IS NOT NULL")
    assert any(text.endswith("records that were acknowledged") for text in found.lost)


def test_a_value_belongs_to_its_slot():
    """What a meter said before the slot or after the stamp, or another one said, is not what it said then."""
    truth, at = Truth(), datetime(2026, 11, 1, 12, tzinfo=UTC)
    truth.take(f'{{"meter": "{METERS[0]}", "at": "{at.isoformat()}", "di": "02010100", "values": ["220.1"]}}')
    second = timedelta(seconds=1)
    asked = (METERS[0], "voltage_l1", "220.1")
    assert truth.said(*asked, at, at)
    assert not truth.said(*asked, at + second, at + 2 * second)
    assert not truth.said(*asked, at - 4 * second, at - 2 * second)
    assert not truth.said(METERS[1], "voltage_l1", "220.1", at, at)
    assert not truth.said(METERS[0], "current_l1", "220.1", at, at)
    assert (True, False) == (truth.said_ever(METERS[0], "220.1"), truth.said_ever(METERS[1], "220.1"))


def test_a_seed_is_a_plan_in_which_every_part_dies():
    """The same seed draws the same mishaps, each part in every turn; the broker forgets every other time."""
    fate = drawn_fate(7, 180)
    assert (fate, True) == (drawn_fate(7, 180), fate != drawn_fate(8, 180))
    turns = [fate.mishaps[n : n + len(PARTS)] for n in range(0, len(fate.mishaps) - len(PARTS), len(PARTS))]
    assert len(turns) > 10
    assert {tuple(sorted(PARTS))} == {tuple(sorted(one.part for one in turn)) for turn in turns}
    forgets = [one.forgets for one in fate.mishaps if one.part == "broker"]
    assert [n % 2 == 0 for n in range(len(forgets))] == forgets
    assert {False} == {one.forgets for one in fate.mishaps if one.part != "broker"}


def test_the_last_line_says_it_all():
    """Minutes, kills by part, readings checked, lost, doubled, wrong."""
    found = Count(readings=70, lost=["a"], doubled=["b", "c"], wrong=["d"], chain=["e", "f"])
    expected = (
        "3 minutes, 15 kills (poll 1, forward 2, centre 3, broker 4, database 5), 70 readings checked, "
        "1 lost, 2 doubled, 3 wrong"
    )
    assert expected == command.last_line(3.0, _tally(), found)


@pytest.mark.parametrize("part", PARTS)
def test_a_part_that_was_never_killed_is_a_failure(part):
    """The others do not make up for it."""
    tally = _tally()
    assert [] == command.thin(tally, Count(readings=1))
    del tally.kills[part]
    assert [f"{part} was never killed"] == command.thin(tally, Count(readings=1))


def test_a_run_without_its_faults_is_a_failure():
    """No reading, no queue lost, no disk full, no word of the store: each is told."""
    tally = _tally()
    tally.forgotten = tally.full = tally.acknowledged = 0
    assert 4 == len(command.thin(tally, Count()))


def test_a_family_is_known_to_its_last_child(postgres):
    """The children of a server are found: they are killed with it."""
    assert len(children_of(postgres._process.pid)) > 2


def _tally():
    return Tally(kills=Counter({part: n for n, part in enumerate(PARTS, 1)}), forgotten=1, full=1, acknowledged=1)
