"""The timed bus and what it measures: least times, frames, instants, collisions, faults, the judge of values."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from edge.protocols.dlt645.frame import Frame, FrameReader
from edge.protocols.dlt645.items import decode_data
from tests.bench.bus import least, masters
from tests.bench.bus.bus import TimedBus
from tests.bench.bus.faults_part import Mix, faulty_meters
from tests.bench.bus.frames import RequestReader, frame_bytes
from tests.bench.bus.items import BLOCKS, KEYS, members_of, number_of
from tests.bench.bus.masters import Round, run_dlt645, run_edge
from tests.bench.bus.meter import Faults, TimedMeter
from tests.bench.bus.page import page
from tests.bench.bus.scan import Scan, scattered
from tests.bench.bus.serve import lateness, make_wire
from tests.bench.bus.truth import Taken, judge
from tests.bench.bus.uart import overlay
from tests.bench.bus.wire import Told
from tests.bench.bus.wire_part import Figure

METER = "000000000161"
# Published requests: frame, address, identifier.
PUBLISHED = [
    ("68610100000000681104333434351716", METER, "02010100"),
    ("FE68003619000000681104333234330016", "000000193600", "0001FF00"),
    ("FEFEFEFE68431000113400681104333339355116", "003411001043", "02060000"),
]
BYTE_S = 11 / 2400


def read_frame(identifier, address=METER, wake=4):
    return frame_bytes(address, 0x11, bytes.fromhex(identifier)[::-1], wake)


def wire_of(*faults, baud=2400, addresses=(METER, "000000000262", "000000000363")):
    return make_wire(
        {
            "baud": baud,
            "meters": [
                {"address": address, "faults": fault} for address, fault in zip(addresses, faults, strict=False)
            ],
        }
    )


def heard_by(wire, data, at=10.0):
    wire.take(data, at)
    return bytes(one.byte for one in wire.hear(at + 100))


def frame_in(data):
    reader = FrameReader()
    reader.receive(data)
    found = reader.next_event()
    assert isinstance(found, Frame)
    return found


@pytest.mark.parametrize(("baud", "single", "blocks"), [(2400, "26.09", "11.67"), (9600, "8.32", "3.64")])
def test_the_least_time_is_the_published_one(baud, single, blocks):
    """8 meters x 15 registers, 4 FEH both ways, 20 ms: the figures that the design was made with."""
    line = least.Line(baud)
    assert single == f"{least.single_s(line):.2f}"
    assert blocks == f"{least.blocks_s(line):.2f}"


def test_the_block_plan_brings_the_whole_workload():
    """The best plan leaves out no register of the workload."""
    brought = {member for identifier in least.BLOCK_PLAN for member in members_of(identifier)}
    assert set() == set(least.WORKLOAD) - brought


def test_the_least_time_of_a_search():
    """20 bytes out, 26 back, 20 ms: 0.2308 s at 2400 Bd, times forty."""
    assert "9.23" == f"{least.finding_s(least.Line(2400), 40):.2f}"


@pytest.mark.parametrize(("raw", "address", "identifier"), PUBLISHED)
def test_published_requests_are_read_and_made(raw, address, identifier):
    """The bus's own frame code agrees with captures of others, preamble and all."""
    data = bytes.fromhex(raw)
    wake = len(data) - len(data.lstrip(b"\xfe"))
    assert data == read_frame(identifier, address, wake)
    reader = RequestReader()
    found = [reader.take(byte, n * 0.01, n * 0.01 + 0.005) for n, byte in enumerate(data)]
    assert [None] * (len(data) - 1) == found[:-1]
    assert (address, 0x11, identifier, wake) == (
        found[-1].address,
        found[-1].control,
        found[-1].data[::-1].hex().upper(),
        found[-1].wake,
    )


