"""The words for what happened on a bus, and for why a slot is missing. Same words in code, log, page and report."""

from enum import StrEnum


class Verdict(StrEnum):
    """What happened when a meter was asked (design section 10)."""

    OK = "ok"
    SILENCE = "silence"
    GARBAGE = "garbage"
    BAD_CHECKSUM = "bad_checksum"
    WRONG_ADDRESS = "wrong_address"
    REFUSED = "refused"
    COLLISION = "collision"
    LATE = "late"
    MALFORMED = "malformed"
    FOREIGN_MASTER = "foreign_master"
    PORT_GONE = "port_gone"

    @property
    def code(self) -> str | None:
        """The code in the catalogue of errors; None for `ok`."""
        return _CODES.get(self)


_CODES = {
    Verdict.SILENCE: "E-BUS-201",
    Verdict.GARBAGE: "E-BUS-202",
    Verdict.BAD_CHECKSUM: "E-BUS-203",
    Verdict.WRONG_ADDRESS: "E-BUS-204",
    Verdict.REFUSED: "E-BUS-205",
    Verdict.COLLISION: "E-BUS-206",
    Verdict.LATE: "E-BUS-207",
    Verdict.MALFORMED: "E-BUS-208",
    Verdict.FOREIGN_MASTER: "E-BUS-209",
    Verdict.PORT_GONE: "E-BUS-210",
}


class SlotReason(StrEnum):
    """Why a slot is missing: a verdict of the bus, or why the meter was not asked at all."""

    SILENCE = "silence"
    GARBAGE = "garbage"
    BAD_CHECKSUM = "bad_checksum"
    WRONG_ADDRESS = "wrong_address"
    REFUSED = "refused"
    COLLISION = "collision"
    LATE = "late"
    MALFORMED = "malformed"
    FOREIGN_MASTER = "foreign_master"
    PORT_GONE = "port_gone"
    GATEWAY_DOWN = "gateway_down"  # the daemon did not run when the slot was due
    OVERRUN = "overrun"  # the bus was still busy with earlier work when the next slot came
    UNKNOWN_ITEM = "unknown_item"  # the settings ask for an item that this meter's protocol has no way to read
    NOT_KEPT = "not_kept"  # missed, and the meter's own memory does not hold it
    NOT_FROZEN = "not_frozen"  # the meter did not take the freeze that its task sent to all at once
    SHED = "shed"  # read and kept, then given up unsent: the store was full
