"""Tables of meters, as installers and spreadsheet programs write them."""

import sys
from pathlib import Path

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import ConfigError
from edge.store.list_text import MOST_ROWS, read_cells
from edge.store.meter import Meter
from edge.store.meter_list import COLUMNS, ImportRules, plan_import, repair_address, write_list

RULES = ImportRules(buses=("A", "B"))
THERE = Meter(address="000000000001", bus="A", name="old", note="keep", learned={"preamble": 4})


def plan_of(tmp_path, content, present=(), rules=RULES):
    """Return the plan of a file with that content."""
    path = tmp_path / "meters.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return plan_import(path, present, rules)


def codes(remarks):
    """Return (code, row) of remarks."""
    return [(one.code, one.values.get("row")) for one in remarks]


CHINESE = "表号,总线,户名,安装位置,CT变比\n000000000001,A,张三,一层 2 号,100\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "gbk", "utf-16"])
def test_chinese_lists_in_every_encoding_are_read(tmp_path, encoding):
    """Headings and texts are right whatever the spreadsheet program saved."""
    plan = plan_of(tmp_path, CHINESE.encode(encoding))
    meter = Meter(address="000000000001", bus="A", name="张三", place="一层 2 号", ct_ratio="100")
    assert ((meter,), (), ()) == (plan.added, plan.problems, plan.notes)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_separators_and_line_ends_are_found_out(tmp_path, separator, ending):
    """The separator of the heading is that of the list; a quoted value may hold any."""
    rows = [["Address", "BUS", "name"], ["000000000001", "A", '"a,b;c"'], ["", "", ""], ["000000000002", "B", ""]]
    plan = plan_of(tmp_path, ending.join(separator.join(row) for row in rows))
    assert (["a,b;c", ""], ()) == ([one.name for one in plan.added], plan.problems)


def test_every_column_is_taken(tmp_path):
    """All columns of the contract reach the meter."""
    row = "000000000001,n,A,DLT645-1997,roof 三相,p,a,r,1.5,100,x"
    plan = plan_of(tmp_path, ",".join(COLUMNS) + "\n" + row)
    assert (
        Meter(
            address="000000000001",
            name="n",
            bus="A",
            protocol="dlt645-1997",
            tags=("roof", "三相"),
            place="p",
            area="a",
            role="r",
            ct_ratio="1.5",
            pt_ratio="100",
            note="x",
        ),
    ) == plan.added


@pytest.mark.parametrize(
    ("text", "address", "code"),
    [
        ("000000000001", "000000000001", None),
        ("'000000000001", "000000000001", None),
        ('="000000000001"', "000000000001", None),
        ("２０２１０７０７２５２９", "202107072529", None),
        ("12345678", "000012345678", "E-STO-304"),
        ("12345678.0", "000012345678", "E-STO-304"),
        ("2.02107E+11", None, "E-STO-305"),
        ("2E11", None, "E-STO-305"),
        ("1234567890123456", None, "E-STO-305"),
        ("1234567890123", None, "E-STO-313"),
        ("", None, "E-STO-313"),
        ("12 34", None, "E-STO-313"),
        ("1234.5", None, "E-STO-313"),
        ("-1", None, "E-STO-313"),
        ("0", None, "E-STO-313"),
        ("999999999999", None, "E-STO-313"),
        ("AAAAAAAAAAAA", None, "E-STO-313"),
    ],
)
def test_addresses_are_repaired_only_where_that_is_safe(tmp_path, text, address, code):
    """Lost zeros are put back and marked; what was rounded or is something else is refused with its row."""
    quoted = '"' + text.replace('"', '""') + '"'
    plan = plan_of(tmp_path, f"address,bus\n{quoted},A\n")
    assert [address] * bool(address) == [one.address for one in plan.added]
    assert [(code, 2)] * bool(code) == codes(plan.problems or plan.notes)


