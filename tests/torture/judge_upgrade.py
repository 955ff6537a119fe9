"""The judge of a store that was on its way to the next schema: nothing is lost, the old one's copy is whole."""

from pathlib import Path

import apsw

from edge.store.schema import SCHEMA
from tests.torture.judge_store import judge_store
from tests.torture.next_schema import next_schema
from tests.torture.recording import Recording
from tests.torture.verdict import Verdict
from tests.torture.words import STORE


def judge_upgrade(folder: Path, recording: Recording, moment: int) -> Verdict:
    """Compare the files of a cut with what was said; the program that opens them is the new one again."""
    with next_schema():
        verdict = judge_store(folder, recording, moment)
    copy = folder / f"{STORE}.v{SCHEMA}"
    if not copy.exists():
        verdict.wrong.append("no copy of the old store was kept")
        return verdict
    connection = apsw.Connection(str(copy), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        found = connection.execute("PRAGMA user_version").get, connection.execute("PRAGMA integrity_check").get
    except apsw.Error as exc:
        found = ("unreadable", str(exc))
    finally:
        connection.close()
    if found != (SCHEMA, "ok"):
        verdict.wrong.append(f"the copy of the old store is not whole: {found}")
    return verdict
