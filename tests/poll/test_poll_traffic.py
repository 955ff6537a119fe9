"""The rows of `edge bus`: counts, intervals, response times, errors by verdict, changed values."""

from edge.poll.traffic import Traffic
from edge.protocols.dlt645.frame import encode_frame
from edge.protocols.dlt645.transcript import Transcript

A, B = "202311004511", "202311004512"
BYTE_S = 11 / 2400


def ask(address=A):
    return encode_frame(address, 0x11, bytes.fromhex("00000100"))


def answer(address=A, value="78563412", control=0x91):
    return encode_frame(address, control, bytes.fromhex("00000100" + value))


class Bus:
    """Puts bytes on a wire at instants."""

    def __init__(self, *, is_listening=False):
        self.traffic = Traffic(byte_s=BYTE_S)
        self.transcript = Transcript()
        self.is_listening = is_listening

    def send(self, at, direction, data):
        for line in self.transcript.take(at, direction, data) + self.transcript.flush():
            self.traffic.take(line, is_listening=self.is_listening)

    def row(self, address=A):
        return next(row for row in self.traffic.document()["rows"] if row["meter"] == address)


def test_a_row_counts_and_times():
    """Two rounds, ten seconds apart; the response counts from the computed end of the request."""
    bus = Bus()
    end_s = len(ask()) * BYTE_S
    for at, wait, value in ((0.5, 0.040, "78563412"), (10.5, 0.060, "79563412")):
        bus.send(at, "tx", ask())
        bus.send(at + end_s + wait, "rx", answer(value=value))
    row = bus.row()
    assert (2, 2, 10.0, {}) == (row["requests"], row["answers"], row["interval_s"], row["errors"])
    assert {"min": 40, "avg": 50, "max": 60} == row["response_ms"]
    energy = row["values"]["energy_active_import_total"]
    assert {"value": "123456.79", "unit": "kWh", "before": "123456.78"} == energy


def test_errors_are_counted_by_verdict_at_whom_was_asked():
    """Silence, damage, noise, a refusal, a stranger's answer, impossible content."""
    bus = Bus()
    spoiled = answer()[:-3] + b"\x00\x00\x16"
    refusal = encode_frame(A, 0xD1, b"\x02")
    for number, back in enumerate((b"", spoiled, b"\x00\x13\x55", refusal, answer(B), answer(value="fafafafa"), b"")):
        bus.send(10.0 * number, "tx", ask())
        if back:
            bus.send(10.0 * number + 0.2, "rx", back)
    bus.traffic.pass_time(100.0)
    expected = {"silence": 2, "bad_checksum": 1, "garbage": 1, "refused": 1, "wrong_address": 1, "malformed": 1}
    assert expected == bus.row()["errors"]


def test_an_answer_after_its_time_is_late():
    """It counts for the meter that was slow; the one that is asked meanwhile has no fault."""
    bus = Bus()
    bus.send(10.0, "tx", ask(A))
    bus.send(11.0, "tx", ask(B))
    bus.send(11.2, "rx", answer(A))
    bus.send(11.5, "rx", answer(B))
    bus.send(20.0, "tx", ask(A))
    bus.traffic.pass_time(23.0)
    bus.send(23.5, "rx", answer(A))
    assert {"silence": 2, "late": 2} == bus.row(A)["errors"]
    assert (1, {}) == (bus.row(B)["answers"], bus.row(B)["errors"])


def test_requests_that_are_not_ours_are_a_second_master():
    """Heard, not sent: counted as foreign; our own echo is none."""
    bus = Bus()
    bus.send(1.0, "rx", ask(B))
    assert (1, {"foreign_master": 1}) == (bus.traffic.document()["foreign_requests"], bus.row(B)["errors"])
    bus.send(5.0, "tx", ask())
    bus.send(5.05, "rx", ask())
    bus.send(5.2, "rx", answer())
    assert (1, {}) == (bus.traffic.document()["foreign_requests"], bus.row()["errors"])


def test_who_only_listens_finds_nothing_foreign():
    """All that is heard is the daemon's, or somebody's, business: no error."""
    bus = Bus(is_listening=True)
    bus.send(1.0, "rx", ask())
    bus.send(1.2, "rx", answer())
    assert (1, 1, {}) == tuple(bus.row()[key] for key in ("requests", "answers", "errors"))
    bus.send(9.0, "rx", b"\x13\x55")
    assert 2 == bus.traffic.document()["stray_bytes"]
    bus.traffic.clear()
    assert {"rows": [], "foreign_requests": 0, "stray_bytes": 0} == bus.traffic.document()
