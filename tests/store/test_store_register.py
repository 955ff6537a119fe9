"""The register of meters, its rules, and who may write it."""

import json
from dataclasses import replace

import pytest

from edge.errors import StoreError, UsageError
from edge.store.meter import Meter, meter_document, meter_of
from edge.store.register import MeterRegister, RegisterLock, apply_change
from edge.store.register_change import RegisterChange, change_document, change_of
from edge.store.safe_storage import SafeStorage

FIRST = Meter(address="000000000001", bus="A", name="一号", tags=("roof", "三相"), ct_ratio="1.50")
SECOND = Meter(address="202107072529", bus="B", protocol="dlt645-1997")


@pytest.fixture
def register(tmp_path):
    """Yield a register with two meters."""
    with MeterRegister(tmp_path / "register.json") as opened:
        opened.add(FIRST)
        opened.add(SECOND)
        yield opened


def test_meters_are_kept_in_the_order_in_which_they_came(register, tmp_path):
    """Another opening reads the same, field by field."""
    with MeterRegister(tmp_path / "register.json") as again:
        assert (FIRST, SECOND) == again.meters()
        assert (SECOND, None) == (again.get("202107072529"), again.get("000000000009"))


def test_a_change_by_another_is_seen(register, tmp_path):
    """A reader that polls `version` sees that it must load, and loads what is new."""
    before = register.version()
    assert before == register.version()
    with MeterRegister(tmp_path / "register.json") as other:
        other.remove(FIRST.address)
    assert before != register.version()
    assert (SECOND,) == register.meters()


def test_an_address_is_there_once(register):
    """A second meter of the same address is refused, and so is removing one that is not there."""
    with pytest.raises(UsageError) as doubled:
        register.add(replace(SECOND, address=FIRST.address))
    with pytest.raises(UsageError) as missing:
        register.remove("000000000009")
    assert ("E-STO-204", "E-STO-205") == (doubled.value.code, missing.value.code)
    assert (FIRST, SECOND) == register.meters()


def test_removing_returns_the_meter(register):
    """What is removed is handed back."""
    assert FIRST == register.remove(FIRST.address)
    assert (SECOND,) == register.meters()


def test_what_is_learned_stays_and_is_written_once(register, tmp_path):
    """Facts add up; the same fact again writes nothing; None forgets."""
    register.learn(FIRST.address, preamble=4)
    assert {"preamble": 4, "refused": ["02FF0000"]} == dict(register.learn(FIRST.address, refused=["02FF0000"]).learned)
    version = register.version()
    register.learn(FIRST.address, preamble=4)
    assert version == register.version()
    register.learn(FIRST.address, preamble=None)
    with MeterRegister(tmp_path / "register.json") as again:
        assert {"refused": ["02FF0000"]} == dict(again.get(FIRST.address).learned)
    with pytest.raises(UsageError):
        register.learn("000000000009", preamble=4)


@pytest.mark.parametrize(
    "change",
    [
        RegisterChange(add=(replace(FIRST, address="000000000003"), SECOND)),
        RegisterChange(replace=(replace(FIRST, bus="C"), replace(FIRST, address="000000000009"))),
        RegisterChange(remove=(FIRST.address, "000000000009")),
    ],
)
def test_a_change_is_done_whole_or_not_at_all(register, change):
    """One part that cannot be done leaves the register as it was."""
    version = register.version()
    with pytest.raises(UsageError):
        apply_change(register, change)
    assert ((FIRST, SECOND), version) == (register.meters(), register.version())