def test_noise_and_broken_frames_hide_no_request():
    """After 68H that begins nothing, and a frame with a false sum, the next sound one is found."""
    broken = bytearray(read_frame("02010100"))
    broken[-2] ^= 1
    reader = RequestReader()
    data = b"\x68\x12" + bytes(broken) + read_frame("02060000")
    found = [one for n, byte in enumerate(data) if (one := reader.take(byte, n * 0.01, n * 0.01 + 0.005))]
    assert [bytes.fromhex("02060000")[::-1]] == [one.data for one in found]


def test_half_a_request_is_forgotten_after_half_a_second():
    """A frame does not go on after 500 ms of quiet."""
    data = read_frame("02010100")
    reader = RequestReader()
    for n, byte in enumerate(data[:10]):
        assert reader.take(byte, n * 0.005, n * 0.005 + 0.005) is None
    assert all(reader.take(byte, 1 + n * 0.005, 1.005 + n * 0.005) is None for n, byte in enumerate(data[10:]))


def test_an_answer_begins_when_the_request_could_be_over():
    """20 bytes at 2400 Bd and 20 ms delay: the first byte is heard after 21 byte times and 20 ms, none before."""
    wire = wire_of({})
    wire.take(read_frame("02800002"), 10.0)
    first = 10.0 + 21 * BYTE_S + 0.020
    assert [] == wire.hear(first - 0.0001)
    assert b"\xfe" == bytes(one.byte for one in wire.hear(first + 0.0001))
    wire.hear(first + 20 * BYTE_S)
    assert first + 21 * BYTE_S == pytest.approx(wire.coming[-1].end)


def test_bytes_handed_over_early_wait_for_those_before_them():
    """A request in two pieces that come at once lasts as long as one written whole."""
    data = read_frame("02800002")
    wire = wire_of({})
    wire.take(data[:15], 10.0)
    wire.take(data[15:], 10.0)
    assert 10.0 + 20 * BYTE_S == pytest.approx(wire.requests[0].end)


def test_a_master_that_talks_over_an_answer_garbles_both():
    """The answer under way comes damaged and counts as not told; the request is not understood."""
    wire = wire_of({})
    wire.take(read_frame("02800002"), 10.0)
    middle = wire.answers[0].start + 8 * BYTE_S
    wire.take(read_frame("02060000"), middle)
    assert 1 == len(wire.requests)
    assert not wire.answers[0].is_sound
    assert wire.garbled > 10
    heard = bytes(one.byte for one in wire.hear(100))
    assert 22 == len(heard)
    assert bytes.fromhex("FEFEFEFE68610100") == heard[:8]
    with pytest.raises(AssertionError):
        frame_in(heard)


def test_a_late_answer_meets_the_next_request():
    """Answers that are on their way when the master asks again are laid over its bytes."""
    wire = wire_of({"late": 1.0})
    wire.take(read_frame("02800002"), 10.0)
    told = wire.answers[0]
    assert 0.65 + 0.02 <= told.start - told.asked_end <= 1.2 + 0.02
    wire.take(read_frame("02060000"), told.start)
    assert not told.is_sound


def test_one_sender_is_heard_as_it_sent():
    """The receiver takes every byte of a lone sender, each at its last bit's end."""
    data = bytes(range(0, 256, 5))
    heard = overlay([(1.0, data)], BYTE_S)
    assert data == bytes(byte for _, byte in heard)
    assert [pytest.approx(1.0 + (n + 1) * BYTE_S) for n in range(len(data))] == [end for end, _ in heard]


def test_two_senders_in_step_are_heard_as_the_zeros_of_both():
    """0 wins over 1: 55H and 0FH together are 05H."""
    assert [0x05] == [byte for _, byte in overlay([(0.0, b"\x55"), (0.0, b"\x0f")], BYTE_S)]


def test_two_senders_half_a_bit_apart_are_no_frame():
    """Two sound frames out of step do not come through."""
    both = [(0.0, frame_bytes(METER, 0x93, b"123456")), (BYTE_S / 20, frame_bytes("987654321098", 0x93, b"654321"))]
    heard = bytes(byte for _, byte in overlay(both, BYTE_S))
    assert both[0][1] != heard[: len(both[0][1])]