@given(st.text(max_size=20))
def test_no_text_is_a_wrong_address(text):
    """Whatever the cell holds, the answer is an address of 12 digits or a refusal."""
    address, remark = repair_address(1, text)
    assert (address is None) <= (remark is not None)
    assert address is None or (len(address) == 12 and address.isascii() and address.isdigit())


def test_all_mistakes_come_at_once_with_their_rows(tmp_path):
    """Nothing hides behind the first mistake; a row number is the line in the file."""
    content = (
        "address,bus,ct_ratio\n"
        "000000000001,A,1\n"
        "1E+11,A,1\n"
        "000000000002,C,1\n"
        "\n"
        "000000000001,B,1\n"
        "000000000003,A,much\n"
        "000000000004,A,1,more\n"
        "000000000005,,1\n"
    )
    expected = {3: "E-STO-305", 4: "E-STO-308", 6: "E-STO-307", 7: "E-STO-310", 8: "E-STO-310", 9: "E-STO-309"}
    assert [(code, row) for row, code in expected.items()] == codes(plan_of(tmp_path, content).problems)


def test_a_plan_tells_added_changed_and_same(tmp_path):
    """A column that the list lacks stays as it is; what is not in the list stays there."""
    same, other = Meter(address="000000000002", bus="B", name="b"), Meter(address="000000000003", bus="B")
    content = "address,bus,name\n000000000001,A,new\n000000000002,B,b\n000000000004,A,d\n"
    plan = plan_of(tmp_path, content, (THERE, same, other))
    changed = Meter(address="000000000001", bus="A", name="new", note="keep", learned={"preamble": 4})
    assert ((THERE, changed),) == plan.changed
    assert (["000000000004"], (same,), ()) == ([one.address for one in plan.added], plan.same, plan.removed)
    change = plan.change()
    assert (plan.added, (changed,), ()) == (change.add, change.replace, change.remove)


def test_a_whole_list_removes_what_it_does_not_name(tmp_path):
    """Only if the caller says that the list is whole; a row with a mistake still names its meter."""
    rules = ImportRules(buses=("A",), is_whole=True)
    there = (THERE, Meter(address="000000000002", bus="A"))
    plan = plan_of(tmp_path, "address,bus\n000000000002,nowhere\n", there, rules)
    assert ((THERE,), ("000000000001",)) == (plan.removed, plan.change().remove)


def test_a_meter_on_another_bus_is_learned_anew(tmp_path):
    """What was learned about it there need not hold here."""
    plan = plan_of(tmp_path, "address,bus\n000000000001,B\n", (THERE,))
    assert ({}, "keep") == (plan.changed[0][1].learned, plan.changed[0][1].note)


def test_a_row_without_a_bus_takes_the_rule_then_what_is_there(tmp_path):
    """--bus, or the only bus, fills empty cells; a meter that is there keeps its own."""
    plan = plan_of(tmp_path, "address\n000000000001\n", (THERE,))
    assert ((THERE,), ()) == (plan.same, plan.problems)
    rules = ImportRules(buses=("A", "B"), bus="B")
    assert ["B"] == [one.bus for one in plan_of(tmp_path, "address\n000000000009\n", (), rules).added]


def test_a_column_that_is_not_known_is_named(tmp_path):
    """It is left out, and the person is told."""
    plan = plan_of(tmp_path, "address,bus,电话\n000000000001,A,139\n")
    assert [("E-STO-311", "电话")] == [(one.code, one.values["column"]) for one in plan.notes]
    assert 1 == len(plan.added)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "E-STO-303"),
        (b"bus,name\nA,x\n", "E-STO-303"),
        ("表号,address\n1,2\n".encode(), "E-STO-312"),
        (b"address,bus\n\x00\x01\x02", "E-STO-302"),
        (b"\xff\xff\xff\x00", "E-STO-302"),
        ("表号,总线\n".encode("utf-16-le"), "E-STO-302"),
        (b'address,bus\n"never closed,A\n', "E-STO-302"),
        (b"PK\x03\x04 not really a spreadsheet", "E-STO-306"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "E-STO-306"),
    ],
)
def test_what_is_no_list_is_refused_with_a_reason(tmp_path, monkeypatch, content, code):
    """Empty, binary, other tables, spreadsheets that cannot be read here."""
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(ConfigError) as caught:
        plan_of(tmp_path, content)
    assert (code, 3) == (caught.value.code, caught.value.exit_code)


