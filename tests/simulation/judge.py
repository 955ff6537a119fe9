"""Whether a value that was taken is what that meter held for that item when it was asked; nothing else counts.

Verdicts on one exchange: `right`; `wrong`, that is a value of another meter, item, place or time; `let by`, that is a
frame that no meter sent, made by damage that parity and checksum let by (counted apart: no reader of single answers can
see it); `of twins`, a mixture of what two meters with one address said; `empty`, that is no value.
"""

from edge.protocols.dlt645 import memory
from edge.protocols.dlt645.frame import Frame, FrameReader, NeedData
from edge.reading.outcome import Answer
from tests.simulation.questions import places

RIGHT, WRONG, LET_BY, TWINS, EMPTY = "right", "wrong", "let by", "of twins", "empty"
_LATELY_S = 60.0


def judge(world, asked, outcome, since_s):
    """Return the verdict on one outcome; `since_s`: when the first try of the question began."""
    if not isinstance(outcome, Answer):
        return EMPTY
    if asked.begin is not None and memory.load_answer(outcome, asked.begin, asked.blocks) is None:
        return EMPTY
    is_collision = asked.is_search and len(_answers(asked, outcome)) > 1
    if _is_right(world, asked, outcome, since_s) and not is_collision:
        return RIGHT
    if _was_let_by(world, outcome):
        return LET_BY
    return TWINS if not is_collision and _is_of_twins(world, asked, outcome) else WRONG


def _is_right(world, asked, outcome, since_s):
    if not _is_meant(asked, outcome.address):
        return False
    # Asked by a wildcard, a meter that answers under an address of another is who it says it is.
    meters = world.meters if asked.is_wildcard else world.of(asked.address)
    return any(_said_so(world, meter, asked, outcome, since_s) for meter in meters)


def _is_meant(asked, address):
    return asked.address == address or (asked.is_wildcard and address.endswith(asked.address.lstrip("A")))


def _said_so(world, meter, asked, outcome, since_s):
    found = [(item.identifier, item.value) for item in outcome.items]
    if not asked.request.identifier:
        return meter.address == outcome.address and [("", meter.address)] == found
    di, argument = asked.request.identifier, asked.request.argument
    if asked.begin is not None:  # an answer to a like question: fewer records, but none left out
        return "".join(str(value) for _, value in found) in _held(world, meter, asked)
    said = [
        one.values
        for one in meter.said
        if one.at_s >= since_s and (one.address, one.di, one.argument) == (outcome.address, di, argument)
    ]
    return any(_pairs(asked, one) == found for one in said)


def _is_of_twins(world, asked, outcome):
    """Return whether each value was said lately by one of two meters with this address: nobody can tell them apart."""
    twins = world.of(outcome.address)
    since_s = world.clock.monotonic() - _LATELY_S
    said = {
        pair
        for meter in twins
        for one in meter.said
        if one.at_s >= since_s and one.di == asked.request.identifier
        for pair in _pairs(asked, one.values)
    }
    return len(twins) > 1 and all((item.identifier, item.value) in said for item in outcome.items)


def _pairs(asked, values):
    return list(zip(places(asked.version, asked.request.identifier, len(values)), values, strict=True))


def _held(world, meter, asked):
    """Return what a meter holds for a question about load records, cut after each record."""
    local = meter.local_time(world.clock.utc_now())
    answers = [
        meter.memory.load_records(asked.request.identifier, bytes((_bcd(count),)) + asked.request.argument[1:], local)
        for count in range(1, asked.blocks + 1)
    ]
    return {"", *(records.hex().upper() for records in answers)}


def _bcd(count):
    return int(str(count), 16)


def _sound(raw):
    reader = FrameReader()
    reader.receive(raw)
    reader.give_up()
    while (event := reader.next_event()) is not NeedData.NEED_DATA:
        if isinstance(event, Frame) and event.is_response:
            yield event


def _answers(asked, outcome):
    """Return the different sound answers to a search among the bytes heard: two of them are a collision."""
    identifier = bytes.fromhex(asked.request.identifier)[::-1]
    control = {"": 0x93}.get(asked.request.identifier, 0x91 if asked.version == "2007" else 0x81)
    return {
        frame.raw
        for frame in _sound(outcome.raw)
        if frame.control == control and _is_meant(asked, frame.address) and frame.data.startswith(identifier)
    }


def _was_let_by(world, outcome):
    sent = set().union(*(meter.frames() for meter in world.meters))
    return any(frame.raw not in sent for frame in _sound(outcome.raw))
