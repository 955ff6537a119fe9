"""A backup put back: what is there afterwards, what it refuses, and that a fault leaves what was there."""

import json
import os
import shutil
from datetime import timedelta

import apsw
import pytest

from edge.centre.backup import back_up
from edge.centre.folder import make_folder
from edge.centre.ledger import Span
from edge.centre.ledger_sqlite import SqliteLedger
from edge.centre.opening import open_ledger, place_of
from edge.centre.restore import Consent, read_backup, restore
from edge.centre.sqlite_file import lock_beside
from edge.cli.main import main
from edge.config.centre import load_centre
from edge.errors import StoreError
from edge.messages.envelope import envelope_hash
from tests.centre.centre_kit import EPOCH, METER, QUARTER, SLOT, Gateway, record, take

PLAIN, REPLACE, ANYHOW = Consent(), Consent(is_replacing=True), Consent(is_replacing=True, is_losing=True)


class Site:
    """A centre's folder, its ledger of one kind, and a gateway."""

    def __init__(self, folder, ledgers, policy: str) -> None:
        make_folder(folder / "c", "hz")
        text = (folder / "c" / "centre.toml").read_text(encoding="utf-8")
        (folder / "c" / "centre.toml").write_text(text.replace('"commit" ', f'"{policy}" '), encoding="utf-8")
        self.settings = load_centre(folder / "c")
        assert policy == self.settings.centre.durable
        self.folder, self.ledgers = folder / "c", ledgers
        self.url = ledgers.lonely_place() if ledgers.server else None
        self.backups = folder / "b"
        self.gateway = Gateway()
        self.count = 0

    def open(self):
        return open_ledger(self.settings, self.url)

    def receive(self, count: int = 1) -> None:
        """Take in batches of one reading each."""
        with self.open() as ledger:
            for _ in range(count):
                take(ledger, self.gateway, self.gateway.seal(record(SLOT + self.count * QUARTER)))
                self.count += 1

    def back_up(self):
        with self.open() as ledger:
            return back_up(ledger, self.backups, SLOT + timedelta(hours=self.count))

    def restore(self, made, consent: Consent = PLAIN):
        place = place_of(self.settings, self.url, SLOT)
        return restore(read_backup(made), place, self.settings.centre.durable, consent)

    def refusal(self, made, consent: Consent = PLAIN) -> StoreError:
        with pytest.raises(StoreError) as caught:
            self.restore(made, consent)
        return caught.value

    def stored(self) -> int:
        with self.open() as ledger:
            state = ledger.epoch("gw-1", EPOCH)
            return state.stored if state else 0

    def lose(self) -> None:
        """Let the ledger be gone, as with its disk."""
        if self.url is None:
            for path in self.folder.glob("ledger.db*"):
                path.unlink()
        else:
            self.url = self.ledgers.lonely_place()


@pytest.fixture
def site(tmp_path, ledgers):
    """Make a centre whose gateways forget what is in a backup."""
    return Site(tmp_path, ledgers, "backup")


def test_what_was_copied_is_there_again_and_is_durable(site):
    """All readings, the end of the chain, and the mark: `durable` does not fall below what was told."""
    site.receive(3)
    made = site.back_up()
    with site.open() as ledger:
        before = list(ledger.readings(Span()))
    site.lose()
    done = site.restore(made)
    assert (None, [], False) == (done.kept, [*done.lost], done.is_mark_known)
    with site.open() as ledger:
        assert before == list(ledger.readings(Span()))
        state = ledger.epoch("gw-1", EPOCH)
        assert (3, 3, envelope_hash(ledger.envelope(_key(3)))) == (state.stored, state.durable, state.head)
    site.receive(1)  # the chain goes on
    assert 4 == site.stored()


def _key(seq):
    from edge.centre.ledger import BatchKey

    return BatchKey("gw-1", EPOCH, seq)


def test_a_ledger_that_holds_something_is_replaced_only_when_told(site):
    """What came after the backup is not in it: the gateways still have that. A replaced file is kept."""
    site.receive(2)
    made = site.back_up()
    site.receive(2)
    error = site.refusal(made)
    assert ("E-CEN-313", 9, 4) == (error.code, error.exit_code, site.stored())
    assert "1 gateways" in error.fact()
    done = site.restore(made, REPLACE)
    assert (2, True) == (site.stored(), done.is_mark_known)
    if site.url is None:
        with SqliteLedger(done.kept) as kept:
            assert 4 == kept.epoch("gw-1", EPOCH).stored
        assert not list(site.folder.glob("*.part*"))