def test_a_spreadsheet_is_read_and_its_lost_zeros_are_marked(tmp_path):
    """Excel keeps an address typed as a number without its leading zeros: they are added, and the row says so."""
    book = openpyxl.Workbook()
    for row in (("表号", "总线", "名称"), ("202311000001", "A", "一号"), (12345678, "A", "二号"), (None, None, None)):
        book.active.append(row)
    path = tmp_path / "meters.xlsx"
    book.save(path)
    plan = plan_import(path, (), RULES)
    assert ["202311000001", "000012345678"] == [one.address for one in plan.added]
    assert ["一号", "二号"] == [one.name for one in plan.added]
    assert ["000012345678"] == [one.values["address"] for one in plan.notes]


def test_a_list_that_is_gone_is_refused(tmp_path):
    """A file that cannot be read is an error with its path."""
    with pytest.raises(ConfigError) as caught:
        plan_import(tmp_path / "gone.csv", (), RULES)
    assert "gone.csv" in caught.value.fact()


names = st.text(st.characters(exclude_categories=("C", "Z"), exclude_characters="\0"), max_size=20)
meters = st.builds(
    Meter,
    address=st.from_regex(r"[0-8][0-9]{10}[1-8]", fullmatch=True),
    bus=st.sampled_from("AB"),
    name=names,
    place=names,
    note=names | st.sampled_from(["=1+1", "'=x", "-5", "@a", "+", "'", "'5"]),
    tags=st.lists(st.from_regex(r"[a-z]{1,5}", fullmatch=True), max_size=3, unique=True).map(tuple),
    ct_ratio=st.sampled_from(["", "1", "1.50"]),
)


@given(st.lists(meters, max_size=5, unique_by=lambda one: one.address), st.sampled_from(["en", "zh"]))
def test_what_is_written_is_read_again(tmp_path_factory, some, lang):
    """Export and import are each other's way back, in both languages, whatever the texts hold."""
    path = tmp_path_factory.mktemp("list") / "meters.csv"
    path.write_text(write_list(some, lang), encoding="utf-8-sig", newline="")
    plan = plan_import(path, (), RULES)
    assert (tuple(some), (), ()) == (plan.added, plan.problems, plan.notes)


def test_a_formula_is_held_down():
    """A text that a spreadsheet would run is written as text."""
    line = write_list([Meter(address="000000000001", bus="A", name="=HYPERLINK(1)")]).splitlines()[1]
    assert "'=HYPERLINK(1)" == line.split(",")[1]


@pytest.mark.parametrize("rows", [MOST_ROWS - 1, MOST_ROWS])
def test_a_list_has_a_bound(tmp_path, rows):
    """As many rows as any gateway has meters, the heading among them; one more is refused."""
    path = tmp_path / "list.csv"
    path.write_text("address,bus\n" + "".join(f"{n:012d},A\n" for n in range(1, rows + 1)))
    if rows < MOST_ROWS:
        assert rows == len(plan_import(path, (), ImportRules()).added)
        return
    with pytest.raises(ConfigError) as caught:
        plan_import(path, (), ImportRules())
    assert "E-STO-316" == caught.value.code


def test_a_device_without_an_end_is_refused():
    """No more is read than a list may have."""
    with pytest.raises(ConfigError) as caught:
        read_cells(Path("/dev/zero"))
    assert ("E-STO-302", "larger than 8 MiB") == (caught.value.code, caught.value.values["detail"])
