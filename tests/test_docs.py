"""The documents against the program: what they say exists, what exists is said, and both languages say the same."""

import importlib
import inspect
import re
import shlex
import signal
from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import click
import pytest
from click.testing import CliRunner

from edge import __version__
from edge.cli.main import cli
from edge.demo.site import BAD_WIRE, BUSES, DEAD, DUPLICATE, FIRST, PER_BUS, DemoSite
from edge.demo.watch import RoundView
from edge.messages import topics
from edge.poll.learned import Learned
from edge.protocols.drivers import protocol_names
from edge.protocols.quantity_page import quantities_page
from edge.reading.quantities import groups, quantities
from edge.reading.record import SlotState
from edge.reading.verdict import SlotReason, Verdict
from tests.test_rooms import MAY_IMPORT

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
ENGLISH, CHINESE = ROOT / "README.md", ROOT / "README.zh-CN.md"
OPERATIONS, ARCHITECTURE = DOCS / "operations.md", DOCS / "architecture.md"
PROTOCOL = DOCS / "protocol-dlt645.md"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *(ROOT / "requirements").glob("*.md")])
# Rooms that the table of imports foresees and that nobody has moved into.
_FORESEEN = {"commands", "web"}
_LANG = re.compile(r" --lang (en|zh)")


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@dataclass(frozen=True)
class Block:
    kind: str
    text: str

    @property
    def commands(self) -> list[str]:
        """The commands of the block, without comments."""
        lines = (re.sub(r"(^|\s)#.*", "", line).strip() for line in self.text.splitlines())
        return [line for line in lines if line] if self.kind == "sh" else []


def blocks(path: Path) -> list[Block]:
    return [Block(*found) for found in re.findall(r"^```(\w*)\n(.*?)^```$", read(path), re.MULTILINE | re.DOTALL)]


def prose(path: Path) -> str:
    return re.sub(r"^```.*?^```$", "", read(path), flags=re.MULTILINE | re.DOTALL)


def headings(path: Path) -> list[int]:
    return [len(found) for found in re.findall(r"^(#+) ", prose(path), re.MULTILINE)]


def shown_commands(path: Path) -> list[str]:
    """Return the commands of a page that are ours, as they stand in its blocks."""
    lines = [line for block in blocks(path) for line in block.commands]
    parts = [line.removeprefix("sudo ").removeprefix(".venv/bin/") for line in lines]
    return [part for part in parts if part.split()[0] == "edge"]


def mentioned_commands(path: Path) -> list[str]:
    """Return the commands of a page that stand in its sentences and tables."""
    spans = re.findall(r"`(edge\s[^`]*)`", prose(path))
    return [" ".join(span.split()) for span in spans]


def resolve(words: list[str]) -> tuple[click.Command, list[str]]:
    """Return the command that the words name, and the words that are left for it. Raises UsageError."""
    command: click.Command = cli
    ctx = click.Context(cli)
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        name, *words = words
        found = command.get_command(ctx, name)
        if found is None:
            message = f"no command {name}"
            raise click.UsageError(message)
        command = found
    return command, words


def fault_of(line: str, *, is_whole: bool) -> str | None:
    """Return what the program would have against a command line; a line that is not whole may lack arguments."""
    words = shlex.split(_LANG.sub("", line))[1:]
    try:
        command, rest = resolve(words)
        known = {option for param in command.params for option in (*param.opts, *param.secondary_opts)}
        strange = [word for word in rest if word.startswith("-") and word.split("=")[0] not in known | {"--help"}]
        if strange:
            return f"{line}: no option {strange[0]}"
        if is_whole and not isinstance(command, click.Group):
            command.make_context("edge", rest)
    except click.UsageError as exc:
        return f"{line}: {exc.message}"
    return None


def leaf_verbs(group: click.Group = cli, names: tuple[str, ...] = ("edge",)) -> Iterator[str]:
    ctx = click.Context(group)
    for name in group.list_commands(ctx):
        command = group.get_command(ctx, name)
        if isinstance(command, click.Group):
            yield from leaf_verbs(command, (*names, name))
        else:
            yield " ".join((*names, name))