def test_a_list_of_meters_is_something_too(site):
    """A new centre with its list would lose it."""
    site.receive()
    made = site.back_up()
    site.lose()
    with site.open() as ledger:
        ledger.import_meters([METER])
    assert "E-CEN-313" == site.refusal(made).code
    with site.open() as ledger:
        assert [METER] == ledger.meters()


def test_a_backup_older_than_the_mark_of_the_ledger_is_refused(site, tmp_path):
    """The gateways have forgotten what it lacks; told so, it is restored and what is gone is named."""
    site.receive(2)
    old = site.back_up()
    site.receive(3)
    shutil.rmtree(site.back_up())
    site.receive(1)
    error = site.refusal(old, REPLACE)
    assert ("E-CEN-315", 9, 6) == (error.code, error.exit_code, site.stored())
    assert f"gw-1 epoch {EPOCH.hex()}: 5 by the ledger there, the backup has 2" in error.fact()
    done = site.restore(old, ANYHOW)
    assert (2, 1) == (site.stored(), len(done.lost))


def test_a_newer_backup_beside_it_tells_as_well(site):
    """With the ledger gone, the other backups are all that knows."""
    site.receive(2)
    old = site.back_up()
    site.receive(3)
    new = site.back_up()
    site.lose()
    error = site.refusal(old)
    assert ("E-CEN-315", True) == (error.code, f"5 by backup {new.name}" in error.fact())
    (new.parent / "rubbish").mkdir()
    (new.parent / "rubbish" / "backup.json").write_text("{}", encoding="utf-8")
    assert True is site.restore(new).is_mark_known
    assert 5 == site.stored()


def test_where_gateways_forget_at_the_commit_the_ledger_itself_is_the_mark(tmp_path, ledgers):
    """Whatever it has and the backup has not is gone; where nothing may be forgotten nothing is."""
    for policy, code in (("commit", "E-CEN-315"), ("none", None)):
        (tmp_path / policy).mkdir()
        site = Site(tmp_path / policy, ledgers, policy)
        site.receive(1)
        made = site.back_up()
        site.receive(1)
        if code is None:
            assert [] == [*site.restore(made, REPLACE).lost]
        else:
            assert code == site.refusal(made, REPLACE).code


def test_a_ledger_in_use_is_left_alone(site):
    """A centre runs on it."""
    site.receive(1)
    made = site.back_up()
    with site.open() as running:
        running.claim()
        error = site.refusal(made, REPLACE)
        assert ("E-CEN-305", 9) == (error.code, error.exit_code)
    assert 1 == site.stored()


def test_a_copy_that_is_damaged_changes_nothing(site):
    """The ledger that is there goes on, and nothing half is left."""
    site.receive(2)
    made = site.back_up()
    copy = next(path for path in made.iterdir() if path.name != "backup.json")
    data = bytearray(copy.read_bytes())
    whole = (
        len(data) // 2 if copy.name == "ledger.db" else len(data) - 200
    )  # of a dump: only what comes after the tables
    copy.write_bytes(bytes(data[:whole]) + os.urandom(len(data) - whole))
    error = site.refusal(made, REPLACE)
    assert "E-CEN-318" == error.code
    assert 2 == site.stored()
    site.receive(1)
    assert 3 == site.stored()


def test_what_is_no_backup_or_of_the_other_kind_is_refused(site, tmp_path):
    """Another folder, no JSON, no copy in it, a copy for the other kind of ledger, a newer layout."""
    site.receive(1)
    made = site.back_up()
    for folder in (tmp_path, tmp_path / "nowhere", made / "backup.json"):
        with pytest.raises(StoreError) as caught:
            read_backup(folder)
        assert ("E-CEN-314", 2) == (caught.value.code, caught.value.exit_code)
    about = made / "backup.json"
    text = about.read_text(encoding="utf-8")
    for wrong in ("no json", "[]", "{}", text.replace('"stored"', '"sotred"')):
        about.write_text(wrong, encoding="utf-8")
        with pytest.raises(StoreError) as caught:
            read_backup(made)
        assert "E-CEN-314" == caught.value.code
    about.write_text(text.replace('"layout": ', '"layout": 9'), encoding="utf-8")
    assert "E-CEN-304" == site.refusal(made, REPLACE).code
    about.write_text(text, encoding="utf-8")
    copy = next(path for path in made.iterdir() if path != about)
    copy.rename(made / ("ledger.dump" if copy.name == "ledger.db" else "ledger.db"))
    error = site.refusal(made, REPLACE)
    assert ("E-CEN-314", True) == (error.code, f"{copy.name} is wanted" in error.fact())


def test_a_backup_of_before_the_layout_was_named_is_restored(site):
    """An older program did not write it."""
    site.receive(1)
    made = site.back_up()
    document = json.loads((made / "backup.json").read_text(encoding="utf-8"))
    del document["layout"]
    (made / "backup.json").write_text(json.dumps(document), encoding="utf-8")
    site.restore(made, REPLACE)
    assert 1 == site.stored()