def test_a_change_is_one_write(register, monkeypatch):
    """Whatever it holds, the file is written once: no cut can show half of it."""
    writes = []
    original = SafeStorage.write
    monkeypatch.setattr(SafeStorage, "write", lambda self, data: (writes.append(1), original(self, data)))
    third = replace(FIRST, address="000000000003")
    apply_change(register, RegisterChange(add=(third,), remove=(SECOND.address,), replace=(replace(FIRST, bus="C"),)))
    assert ([1], (replace(FIRST, bus="C"), third)) == (writes, register.meters())


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("1", "E-STO-201"),
        ("", "E-STO-201"),
        ("0000000000012", "E-STO-201"),
        ("00000000000A", "E-STO-201"),
        ("１２３４５６７８９０１２", "E-STO-201"),
        ("000000000001\n", "E-STO-201"),
        ("999999999999", "E-STO-202"),
        ("AAAAAAAAAAAA", "E-STO-202"),
        ("aaaaaaaaaaaa", "E-STO-202"),
    ],
)
def test_an_address_is_text_of_twelve_digits(address, code):
    """Anything else is refused, and so are the addresses of nobody in particular."""
    with pytest.raises(UsageError) as caught:
        Meter(address=address, bus="A")
    assert code == caught.value.code


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("bus", ""),
        ("bus", "bus A"),
        ("protocol", "modbus"),
        ("tags", ("two words",)),
        ("tags", ("*",)),
        ("tags", ("000000000002",)),
        ("ct_ratio", "0"),
        ("ct_ratio", "-5"),
        ("pt_ratio", "100:5"),
        ("pt_ratio", "1e5"),
        ("ct_ratio", "."),
        ("name", "x" * 121),
        ("note", "two\nlines"),
    ],
)
def test_a_value_that_cannot_be_is_refused(field, value):
    """The error names the meter, the field and the rule."""
    with pytest.raises(UsageError) as caught:
        replace(FIRST, **{field: value})
    assert ("E-STO-203", field) == (caught.value.code, caught.value.values["field"])
    assert FIRST.address in caught.value.fact()


def test_a_change_survives_the_way_over_a_socket():
    """A change is the same after JSON."""
    change = RegisterChange(add=(FIRST,), remove=("000000000009",), replace=(SECOND,))
    assert change == change_of(json.loads(json.dumps(change_document(change))))
    assert (False, True) == (change.is_empty, RegisterChange().is_empty)


@pytest.mark.parametrize(
    "document",
    [
        {"add": [{"address": 12, "bus": "A"}]},
        {"add": [{"bus": "A"}]},
        {"add": ["000000000001"]},
        {"add": {"address": "000000000001"}},
        {"remove": [1]},
        {"remove": ["*"]},
        {"replace": [{**meter_document(FIRST), "tags": "roof"}]},
        {"replace": [{**meter_document(FIRST), "learned": []}]},
        {"replace": [{**meter_document(FIRST), "name": None}]},
    ],
)
def test_a_change_from_outside_is_checked(document):
    """Whatever stands in the JSON, the answer is an error with a code."""
    with pytest.raises(UsageError):
        change_of(document)


def test_a_meter_of_a_newer_program_keeps_what_we_know():
    """Fields that are not known are left out."""
    assert SECOND == meter_of({**meter_document(SECOND), "colour": "red"})


def test_a_register_of_a_newer_version_is_refused(tmp_path):
    """It is not read, not changed, and the error names both versions."""
    path = tmp_path / "register.json"
    SafeStorage(path).write({"about": {"1": {"schema": 9}}, "meters": {}})
    with MeterRegister(path) as register:
        for act in (register.meters, lambda: register.add(FIRST)):
            with pytest.raises(StoreError) as caught:
                act()
            assert ("E-STO-208", 9) == (caught.value.code, caught.value.values["version"])


@pytest.mark.parametrize("meters", [{"1": {"bus": "A"}}, {"1": {"address": "1", "bus": "A"}}, {"x": {}}, {"1": 5}])
def test_a_register_that_is_sound_but_senseless_is_an_error(tmp_path, meters):
    """A document with a right checksum and wrong content does not crash the poller."""
    path = tmp_path / "register.json"
    SafeStorage(path).write({"meters": meters})
    with MeterRegister(path) as register, pytest.raises(StoreError) as caught:
        register.meters()
    assert "E-STO-206" == caught.value.code


def test_a_fall_back_to_the_backup_is_told(register, tmp_path):
    """After a damaged file the meters of the backup are there, and the reason is known."""
    assert None is register.recovered()
    (tmp_path / "register.json").write_bytes(b"damaged")
    assert (FIRST,) == register.meters()
    assert register.recovered()


def test_one_may_write_at_a_time(tmp_path):
    """The second to ask is refused at once and told who holds it; afterwards the lock is free, also after an error."""
    with pytest.raises(RuntimeError), RegisterLock(tmp_path, "edge poll"):  # noqa: PT012 - the block is the test
        with pytest.raises(StoreError) as caught, RegisterLock(tmp_path):
            pass
        assert "E-STO-207" == caught.value.code
        assert "edge poll, process" in caught.value.fact()
        raise RuntimeError
    with RegisterLock(tmp_path):
        pass


def test_a_lock_in_no_folder_is_our_error(tmp_path):
    """The system's refusal comes with our code."""
    with pytest.raises(StoreError) as caught, RegisterLock(tmp_path / "gone"):
        pass
    assert "E-STO-210" == caught.value.code