@pytest.fixture(autouse=True)
def _files_of_the_examples(tmp_path, monkeypatch):
    """Commands that demand an existing file find one."""
    (tmp_path / "meters.csv").write_text("address\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)


def test_both_readmes_have_the_same_headings() -> None:
    """Same number of headings, same levels, same order."""
    assert headings(ENGLISH) == headings(CHINESE)
    assert len(headings(ENGLISH)) > 5


def test_both_readmes_show_the_same_commands() -> None:
    """The blocks of commands are the same, but for comments and the language asked for."""
    expected = [[_LANG.sub("", line) for line in block.commands] for block in blocks(ENGLISH)]
    assert expected == [[_LANG.sub("", line) for line in block.commands] for block in blocks(CHINESE)]


def test_both_readmes_mention_the_same_commands_and_pages() -> None:
    """What stands in sentences and tables, too: commands in code, and links."""
    assert sorted(mentioned_commands(ENGLISH)) == sorted(mentioned_commands(CHINESE))
    assert set(links(ENGLISH)) - {CHINESE.name} == set(links(CHINESE)) - {ENGLISH.name}


def test_the_readmes_lead_to_each_other_at_once() -> None:
    """The other language is the first thing under the name."""
    assert f"]({CHINESE.name})" in read(ENGLISH).splitlines()[1]
    assert f"]({ENGLISH.name})" in read(CHINESE).splitlines()[1]


@pytest.mark.parametrize("path", [ENGLISH, CHINESE], ids=named)
def test_the_two_commands_for_a_newcomer_are_there(path: Path) -> None:
    """One command runs it all, one checks it all, and make knows both."""
    lines = [line for block in blocks(path) for line in block.commands]
    targets = re.findall(r"^([a-z]+):", read(ROOT / "Makefile"), re.MULTILINE)
    assert {"make demo", "make test"} <= set(lines)
    assert {line.split()[1] for line in lines if line.startswith("make ")} <= set(targets)


@pytest.mark.parametrize("path", [ENGLISH, CHINESE, OPERATIONS], ids=named)
def test_every_command_line_that_is_shown_is_taken_by_the_program(path: Path) -> None:
    """Verbs, options and the form of their values are those of the program."""
    lines = shown_commands(path)
    assert lines
    assert [] == [fault for line in lines if (fault := fault_of(line, is_whole=True))]


@pytest.mark.parametrize("path", PAGES, ids=named)
def test_every_command_that_is_mentioned_exists(path: Path) -> None:
    """A command in a sentence names a verb and options that there are; the generated pages are held elsewhere."""
    if path.name in {"codes.md", "settings.md"}:
        return
    lines = mentioned_commands(path)
    assert [] == [fault for line in lines if (fault := fault_of(line, is_whole=False))]


@pytest.mark.parametrize(
    "line",
    ["edge fly", "edge centre fly", "edge read --fly", "edge read", "edge run --only both", "edge sim --meters x"],
)
def test_a_wrong_command_line_is_seen(line: str) -> None:
    """The tests above can fail: an unknown verb, option or value, a missing argument."""
    assert fault_of(line, is_whole=True) is not None


def test_every_verb_is_documented() -> None:
    """Each command of the program stands in the operator's guide or in the README."""
    text = f"{read(OPERATIONS)} {read(ENGLISH)}"
    assert [] == [verb for verb in leaf_verbs() if verb not in text]


def links(path: Path) -> list[str]:
    return re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", prose(path))


@pytest.mark.parametrize("path", PAGES, ids=named)
def test_every_relative_link_leads_somewhere(path: Path) -> None:
    """A link names a file of the repository."""
    targets = [link for link in links(path) if not re.match(r"[a-z]+://", link)]
    assert [] == [link for link in targets if not (path.parent / link).exists()]


def test_every_page_is_found_from_the_readme() -> None:
    """No page is an orphan: the README leads to each one, the list of decisions to each decision."""
    decisions = DOCS / "decisions"
    pages = {named(path) for path in DOCS.iterdir() if path.is_file()} | {"docs/decisions/README.md"}
    assert set() == pages - set(links(ENGLISH))
    assert {path.name for path in decisions.glob("0*.md")} == set(links(decisions / "README.md")) - {"../bench.md"}


@pytest.mark.parametrize("path", PAGES, ids=named)
def test_no_page_names_a_place_of_one_machine(path: Path) -> None:
    """No path of whoever wrote it."""
    assert [] == re.findall(r"(?<![\w.])/(?:work|root|home|tmp)\b\S*", read(path))


@pytest.mark.parametrize(("path", "lang"), [(ENGLISH, "en"), (CHINESE, "zh")], ids=["en", "zh"])
def test_the_explained_frame_is_what_the_program_prints(path: Path, lang: str, monkeypatch) -> None:
    """The example of the README is the output of the command above it, and of the frame on top."""
    monkeypatch.setenv("EDGE_LANG", lang)
    shown = blocks(path)
    at, frame = next(
        (number, line.split()[-1]) for number, block in enumerate(shown) for line in block.commands if "explain" in line
    )
    result = CliRunner().invoke(cli, ["--lang", lang, "explain", frame])
    assert result.output.strip() == shown[at + 1].text.strip()
    table = prose(path)
    assert f"`{frame}`" in table
    assert re.search(r"= ([\d.]+ kWh)$", result.output, re.MULTILINE)[1] in table


class _WatchOfPlayedRounds:
    """Stands in for the watch: three rounds are confirmed, the faulty meters missing as the site was built."""

    def __init__(self, site: DemoSite) -> None:
        reasons = {DEAD: Verdict.SILENCE, BAD_WIRE: Verdict.BAD_CHECKSUM, DUPLICATE: Verdict.COLLISION}
        states = {None: SlotState.READ}
        rows = {
            meter: SimpleNamespace(reason=reason, state=states.get(reason, SlotState.MISSING_OPEN))
            for meter in site.meters
            for reason in [reasons.get(meter)]
        }
        self._rounds = [RoundView(datetime(2026, 11, 23, tzinfo=UTC), rows, frozenset(rows))] * 3

    def open(self) -> None:
        pass

    def close(self) -> None:
        pass

    def step(self, timeout_s: float) -> None:
        pass

    def rounds(self) -> list[RoundView]:
        return self._rounds


@pytest.fixture
def _played_site(monkeypatch) -> Iterator[None]:
    """Let the demo run without its processes; the signal handlers that it sets are put back."""
    meters = [str(FIRST + number) for number in range(PER_BUS * len(BUSES))]
    monkeypatch.setattr(DemoSite, "start", lambda site: site.meters.extend(meters))
    monkeypatch.setattr("edge.demo.watch.DemoWatch", _WatchOfPlayedRounds)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(("path", "lang"), [(ENGLISH, "en"), (CHINESE, "zh")], ids=["en", "zh"])
@pytest.mark.usefixtures("_played_site")
def test_the_output_of_the_demo_is_what_the_program_prints(path: Path, lang: str, monkeypatch) -> None:
    """What the README shows below the demo's command is what the command prints of three rounds; times are masked."""
    monkeypatch.setenv("EDGE_LANG", lang)
    shown = blocks(path)
    at, line = next((n, line) for n, block in enumerate(shown) for line in block.commands if "demo --fast" in line)
    result = CliRunner().invoke(cli, shlex.split(line)[1:])
    assert result.exception is None
    assert _without_times(result.output) == _without_times(shown[at + 1].text)
    assert f"`{result.output.splitlines()[-1]}`" in prose(path)


def _without_times(text: str) -> str:
    return re.sub(r"\d\d:\d\d:\d\d", "hh:mm:ss", text)


def test_the_page_of_quantities_is_made_from_the_tables() -> None:
    """`docs/quantities.md` is what the program makes; after a change: scripts/pages."""
    assert quantities_page() == read(DOCS / "quantities.md")


def test_the_page_of_quantities_holds_every_key_and_group() -> None:
    """Each key has a row with its unit, each group of several keys has one too."""
    page = quantities_page()
    assert [] == [one.key for one in quantities().values() if f"| `{one.key}` | {one.unit or '-'} |" not in page]
    assert [] == [name for name, keys in groups().items() if len(keys) > 1 and f"| `{name}` | `" not in page]
    assert "| `energy_active_import_total` | kWh | 1-0:1.8.0 | number | 00010000 | 9010 |" in page


def test_every_topic_is_in_the_architecture() -> None:
    """Each function of the topics is named, and so is what it gives."""
    text = read(ARCHITECTURE)
    functions = dict(inspect.getmembers(topics, inspect.isfunction))
    assert [] == [name for name in functions if f"`{name}`" not in text]
    names = ["{tenant}", "{gateway}"]
    made = [topics.batch_topic(*names, topics.LIVE), topics.birth_topic(*names), topics.receipt_topic(*names)]
    assert [] == [topic for topic in [*made, topics.centre_topic(names[0])] if f"`{topic}`" not in text]


def test_every_room_is_in_the_architecture() -> None:
    """A new person finds each room in the table, and no room that is not there."""
    rows = set(re.findall(r"^\| `(\w+)` \| [^|]+ \| `[\w.*/`, ]+ \|$", read(ARCHITECTURE), re.MULTILINE))
    assert set(MAY_IMPORT) - _FORESEEN == rows


def test_the_files_to_start_reading_at_exist() -> None:
    """What the table of rooms points at is there."""
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| (`[\w.*/`, ]+) \|$", read(ARCHITECTURE), re.MULTILINE)
    edge = ROOT / "edge"
    missing = [
        f"{room}: {name}"
        for room, cell in rows
        for name in re.findall(r"`([\w.*/]+)`", cell)
        if not [*(edge / room).glob(name), *edge.glob(name)]
    ]
    assert [] == missing


