"""The machine under the gateway: clock, disk, flash, power, memory, as the kernel shows them. Nothing is changed.

Every look is a function of what it needs, so that a made-up machine can be shown to it. What a kernel or a board does
not tell is unknown, never fine.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from edge.clock import Clock, ClockTrust
from edge.errors import EdgeError
from edge.health.check import Check, found, not_known

_MIB = 1 << 20
_SECTOR = 512  # of /sys/block/*/stat, whatever the card's own is: Linux, Documentation/block/stat.rst
_WRITTEN = 6  # place of the sectors written in it

_LEAST_FREE_MIB, _LEAST_FREE_PERCENT, _LEAST_INODES_PERCENT = 200, 5, 5
# No locks or no fsync that lasts, or gone with the power.
_UNFIT = frozenset({"nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "vfat", "exfat", "msdos", "tmpfs", "ramfs"})

# JEDEC eMMC 5.1, EXT_CSD 268/269 (life time, in steps of 10 %) and 267 (spare blocks).
_LIFE_STEP_PERCENT, _WORN_PERCENT = 10, 80
_SPARE_BLOCKS = {2: "warning", 3: "urgent"}

# The firmware of a Raspberry Pi: bit 0 of get_throttled is this moment, bit 16 since the start.
_UNDER_VOLTAGE, _HAS_BEEN_UNDER = 1 << 0, 1 << 16
_VOLTAGE_SENSOR = "rpi_volt"

_NEARLY_PERCENT = 90
TIME_SERVICES = ("systemd-timesyncd", "chronyd", "ntpd")
_COMM = 15  # characters of a name that the kernel keeps


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where the kernel shows itself."""

    sys: Path = Path("/sys")
    proc: Path = Path("/proc")
    run: Path = Path("/run")


def look_at_clock(clock: Clock, offset_s: float | None) -> Check:
    """Look how far the time can be trusted; `offset_s`: how far it was from the centre's, where that is known."""
    trust, now = clock.trust(), clock.utc_now().isoformat(timespec="seconds")
    error = None if trust.is_good else EdgeError("E-HLT-101", trust=trust.value, now=now)
    return found("clock_known", error, trust=trust.value, now=now, offset_s=offset_s)


def look_at_time_service(places: Places, assumed: ClockTrust | None) -> Check:
    """Look whether something keeps the clock; `assumed`: a person's word that it is kept by other means."""
    is_marked = (places.run / "systemd" / "timesync" / "synchronized").exists()
    running = _time_service(places.proc)
    facts = {"service": running, "has_synchronised": is_marked}
    if running is not None or assumed is not None:
        return found("time_service", None, **facts)
    if not (places.proc / "1").exists():
        return not_known("time_service", **facts)
    return found("time_service", EdgeError("E-HLT-102", known=", ".join(TIME_SERVICES)), **facts)


def _time_service(proc: Path) -> str | None:
    names = {name[:_COMM]: name for name in TIME_SERVICES}
    for file in proc.glob("[0-9]*/comm"):
        if (name := names.get(_text(file))) is not None:
            return name
    return None


def look_at_disk(
    path: Path, places: Places, statvfs: Callable[[Path], os.statvfs_result] = os.statvfs
) -> Iterator[Check]:
    """Look at the file system that a path is on: kind, free room, free inodes, and whether it can be written."""
    try:
        room = statvfs(path)
    except OSError as exc:
        for claim in ("disk_has_room", "disk_has_inodes", "disk_writable", "disk_fit"):
            yield not_known(claim, path=str(path), detail=str(exc))
        return
    mount = _mount_of(path, places.proc)
    free, percent = room.f_bavail * room.f_frsize, 100 * room.f_bavail // max(1, room.f_blocks)
    is_short = free < _LEAST_FREE_MIB * _MIB or percent < _LEAST_FREE_PERCENT
    error = EdgeError("E-HLT-111", path=path, free=free // _MIB, percent=percent) if is_short else None
    yield found("disk_has_room", error, path=str(path), free_bytes=free, free_percent=percent)
    yield _inodes(path, room)
    is_readonly = bool(room.f_flag & os.ST_RDONLY) or (mount is not None and mount.is_readonly)
    yield found("disk_writable", EdgeError("E-HLT-113", path=path) if is_readonly else None, path=str(path))
    if mount is None:
        yield not_known("disk_fit", path=str(path))
    else:
        unfit = EdgeError("E-HLT-114", path=path, kind=mount.kind) if mount.kind in _UNFIT else None
        yield found("disk_fit", unfit, path=str(path), file_system=mount.kind, device=mount.device)


def _inodes(path: Path, room: os.statvfs_result) -> Check:
    if not room.f_files:  # btrfs and its like make them as they are needed
        return not_known("disk_has_inodes", path=str(path))
    percent = 100 * room.f_favail // room.f_files
    is_short = percent < _LEAST_INODES_PERCENT
    error = EdgeError("E-HLT-112", path=path, free=room.f_favail, percent=percent) if is_short else None
    return found("disk_has_inodes", error, path=str(path), free=room.f_favail, free_percent=percent)


@dataclass(frozen=True, slots=True)
class _Mount:
    kind: str
    device: str
    is_readonly: bool


def _mount_of(path: Path, proc: Path) -> _Mount | None:
    """Return the mount that a path is on, the last one if several lie over each other; see proc(5), mountinfo."""
    whole = Path(os.path.realpath(path))
    best: tuple[int, _Mount] | None = None
    for line in _text(proc / "self" / "mountinfo").splitlines():
        before, _, after = line.partition(" - ")
        fields, (kind, device, *_) = before.split(), [*after.split(), "", ""][:3]
        if len(fields) < _MOUNT_FIELDS:
            continue
        point = Path(_unescaped(fields[4]))
        if whole.is_relative_to(point) and (best is None or len(point.parts) >= best[0]):
            options = {*fields[5].split(","), *after.split()[-1:][0].split(",")}
            best = (len(point.parts), _Mount(kind, device, "ro" in options))
    return best[1] if best else None


_MOUNT_FIELDS = 6


def _unescaped(text: str) -> str:
    for code, char in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, char)
    return text


