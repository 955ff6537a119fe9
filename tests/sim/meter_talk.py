"""Talking to one simulated meter without a wire: frames in, frames out."""

from datetime import UTC, datetime

from edge.protocols.dlt645.frame import Frame, FrameReader, encode_frame
from edge.protocols.dlt645.items import decode_data

ADDRESS = "000012345678"
AT = datetime(2026, 11, 23, 9, 30, 15, tzinfo=UTC)  # 17:30:15 in Beijing, a Monday


def frame_of(raw: bytes) -> Frame:
    reader = FrameReader()
    reader.receive(raw)
    frame = reader.next_event()
    assert isinstance(frame, Frame)
    return frame


def ask(meter, control, data=b"", address=ADDRESS, at=AT):
    """Return the frame that the meter answers with, as it is read off the wire; None for silence."""
    reply = meter.reply(frame_of(encode_frame(address, control, data)), at, 0.0)
    return None if reply is None else frame_of(reply.encode())


def order(meter, control, data=b"", **kwargs):
    """Return control byte and data of the answer to an order."""
    frame = ask(meter, control, data, **kwargs)
    return None if frame is None else (frame.control, frame.data)


def di_bytes(text: str) -> bytes:
    return bytes.fromhex(text)[::-1]


def read(meter, di, argument=b"", at=AT, **kwargs):
    """Return the values of a 2007 read, follow-up frames joined; None if it is refused."""
    frame = ask(meter, 0x11, di_bytes(di) + argument, at=at, **kwargs)
    if frame.is_abnormal:
        return None
    data, number = frame.data[4:], 0
    while frame.has_more:
        number += 1
        frame = ask(meter, 0x12, di_bytes(di) + bytes((number,)), at=at, **kwargs)
        assert number == frame.data[-1]
        data += frame.data[4:-1]
    return [item.value for item in decode_data("2007", di, data)]


def read_raw(meter, di, argument=b"", at=AT):
    """Return what a read of raw data brings, as bytes."""
    values = read(meter, di, argument, at)
    return None if values is None else bytes.fromhex(values[0]) if values else b""