def test_a_copy_that_is_not_what_it_says_is_told(site):
    """Two backups were mixed up."""
    site.receive(1)
    first = site.back_up()
    site.receive(1)
    second = site.back_up()
    shutil.copy(second / "backup.json", first / "backup.json")
    shutil.rmtree(second)
    site.lose()
    error = site.refusal(first)
    assert ("E-CEN-318", True) == (error.code, "up to 2, and is up to 1" in error.fact())


def test_a_damaged_file_is_replaced_and_kept(tmp_path, ledgers):
    """Its journal goes with it: laid beside the restored file it would ruin that too."""
    if ledgers.server is not None:
        pytest.skip("a file's")
    site = Site(tmp_path, ledgers, "backup")
    site.receive(2)
    made = site.back_up()
    (site.folder / "ledger.db").write_bytes(b"rubbish, but long enough" * 999)
    (site.folder / "ledger.db-wal").write_bytes(b"its journal")
    assert "E-CEN-313" == site.refusal(made).code
    done = site.restore(made, REPLACE)
    assert (2, b"its journal") == (site.stored(), done.kept.with_name(f"{done.kept.name}-wal").read_bytes())
    assert done.kept.read_bytes().startswith(b"rubbish")


def test_a_file_that_somebody_has_open_is_not_exchanged(tmp_path, ledgers):
    """An export would go on in a file that is gone, a stick's batches would be written into it."""
    if ledgers.server is not None:
        pytest.skip("a file's")
    site = Site(tmp_path, ledgers, "backup")
    site.receive(2)
    made = site.back_up()
    with site.open():
        assert "E-CEN-318" == site.refusal(made, REPLACE).code
    assert 2 == site.stored()
    assert 2 == len([*site.restore(made, REPLACE).backup.folder.iterdir()])


def test_a_cut_at_the_exchange_leaves_a_ledger(tmp_path, ledgers, monkeypatch):
    """Before the rename it is the old one; there is no moment without one."""
    if ledgers.server is not None:
        pytest.skip("a file's")
    site = Site(tmp_path, ledgers, "backup")
    site.receive(2)
    made = site.back_up()
    site.receive(1)
    link = os.link

    def cut(*paths):
        link(*paths)
        raise OSError("the power went")

    monkeypatch.setattr(os, "link", cut)
    assert "E-CEN-318" == site.refusal(made, REPLACE).code
    monkeypatch.undo()
    assert 3 == site.stored()
    os.close(lock_beside(site.folder / "ledger.db"))


def test_a_backup_of_the_first_layout_goes_forward(tmp_path, ledgers):
    """Restored as it is, brought forward like any older file."""
    if ledgers.server is not None:
        pytest.skip("a file's")
    site = Site(tmp_path, ledgers, "backup")
    site.receive(1)
    made = site.back_up()
    db = apsw.Connection(str(made / "ledger.db"))
    db.execute("ALTER TABLE epoch DROP COLUMN durable; DROP TABLE closed; DROP TABLE plan; PRAGMA user_version = 1")
    db.execute("CREATE TABLE plan (gateway TEXT, valid_from TEXT, document TEXT, batch INTEGER)")
    db.close()
    about = json.loads((made / "backup.json").read_text(encoding="utf-8"))
    (made / "backup.json").write_text(json.dumps({**about, "layout": 1}), encoding="utf-8")
    site.restore(made, REPLACE)
    assert 1 == site.stored()


def test_the_command_says_what_it_did(site, capsys, monkeypatch):
    """For people on the error output, for programs one document; a refusal has its code in both."""
    monkeypatch.setenv("EDGE_LANG", "en")
    site.receive(2)
    made = site.back_up()
    where = ["--database", site.url] if site.url else []
    words = ["centre", "restore", str(site.folder), str(made), *where]

    def run(*more):
        with pytest.raises(SystemExit) as exit_of:
            main([*words, *more])
        return exit_of.value.code

    assert 9 == run("--json")
    assert "E-CEN-313" == json.loads(capsys.readouterr().out)["error"]["code"]
    assert 0 == run("--replace", "--json")
    document = json.loads(capsys.readouterr().out)
    assert (1, 1, [], True) == tuple(document[key] for key in ("schema", "epochs", "lost", "mark_known"))
    assert (site.url is None) == bool(document["kept"])
    site.lose()
    assert 0 == run() if site.url is None else True
    said = capsys.readouterr().err
    assert site.url is not None or ("E-FWD-212" in said and f"next: edge centre run {site.folder}" in said)