@pytest.mark.parametrize("page", [DOCS / "protocol-dlt645.md"], ids=named)
def test_every_verdict_and_protocol_is_explained(page: Path) -> None:
    """Each verdict has a row, each protocol a column, each other reason of a missing slot its sentence."""
    text = read(page)
    assert [] == [verdict for verdict in Verdict if f"| `{verdict}` |" not in text]
    assert [] == [name for name in protocol_names() if f"`{name}`" not in text]
    assert [] == [reason for reason in set(SlotReason) - set(Verdict) if f"`{reason}`" not in text]


def rows_of(path: Path, heading: str) -> list[list[str]]:
    """Return the cells of the first table below a heading, without its first two rows."""
    _, _, below = read(path).partition(f"\n{heading}\n")
    table = re.search(r"(?:^\|.*\n)+", below, re.MULTILINE)
    lines = table[0].splitlines()[2:] if table else []
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_the_table_of_what_is_learned_has_every_fact() -> None:
    """One row for each fact that the register keeps of a meter, in the order of the code, with all its cells filled."""
    rows = rows_of(PROTOCOL, "## What is learned of a meter")
    assert [f"`{one.name}`" for one in fields(Learned)] == [row[0] for row in rows]
    assert [] == [row for row in rows if len(row) != 4 or not all(row)]


