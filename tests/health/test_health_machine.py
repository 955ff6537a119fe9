"""The machine as the kernel shows it: made-up trees for every state, and what each is called."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from edge.clock import ClockTrust, ManualClock
from edge.health.machine import (
    Places,
    look_at_clock,
    look_at_disk,
    look_at_flash,
    look_at_memory,
    look_at_power,
    look_at_time_service,
)

MIB = 1 << 20


@pytest.fixture
def places(tmp_path):
    """Return an empty machine."""
    found = Places(sys=tmp_path / "sys", proc=tmp_path / "proc", run=tmp_path / "run")
    for folder in (found.sys, found.proc, found.run):
        folder.mkdir()
    return found


def put(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"{text}\n", encoding="utf-8")


def said(check):
    """Return the answer and the code of a check."""
    return check.answer.value, check.error.code if check.error else None


@pytest.mark.parametrize(
    ("trust", "answer"),
    [
        (ClockTrust.SYNCHRONISED, ("yes", None)),
        (ClockTrust.RTC, ("yes", None)),
        (ClockTrust.FLOOR, ("no", "E-HLT-101")),
        (ClockTrust.NONE, ("no", "E-HLT-101")),
    ],
)
def test_only_a_good_clock_is_known(trust, answer):
    """The trust is named in any case, and the offset where the centre told it."""
    check = look_at_clock(ManualClock(now=datetime(2026, 11, 23, 8, tzinfo=UTC), trusted=trust), 2.5)
    assert answer == said(check)
    assert (trust.value, 2.5, "2026-11-23T08:00:00+00:00") == (
        check.facts["trust"],
        check.facts["offset_s"],
        check.facts["now"],
    )


@pytest.mark.parametrize("comm", ["systemd-timesyn", "chronyd", "ntpd"])
def test_a_time_service_is_found_by_its_name(places, comm):
    """The kernel keeps fifteen characters of it."""
    put(places.proc / "1" / "comm", "systemd")
    assert ("no", "E-HLT-102") == said(look_at_time_service(places, None))
    put(places.proc / "77" / "comm", comm)
    check = look_at_time_service(places, None)
    assert ("yes", None) == said(check)
    assert check.facts["service"].startswith(comm)


def test_a_persons_word_stands_for_a_time_service(places):
    """Whoever keeps the clock by other means needs none."""
    put(places.proc / "1" / "comm", "systemd")
    put(places.run / "systemd" / "timesync" / "synchronized", "")
    check = look_at_time_service(places, ClockTrust.RTC)
    assert (("yes", None), True) == (said(check), check.facts["has_synchronised"])


def test_processes_that_are_hidden_leave_the_time_service_unknown(places):
    """Nobody sees every process: nothing is claimed."""
    assert ("unknown", None) == said(look_at_time_service(places, None))


def room(*, free=5000, blocks=10_000, files=1000, free_files=900, flag=0):
    """Return what statvfs says of a disk with blocks of 1 MiB."""
    return lambda _: os.statvfs_result((MIB, MIB, blocks, free, free, files, free_files, free_files, flag, 255))


def disk(places, statvfs, *, kind="ext4", options="rw", inner="rw"):
    """Look at a folder on a mount of its own; return the answers by claim."""
    path = places.run / "state dir"
    path.mkdir(exist_ok=True)
    point = str(path).replace(" ", "\\040")
    put(
        places.proc / "self" / "mountinfo",
        f"1 0 8:1 / / rw - ext4 /dev/root rw\n2 1 8:2 / {point} {options} shared:1 - {kind} /dev/x {inner}",
    )
    return {check.claim: said(check) for check in look_at_disk(path, places, statvfs)}


SOUND = dict.fromkeys(("disk_has_room", "disk_has_inodes", "disk_writable", "disk_fit"), ("yes", None))


@pytest.mark.parametrize(
    ("more", "claim", "code"),
    [
        ({"free": 150, "blocks": 1000}, "disk_has_room", "E-HLT-111"),
        ({"free": 400}, "disk_has_room", "E-HLT-111"),
        ({"free_files": 49}, "disk_has_inodes", "E-HLT-112"),
        ({"flag": os.ST_RDONLY}, "disk_writable", "E-HLT-113"),
    ],
)
def test_a_disk_that_runs_short_is_named(places, more, claim, code):
    """Room by bytes and by part, inodes, and a disk that the kernel closed."""
    assert SOUND == disk(places, room())
    assert {**SOUND, claim: ("no", code)} == disk(places, room(**more))


@pytest.mark.parametrize(
    ("mount", "claim", "code"),
    [
        ({"options": "ro,noatime"}, "disk_writable", "E-HLT-113"),
        ({"inner": "ro,errors=remount-ro"}, "disk_writable", "E-HLT-113"),
        ({"kind": "nfs4"}, "disk_fit", "E-HLT-114"),
        ({"kind": "tmpfs"}, "disk_fit", "E-HLT-114"),
        ({"kind": "vfat"}, "disk_fit", "E-HLT-114"),
    ],
)
def test_the_mount_tells_what_the_disk_is(places, mount, claim, code):
    """The innermost mount counts, with a space in its name."""
    assert {**SOUND, claim: ("no", code)} == disk(places, room(), **mount)


def test_a_file_system_that_makes_inodes_as_needed_has_no_number_of_them(places):
    """btrfs says 0 of 0: that is not "none left"."""
    assert {**SOUND, "disk_has_inodes": ("unknown", None)} == disk(places, room(files=0, free_files=0), kind="btrfs")


def test_a_folder_that_cannot_be_asked_is_unknown(places):
    """Nothing is claimed of a path that is not there."""
    answers = {check.claim: said(check) for check in look_at_disk(places.run / "none", places)}
    assert dict.fromkeys(SOUND, ("unknown", None)) == answers


@pytest.mark.parametrize(
    ("life", "spare", "answer"),
    [
        ("0x01 0x02", "0x01", ("yes", None)),
        ("0x08 0x01", "0x01", ("yes", None)),
        ("0x02 0x09", "0x01", ("no", "E-HLT-121")),
        ("0x0b 0x01", "0x01", ("no", "E-HLT-121")),
        ("0x09 0x09", "0x02", ("no", "E-HLT-122")),
        ("0x01 0x01", "0x03", ("no", "E-HLT-122")),
    ],
)
def test_built_in_flash_tells_how_worn_it_is(places, life, spare, answer):
    """The worse of both kinds of memory counts; spare blocks that are used up are worse still."""
    put(places.sys / "block" / "mmcblk0" / "device" / "life_time", life)
    put(places.sys / "block" / "mmcblk0" / "device" / "pre_eol_info", spare)
    assert answer == said(look_at_flash(places))


def test_a_card_tells_only_what_was_written(places):
    """An SD card has no counters of its own: how worn it is stays unknown."""
    put(places.sys / "block" / "mmcblk0" / "stat", "1 2 3 4 5 6 1000 8 9 10 11")
    check = look_at_flash(places)
    assert (("unknown", None), 512_000) == (said(check), check.facts["mmcblk0"]["written_bytes_since_start"])


@pytest.mark.parametrize(
    ("bits", "answer"),
    [
        ("0", ("yes", None)),
        ("e0008", ("yes", None)),
        ("10000", ("no", "E-HLT-132")),
        ("50005", ("no", "E-HLT-131")),
    ],
)
def test_the_firmware_tells_under_voltage(places, bits, answer):
    """At this moment, or since the start; a throttled clock is another bit."""
    put(places.sys / "devices" / "platform" / "soc" / "soc:firmware" / "get_throttled", bits)
    assert answer == said(look_at_power(places))


@pytest.mark.parametrize(("alarm", "answer"), [("0", ("yes", None)), ("1", ("no", "E-HLT-131"))])
def test_the_voltage_sensor_tells_under_voltage(places, alarm, answer):
    """A sensor of another name has an alarm of another meaning."""
    put(places.sys / "class" / "hwmon" / "hwmon0" / "name", "cpu_thermal")
    put(places.sys / "class" / "hwmon" / "hwmon0" / "in0_lcrit_alarm", "1")
    assert ("unknown", None) == said(look_at_power(places))
    put(places.sys / "class" / "hwmon" / "hwmon1" / "name", "rpi_volt")
    put(places.sys / "class" / "hwmon" / "hwmon1" / "in0_lcrit_alarm", alarm)
    assert answer == said(look_at_power(places))


@pytest.mark.parametrize(
    ("limit", "used", "kills", "answer"),
    [
        (96, 40, 0, ("yes", None)),
        (96, 90, 0, ("no", "E-HLT-181")),
        (96, 40, 3, ("no", "E-HLT-182")),
    ],
)
def test_a_unit_close_to_its_limit_of_memory_is_named(places, limit, used, kills, answer):
    """So is one that was ended for it."""
    folder = places.sys / "fs" / "cgroup" / "system.slice" / "edge-poll.service"
    put(folder / "memory.max", str(limit * MIB))
    put(folder / "memory.current", str(used * MIB))
    put(folder / "memory.events", f"low 0\noom 1\noom_kill {kills}")
    poll, forward = look_at_memory(places, ["edge-poll.service", "edge-forward.service"])
    assert (answer, ("unknown", None)) == (said(poll), said(forward))


def test_a_unit_without_a_limit_is_unknown(places):
    """The kernel writes "max" for none."""
    folder = places.sys / "fs" / "cgroup" / "system.slice" / "edge.service"
    put(folder / "memory.max", "max")
    put(folder / "memory.current", "1000")
    assert ["unknown"] == [check.answer.value for check in look_at_memory(places, ["edge.service"])]
