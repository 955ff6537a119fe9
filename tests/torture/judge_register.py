"""The judge of the register: it opens, and holds the last change that was acknowledged, or the one under way."""

from collections.abc import Sequence
from pathlib import Path

from edge.errors import EdgeError
from edge.store.meter import Meter, meter_document
from edge.store.register import REGISTER_FILE, MeterRegister
from tests.torture.recording import Recording
from tests.torture.verdict import Verdict

_PROBE = Meter(address="888888888888", bus="A")


def judge_register(folder: Path, recording: Recording, moment: int) -> Verdict:
    """Compare the files of a cut with what was said by that moment."""
    promises = [call.word["meters"] for call in recording.calls if "meters" in call.word]
    said = sum("meters" in call.word for call in recording.said(moment))
    verdict = Verdict(checked=said)
    allowed = [promises[said - 1] if said else [], *promises[said : said + 1]]
    try:
        found = _documents(folder)
        if found not in allowed:
            verdict.lost.append(f"after {said} changes: {_difference(found, allowed[0])}")
        with MeterRegister(folder / REGISTER_FILE) as register:
            register.add(_PROBE)
        if _documents(folder) != [*found, meter_document(_PROBE)]:
            verdict.wrong.append("a change after the cut is not there")
    except EdgeError as exc:
        verdict.unreadable.append(str(exc))
    return verdict


def _documents(folder: Path) -> list[dict[str, object]]:
    with MeterRegister(folder / REGISTER_FILE) as register:
        return [meter_document(one) for one in register.meters()]


def _difference(found: Sequence[dict[str, object]], wanted: Sequence[dict[str, object]]) -> str:
    lacking = [one["address"] for one in wanted if one not in found]
    return f"{len(found)} meters, {len(lacking)} of {len(wanted)} not as acknowledged: {lacking[:3]}"
