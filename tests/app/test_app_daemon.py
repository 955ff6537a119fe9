"""Which halves the daemon runs."""

from contextlib import ExitStack
from dataclasses import replace

import pytest

from edge.app.daemon import App
from edge.clock import ManualClock
from edge.config.settings import Settings
from edge.config.table import build_table
from edge.errors import IdentityError
from edge.forward.settings import forward_settings
from edge.identity.keys import make_key, save_public
from edge.notify import Notifier
from tests.forward.forward_tools import Bench


def app(folder, *, only=None, **more) -> App:
    """Return the daemon of a site without a broker, unless `more` names one."""
    gateway = {"id": "gw", "tenant": "t", "state_dir": str(folder / "state")}
    settings = build_table(Settings, {"schema": 1, "gateway": gateway, **more})
    return App(settings, folder, only=only, clock=ManualClock(), notifier=Notifier.from_env({}))


def halves(one: App) -> list[str]:
    """Open what the daemon runs; return the names."""
    with ExitStack() as stack:
        return [stack.enter_context(half).name for half in one._halves()]


@pytest.mark.parametrize(("only", "names"), [(None, ["forward", "poll"]), ("forward", ["forward"]), ("poll", ["poll"])])
def test_a_site_without_a_broker_seals_all_the_same(tmp_path, only, names):
    """What is never sealed can never be given up nor taken to a stick: the forwarding half runs without a link."""
    (tmp_path / "state").mkdir()
    save_public(tmp_path / "centre.pub", make_key(tmp_path / "batch.key"))
    assert names == halves(app(tmp_path, only=only))


def test_a_site_without_a_broker_and_keys_polls(tmp_path):
    """It says why nothing is sealed; with a broker, or when forwarding was asked for, the start is refused."""
    one = app(tmp_path)
    assert ["poll"] == halves(one)
    condition = one.health.snapshot()["conditions"]["sealing_works"]
    assert ("no", "E-KEY") == (condition["answer"], condition["code"][:5])
    for other in (app(tmp_path, only="forward"), app(tmp_path, mqtt={"endpoints": ["mqtt://127.0.0.1:1"]})):
        with pytest.raises(IdentityError):
            halves(other)


def test_without_a_link_batches_are_sealed_and_wait(tmp_path):
    """The forwarder asks no broker, and does not count that as trouble."""
    bench = Bench(tmp_path / "edge.db")
    try:
        site = forward_settings(app(tmp_path).settings, "1")
        bench.settings = replace(bench.settings, endpoints=site.endpoints)
        bench.start()
        bench.poll(1, 2)
        bench.run(600)
        assert (0, 1, []) == (bench.outbox.counts().waiting, bench.outbox.counts().unsent, bench.broker.asked)
        assert ("unknown", None) == bench.condition("broker_reachable")
    finally:
        bench.close()
