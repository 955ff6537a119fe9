"""The centre is put back to a backup while its gateway goes on: afterwards every reading is there, and once."""

import json
from collections import Counter

import pytest

from tests.flow.processes import FlowSite, edge, eventually

METERS = ("202311000001", "202311000002")


@pytest.fixture(params=["sqlite", "postgres"])
def site(request, tmp_path, mosquitto):
    """Make a gateway with two simulated meters; its centre keeps its ledger in a file or in a database."""
    with FlowSite(tmp_path, mosquitto.url) as made:
        port = made.start_sim("--bus", f"A=pty:{tmp_path / 'bus'}", "--meters", "2", "--first", METERS[0])
        made.configure(("A", port, ""), items=("voltage",))
        for meter in METERS:
            edge("meters", "add", meter, "--bus", "A", "--config", made.config)
        made.new_database = None
        facts = 'durable = "backup"'
        if request.param == "postgres":
            server = request.getfixturevalue("postgres")
            made.new_database = server.new_database
            facts += f'\ndatabase = "{server.new_database()}"'
        settings = made.centre_dir / "centre.toml"
        text = settings.read_text(encoding="utf-8").replace('durable = "commit" ', "# ")
        settings.write_text(text.replace("[centre]", f"[centre]\n{facts}", 1), encoding="utf-8")
        yield made


def readings(site):
    return Counter((one["meter"], one["slot_at"], one["quantity"], one["value"]) for one in site.exported())


def slots(site):
    return {one["slot_at"] for one in site.exported()}


def waiting(site):
    document = json.loads(edge("status", "--json", "--config", site.config, check=False).stdout)["forward"]
    return document["unsent_batches"] + document["waiting_readings"]


def test_after_a_restore_every_reading_is_there_once(site):
    """What came after the backup is sent again, what waited meanwhile comes too; nothing is doubled."""
    site.start_centre()
    site.start_poll()
    site.start_forward()
    eventually(lambda: len(slots(site)) >= 3, what="three slots")
    backups = site.folder / "backups"
    edge("centre", "backup", site.centre_dir, backups)
    in_backup = len(slots(site))
    eventually(lambda: len(slots(site)) >= in_backup + 3, what="slots after the backup", seconds=40)
    (made,) = backups.iterdir()
    running = edge("centre", "restore", site.centre_dir, made, "--replace", check=False)
    assert (9, True) == (running.returncode, "E-CEN-305" in running.stderr)
    site.kill("centre")
    before = readings(site)
    eventually(lambda: waiting(site) >= 2, what="batches that wait")
    refused = edge("centre", "restore", site.centre_dir, made, check=False)
    assert (9, True) == (refused.returncode, "E-CEN-313" in refused.stderr)
    assert before == readings(site)
    done = json.loads(edge("centre", "restore", site.centre_dir, made, "--replace", "--json").stdout)
    assert ([], True) == (done["lost"], done["mark_known"])
    put_back = readings(site)
    assert len(put_back) < len(before)
    assert not put_back - before
    site.start_centre()
    eventually(lambda: readings(site) >= before, what="what came after the backup", seconds=40)
    assert 0 == site.end("poll")
    eventually(lambda: not waiting(site), what="an empty outbox", seconds=40)
    after = readings(site)
    assert len(after) > len(before)
    assert {1} == set(after.values())
    stated = json.loads(edge("centre", "completeness", site.centre_dir, "--json", check=False).stdout)
    assert 0 == sum(one["conflicts"] for one in stated["meters"])
    told = json.loads(edge("status", "--json", "--config", site.config, check=False).stdout)
    assert "E-FWD-212" not in json.dumps(told)
