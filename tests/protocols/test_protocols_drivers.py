"""The driver: which requests bring which keys."""

import pytest

from edge.protocols.drivers import driver, protocol_names
from edge.protocols.exchange import PlanTerms, Request
from edge.reading.quantities import expand_item, quantities


@pytest.mark.parametrize("name", protocol_names())
def test_driver_has_the_name_it_is_asked_by(name: str):
    """A protocol is found by its name in the settings."""
    assert name == driver(name).name


def test_blocks_are_read_where_they_bring_two_keys():
    """Groups go as blocks, in the order of the first key of each; what stands alone is read alone."""
    keys = [*expand_item("energy_active_import"), "frequency", *expand_item("voltage"), "power_active_total"]
    requests, unknown = driver("dlt645-2007").requests_for(keys)
    assert () == unknown
    assert ["0001FF00", "02800002", "0201FF00", "02030000"] == [request.identifier for request in requests]
    assert expand_item("energy_active_import") == requests[0].keys


def test_refused_block_falls_back_to_single_reads():
    """A block that the meter refused once is not asked for again; neither is a refused identifier."""
    keys = ["voltage_l1", "voltage_l2", "frequency"]
    requests, unknown = driver("dlt645-2007").requests_for(keys, PlanTerms(avoid=frozenset({"0201FF00", "02800002"})))
    assert (Request("02010100", ("voltage_l1",)), Request("02010200", ("voltage_l2",))) == requests
    assert ("frequency",) == unknown


def test_refused_single_read_goes_by_its_block():
    """A meter that refuses the phase but not the block is read by the block."""
    requests, unknown = driver("dlt645-2007").requests_for(["voltage_l1"], PlanTerms(avoid=frozenset({"02010100"})))
    assert ((Request("0201FF00", ("voltage_l1",)),), ()) == (requests, unknown)


def test_raw_identifiers_are_read_as_they_are():
    """`di:` names an identifier of this version; one of the other version is unknown here."""
    requests, unknown = driver("dlt645-2007").requests_for(["di:00010000", "di:00010100", "di:9010"])
    assert ["00010000", "00010100"] == [request.identifier for request in requests]
    assert ("di:9010",) == unknown


@pytest.mark.parametrize("name", protocol_names())
def test_every_key_is_brought_once_or_named_unknown(name: str):
    """No key is lost, none is read twice."""
    requests, unknown = driver(name).requests_for(tuple(quantities()))
    brought = [key for request in requests for key in request.keys]
    assert sorted(quantities()) == sorted([*brought, *unknown])
    assert "water_volume_total" in unknown