def test_meters_that_answer_together_are_told_as_unsound():
    """A wildcard that fits two meters brings one muddle, and no truth."""
    wire = wire_of({}, {})
    wire.take(frame_bytes("AA" * 6, 0x13), 10.0)
    assert [False, False] == [one.is_sound for one in wire.answers]
    assert wire.coming


@pytest.mark.parametrize(
    ("asked", "answers"),
    [(METER, 1), ("AAAAAAAAAA61", 1), ("AAAAAAAA0161", 1), ("AAAAAAAAAA62", 0), ("99" * 6, 0), ("000000000261", 0)],
)
def test_a_meter_feels_asked_by_its_address_and_its_low_digits(asked, answers):
    """Shortened addressing: AA stands for high digits only; the reply carries the real address."""
    wire = wire_of({})
    heard = heard_by(wire, frame_bytes(asked, 0x11, bytes.fromhex("04000401")[::-1]))
    assert answers == len(wire.answers)
    assert not answers or frame_in(heard).address == METER


@pytest.mark.parametrize("identifier", [*BLOCKS, "02800002", "00020000"])
def test_answers_are_what_the_product_decodes(identifier):
    """The values in the log are those that the frame holds, by the product's catalogue where that knows the block."""
    wire = wire_of({})
    frame = frame_in(heard_by(wire, read_frame(identifier)))
    data, told = frame.data[4:], wire.answers[0].values
    assert [Decimal(one) for one in told.values()] == list(decoded(identifier, data))


def decoded(identifier, data):
    """Yield the values as the product's codec finds them; it is asked item by item for the block of totals."""
    sizes = {"02030000": 3, "02040000": 3, "02050000": 3, "02060000": 2}
    parts = {identifier: len(data)} if identifier != "02FF0000" else sizes
    at = 0
    for part, size in parts.items():
        for item in decode_data("2007", part, data[at : at + size]):
            yield item.value * (1000 if item.unit.startswith("k") and not item.unit.endswith("h") else 1)
        at += size
    assert at == len(data)


@pytest.mark.parametrize("meter", range(8))
def test_the_totals_are_consistent(meter):
    """S^2 = P^2 + Q^2, and the power factor is P / S to its last decimal."""
    p, q, s, factor = (number_of(member, meter, 7) for member in BLOCKS["02FF0000"])
    assert s * s == p * p + q * q
    assert factor == round(Decimal(1000 * p) / s)
    assert p == sum(number_of(f"02030{phase}00", meter, 7) for phase in (1, 2, 3))


def test_meters_differ_in_every_item():
    """No two of eight meters say the same of an item within the same twenty answers."""
    for member in least.WORKLOAD:
        seen = [{number_of(member, meter, count) for count in range(20)} for meter in range(8)]
        assert sum(map(len, seen)) == len(set().union(*seen)), member


@pytest.mark.parametrize(
    ("fault", "identifier", "control"),
    [
        ({"refuse_blocks": True}, "0201FF00", 0xD1),
        ({"refuse_blocks": True}, "02010100", 0x91),
        ({"knows_totals": False}, "02FF0000", 0xD1),
        ({"knows_totals": False}, "0201FF00", 0x91),
        ({}, "0A0B0C0D", 0xD1),
    ],
)
def test_what_a_meter_refuses(fault, identifier, control):
    """Blocks, totals, and what it never heard of."""
    assert control == frame_in(heard_by(wire_of(fault), read_frame(identifier))).control


@pytest.mark.parametrize("fault", [{"dead": True}, {"lost": 1.0}])
def test_dead_meters_and_lost_answers_are_silence(fault):
    """Nothing is heard; a lost answer stands in the log without values."""
    wire = wire_of(fault)
    assert b"" == heard_by(wire, read_frame("02010100"))
    assert [{}] * len(wire.answers) == [one.values for one in wire.answers]