_UNITS = {"ms": 1, "s": 1, "kW": 1, "min": 60, "days": 86400}


def number_of(constant: object, unit: str) -> Decimal:
    """Return a constant as a number of a unit; a plain number is in that unit already."""
    if isinstance(constant, timedelta):
        return Decimal(int(constant.total_seconds())) / _UNITS[unit]
    return Decimal(str(constant))


def test_the_numbers_of_the_protocol_are_those_of_the_code() -> None:
    """Each row of the table of numbers names a file and a constant, and the constant has this value."""
    rows = rows_of(PROTOCOL, "## Numbers")
    assert len(rows) > 30
    for what, value, where in rows:
        file, name = re.findall(r"`([^`]+)`", where)
        module = importlib.import_module(f"edge.{file.removesuffix('.py').replace('/', '.')}")
        number, _, unit = value.partition(" ")
        assert (what, Decimal(number)) == (what, number_of(getattr(module, name), unit))


def test_the_operators_guide_knows_every_verdict() -> None:
    """Whatever a bus can say, the guide says where to look."""
    text = read(OPERATIONS)
    assert [] == [verdict for verdict in set(Verdict) - {Verdict.OK} if f"| `{verdict}`" not in text]


@pytest.mark.parametrize("path", sorted((DOCS / "decisions").glob("0*.md")), ids=named)
def test_a_decision_has_its_four_parts(path: Path) -> None:
    """Context, options, choice, cost, under a title with the number of its file."""
    text = read(path)
    assert ["Context", "Options", "Choice", "Cost"] == re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert text.startswith(f"# {path.name[:4]} ")


def test_the_newest_change_is_this_version() -> None:
    """The first entry of the changes and the name of the archive in the guide are of this version."""
    assert __version__ == re.findall(r"^## (.+)$", read(ROOT / "CHANGELOG.md"), re.MULTILINE)[0]
    assert {__version__} == set(re.findall(r"edge-([\d.]+)-aarch64", read(OPERATIONS)))