def look_at_flash(places: Places) -> Check:
    """Look how worn built-in flash is. SD cards do not tell; then what was written since the start is all there is."""
    facts: dict[str, object] = {}
    error: EdgeError | None = None
    is_told = False
    for disk in sorted(_folders(places.sys / "block", "mmcblk[0-9]")):
        life = max((_number(word) for word in _text(disk / "device" / "life_time").split()), default=0)
        spare = _number(_text(disk / "device" / "pre_eol_info"))
        facts[disk.name] = {
            "life_used_percent": life * _LIFE_STEP_PERCENT or None,
            "spare_blocks": _SPARE_BLOCKS.get(spare, "normal" if spare else None),
            "written_bytes_since_start": _written(disk),
        }
        is_told = is_told or bool(life or spare)
        if spare in _SPARE_BLOCKS:
            error = EdgeError("E-HLT-122", device=disk.name, state=_SPARE_BLOCKS[spare])
        elif error is None and life * _LIFE_STEP_PERCENT > _WORN_PERCENT:
            error = EdgeError("E-HLT-121", device=disk.name, percent=life * _LIFE_STEP_PERCENT)
    return found("flash_life", error, **facts) if is_told else not_known("flash_life", **facts)


def _written(disk: Path) -> int | None:
    words = _text(disk / "stat").split()
    return _number(words[_WRITTEN]) * _SECTOR if len(words) > _WRITTEN else None


def look_at_power(places: Places) -> Check:
    """Look whether the board's supply was too low: told by the firmware of a Raspberry Pi, or by its sensor."""
    raw = _text(places.sys / "devices" / "platform" / "soc" / "soc:firmware" / "get_throttled")
    with suppress(ValueError):
        bits = int(raw, 16)
        now, before = bool(bits & _UNDER_VOLTAGE), bool(bits & _HAS_BEEN_UNDER)
        code = "E-HLT-131" if now else "E-HLT-132" if before else None
        return found("power", EdgeError(code) if code else None, low_now=now, low_since_start=before or now)
    for sensor in sorted(_folders(places.sys / "class" / "hwmon", "hwmon*")):
        alarm = _text(sensor / "in0_lcrit_alarm")
        if _text(sensor / "name") == _VOLTAGE_SENSOR and alarm:
            is_low = alarm != "0"
            return found("power", EdgeError("E-HLT-131") if is_low else None, low_now=is_low, low_since_start=None)
    return not_known("power")


def look_at_memory(places: Places, units: Sequence[str]) -> Iterator[Check]:
    """Look how close each unit is to its limit of memory, and whether it was ended for it."""
    for unit in units:
        folder = places.sys / "fs" / "cgroup" / "system.slice" / unit
        limit, used = _number(_text(folder / "memory.max")), _number(_text(folder / "memory.current"))
        claim = f"memory {unit}"
        if not limit or not used:  # no such unit, or no limit: "max"
            yield not_known(claim)
            continue
        kills = _kills(folder)
        error: EdgeError | None = None
        if kills:
            error = EdgeError("E-HLT-182", unit=unit, count=kills)
        elif 100 * used > _NEARLY_PERCENT * limit:
            error = EdgeError("E-HLT-181", unit=unit, used=used // _MIB, limit=limit // _MIB)
        yield found(claim, error, used_bytes=used, limit_bytes=limit, ended_for_memory=kills)


def _kills(folder: Path) -> int:
    words = (line.split() for line in _text(folder / "memory.events").splitlines())
    return next((_number(value) for name, value in words if name == "oom_kill"), 0)


def _folders(folder: Path, pattern: str) -> list[Path]:
    with suppress(OSError):
        return list(folder.glob(pattern))
    return []


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _number(text: str) -> int:
    try:
        return int(text, 0)
    except ValueError:
        return 0