def test_a_meter_that_needs_to_be_woken():
    """Two FEH are asked for: one is not enough."""
    wire = wire_of({"needs_wake": 2})
    assert b"" == heard_by(wire, read_frame("02010100", wake=1), 10.0)
    assert b"" != heard_by(wire, read_frame("02010100", wake=2), 20.0)


def test_a_damaged_answer_differs_in_one_byte_and_tells_nothing():
    """One byte is another, so that the sum never hides it."""
    wire = wire_of({"bits": 1.0})
    heard = heard_by(wire, read_frame("02010100"))
    twin = heard_by(wire_of({}), read_frame("02010100"))
    assert 1 == sum(a != b for a, b in zip(heard, twin, strict=True))
    assert {} == wire.answers[0].values


def test_a_stranger_s_answer_bears_the_address_of_the_next_meter():
    """The frame is sound, the address that of another meter that is there."""
    wire = wire_of({"stranger": 1.0}, {})
    assert "000000000262" == frame_in(heard_by(wire, read_frame("02010100"))).address
    assert {} == wire.answers[0].values


def test_slow_answers_have_quiet_between_their_bytes():
    """5 ms to 100 ms between bytes, the last of 22 without one behind it."""
    wire = wire_of({"slow": 1.0})
    wire.take(read_frame("02800002"), 10.0)
    ends = [one.end for one in wire.coming]
    step = ends[1] - ends[0] - BYTE_S
    assert 0.005 <= step <= 0.1
    assert wire.answers[0].end == pytest.approx(ends[-1])


def test_the_number_of_wake_bytes_varies():
    """0 to 8 FEH before answers, and all of them come up."""
    meter = TimedMeter(METER, 0, delay_s=0.02, faults=Faults(any_wake=True))
    reader = RequestReader()
    request = [reader.take(byte, n * 0.01, n * 0.01 + 0.005) for n, byte in enumerate(read_frame("02010100"))][-1]
    sizes = {len(meter.answer(request).raw) - len(frame_bytes(METER, 0x91, bytes(6), wake=0)) for _ in range(300)}
    assert set(range(9)) == sizes


def told(meter="1", end=10.0, *, value="230.1", is_sound=True):
    return Told(meter, "02010100", end - 0.2, end - 0.1, end - 0.1, end, {"voltage_l1": value}, "", is_sound)


@pytest.mark.parametrize(
    ("meter", "value", "after", "verdict"),
    [
        ("1", "230.1", 9.0, "right"),
        ("1", "230.10", 9.0, "right"),
        ("1", "230.2", 9.0, "wrong_value"),
        ("1", "231.1", 9.0, "wrong_meter"),
        ("1", "230.1", 10.5, "wrong_time"),
        ("1", "229.9", 9.0, "wrong_value"),
        ("1", None, 9.0, "wrong_value"),
    ],
)
def test_values_are_judged(meter, value, after, verdict):
    """Right is what that meter said of that item in that time; what came damaged was said by nobody."""
    answers = [told(), told("2", value="231.1"), told(value="229.9", is_sound=False)]
    taken = Taken(meter, "voltage_l1", None if value is None else Decimal(value), after, 11.0)
    assert {verdict: 1} == dict(judge([taken], answers))


def test_a_value_of_another_item_is_wrong():
    """What was said of one item is no truth of another."""
    taken = Taken("1", "voltage_l2", Decimal("230.1"), 9.0, 11.0)
    assert {"wrong_value": 1} == dict(judge([taken], [told()]))


def test_pauses_are_counted_from_sound_answers_only():
    """From the end of an answer to the next request; a silence has no end."""
    wire = wire_of({}, {"lost": 1.0})
    for at, address in ((10.0, METER), (11.0, "000000000262"), (12.0, METER), (13.0, METER)):
        wire.take(read_frame("02800002", address), at)
        wire.hear(at + 1)
    lasts = 42 * BYTE_S + 0.020
    assert [pytest.approx(1 - lasts)] * 2 == list(masters._pauses(wire.requests, wire.answers))


def test_lateness_is_ranked():
    """Mean, the 99th of a hundred, the greatest; in milliseconds."""
    late = [n / 1000 for n in range(1, 101)]
    assert {"mean_ms": 50.5, "p99_ms": 100.0, "max_ms": 100.0, "bytes": 100} == lateness(late)
    assert 0 == lateness([])["bytes"]


def test_scattered_meters_are_all_different():
    """Forty addresses of twelve digits, each with a delay between 20 and 40 ms."""
    meters = scattered(40)
    assert 40 == len({one["address"] for one in meters if len(one["address"]) == 12})
    assert all(0.020 <= one["delay_s"] <= 0.040 for one in meters)


def test_the_page_says_what_was_measured():
    """Each part stands on the page with its figures; a wrong value is not hidden."""
    made = Round(readings=120, seconds=4.0, transactions=48, pauses=(0.001, 0.003), cpu_s=0.048)
    late = {"mean_ms": 0.01, "p99_ms": 0.02, "max_ms": 0.5, "bytes": 10}
    figure = Figure(9600, "edge, gap 0", "later rounds", dead=False, made=made, expected=120, wrong=0, lateness=late)
    mix = Mix({"late": 3}, 480, 400, 12, judge([Taken("1", "x", Decimal(1), 0, 1)], []), 5)
    scan = Scan(frozenset({"1", "2"}), frozenset({"1"}), 9, 3.5, 1.25)
    text = page([figure], mix, scan)
    assert (
        "| 9600 | healthy | edge, gap 0 | later rounds | 120 of 120 | 0 | 30.00 | 0.909 |  | 48 | 2.00 | 1.00 |" in text
    )
    assert "**1 wrong** of 400" in text
    assert "found 1 of\n2 (0 that are not there) in 3.5 s with 9 requests" in text


def test_a_share_counts_only_what_was_read():
    """105 of 120 readings in the least time of seven meters are a share of 1."""
    made = Round(readings=105, seconds=least.blocks_s(least.Line(2400), 7), transactions=1, pauses=(), cpu_s=0)
    figure = Figure(2400, "x", "x", dead=True, made=made, expected=120, wrong=0, lateness={})
    assert 1 == pytest.approx(figure.share)


def test_the_faulty_bus_has_every_fault():
    """No knob is left out of the mix."""
    given = {name for one in faulty_meters() for name in one["faults"]}
    assert {*Faults.__dataclass_fields__} == given


ADDRESSES = ["202600000001", "202600000002"]


def test_the_product_is_measured_on_the_bus(tmp_path):
    """A short run of the real daemon on the real bus: what it took is what the meters said; it may start slowly."""
    with TimedBus(tmp_path, baud=9600, meters=[{"address": one} for one in ADDRESSES]) as bus:
        run = run_edge(tmp_path, bus, ADDRESSES, gap_ms=0, period_s=5, rounds=3)
    assert len(run.taken) >= len(KEYS)
    assert {"right": len(run.taken)} == dict(judge(run.taken, bus.log.answers))
    assert all(record.slot_at > datetime(2026, 1, 1, tzinfo=UTC) for record in run.records)


def test_the_client_of_the_package_is_measured_on_the_bus(tmp_path):
    """The package's client reads all registers of two meters over the same bus."""
    with TimedBus(tmp_path, baud=9600, meters=[{"address": one} for one in ADDRESSES]) as bus:
        run = run_dlt645(tmp_path, bus, ADDRESSES)
    assert {"right": 2 * len(KEYS)} == dict(judge(run.taken, bus.log.answers))
    assert [30] == [one.transactions for one in run.rounds]
