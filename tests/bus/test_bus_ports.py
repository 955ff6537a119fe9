"""The ports of a made-up machine, and of ptys of this one: names, chips, and what stands in the way."""

import fcntl
import os
import pty
import subprocess
import sys

import pytest

from edge.bus.port_holders import Holder
from edge.bus.ports import PortState, Usb, is_serial_port, look_at_ports
from tests.bus.port_tree import CH340, FTDI, PortTree


@pytest.fixture
def tree(tmp_path):
    return PortTree(tmp_path)


@pytest.fixture
def terminal():
    """Give a pty whose both ends this process holds, as the simulator does."""
    master, slave = pty.openpty()
    yield slave, os.ttyname(slave)
    os.close(master)
    os.close(slave)


def the_port(tree, *asked):
    (port,) = look_at_ports(asked, tree.places)
    return port


def state_of(tree, device):
    return {port.device: port.state for port in look_at_ports([str(device)], tree.places)}[str(device)]


def the_pty(path):
    return next(port for port in look_at_ports([path]) if port.device == path)


def test_a_machine_without_ports(tree):
    """Nothing is found, and nothing is wrong with that; not even where the system shows nothing at all."""
    assert () == look_at_ports((), tree.places)
    bare = PortTree(tree.root / "bare")
    for folder in (bare.places.proc, bare.places.locks, bare.places.dev):
        folder.rmdir()
    assert () == look_at_ports((), bare.places)


def test_an_adapter_tells_of_itself(tree):
    """Chip, driver, timer and names of a USB adapter; the name by serial number is the one to use."""
    device = tree.add_usb("ttyUSB0", FTDI | {"serial": "A50285BI"}, socket="1-1", driver="ftdi_sio")
    tree.set_latency_timer("ttyUSB0", 16)
    by_id = tree.link("serial/by-id/usb-FTDI_FT232R_USB_UART_A50285BI-if00-port0", device)
    tree.link("serial/by-path/platform-usb-0:1:1.0-port0", device)
    port = the_port(tree)
    usb = Usb(
        vendor="0403",
        product="6001",
        manufacturer="FTDI",
        name="FT232R USB UART",
        serial="A50285BI",
        interface="00",
        port_number="0",
    )
    assert (str(device), str(by_id), usb) == (port.device, port.best_name, port.usb)
    assert ("ftdi_sio", 16, False, 2) == (port.driver, port.latency_timer_ms, port.is_low_latency, len(port.names))
    tree.set_latency_timer("ttyUSB0", 1)
    assert the_port(tree).is_low_latency is True


def test_the_name_by_the_socket_comes_second(tree):
    """Without a name by serial number the shortest one by the socket is used; without that a rule of a person."""
    device = tree.add_usb("ttyUSB0", CH340, socket="1-1")
    assert ("", str(device)) == (the_port(tree).stable_name, the_port(tree).best_name)
    own = tree.link("meters-a", device)
    assert str(own) == the_port(tree).stable_name
    tree.link("serial/by-path/pci-0000:00:14.0-usbv2-0:1:1.0-port0", device)
    short = tree.link("serial/by-path/pci-0000:00:14.0-usb-0:1:1.0-port0", device)
    assert str(short) == the_port(tree).stable_name


def test_links_to_an_open_file_of_ours_are_no_names(tree):
    """/dev/stdin and its like lead to a port by chance only."""
    device = tree.add_usb("ttyUSB0", CH340, socket="1-1")
    assert () == the_port(tree).names
    tree.link("stdin", tree.root / "stdin-of-us")
    (tree.root / "stdin-of-us").symlink_to(device)
    assert 1 == len(the_port(tree).names)
    (tree.places.dev / "stdin").unlink()
    (tree.places.dev / "stdin").symlink_to("/proc/self/fd/0")
    assert () == the_port(tree).names


def test_two_adapters_without_serial_number(tree):
    """Alike adapters share one name by id, which no one may use; a third that differs keeps its own."""
    devices = [tree.add_usb(f"ttyUSB{n}", CH340, socket=f"1-{n}") for n in range(2)]
    other = tree.add_usb("ttyUSB2", CH340 | {"serial": "7"}, socket="1-2")
    tree.link("serial/by-id/usb-1a86_USB_Serial-if00-port0", devices[1])
    by_id = tree.link("serial/by-id/usb-1a86_USB_Serial_7-if00-port0", other)
    sockets = [tree.link(f"serial/by-path/usb-0:{n}:1.0-port0", one) for n, one in enumerate(devices)]
    found = look_at_ports((), tree.places)
    assert [True, True, False] == [port.has_twin for port in found]
    assert [*map(str, sockets), str(by_id)] == [port.best_name for port in found]


def test_a_shared_name_is_not_better_than_none(tree):
    """Of two alike adapters without names by the socket, both are known by their devices only."""
    devices = [tree.add_usb(f"ttyUSB{n}", CH340, socket=f"1-{n}") for n in range(2)]
    tree.link("serial/by-id/usb-1a86_USB_Serial-if00-port0", devices[1])
    assert [*map(str, devices)] == [port.best_name for port in look_at_ports((), tree.places)]


def test_ports_come_in_the_order_of_their_numbers(tree):
    """ttyUSB10 stands behind ttyUSB9."""
    for number in (10, 9, 0):
        tree.add_usb(f"ttyUSB{number}", CH340 | {"serial": str(number)}, socket=f"1-{number}")
    assert ["ttyUSB0", "ttyUSB9", "ttyUSB10"] == [port.device.split("/")[-1] for port in look_at_ports((), tree.places)]


def test_built_in_ports(tree):
    """Ports with a chip are shown with its driver, also where the kernel does not tell the chip's type; others not."""
    tree.add_uart("ttyAMA0", kind="32", driver="uart-pl011", flags="0x2040")
    tree.add_uart("ttymxc0", kind=None, driver="imx-uart")
    tree.add_uart("ttyS0", kind="0", driver="serial8250")
    tree.add_uart("ttyS1", kind=None, driver="serial8250")
    tree.add_uart("ttyS2", kind="4", driver="serial8250")
    (tree.places.sys / "class" / "tty" / "tty0").mkdir()
    tree.device("tty0")
    found = look_at_ports((), tree.places)
    assert ["uart-pl011", "serial8250", "imx-uart"] == [port.driver for port in found]
    assert [(None, True), (None, False), (None, False)] == [
        (port.latency_timer_ms, port.is_low_latency) for port in found
    ]
    assert [None] * 3 == [port.usb for port in found]


def test_a_port_in_use_names_its_programs(tree):
    """Each process that has the device open is named once, the lowest number first; other files count for nothing."""
    device = tree.add_usb("ttyUSB0", CH340, socket="1-1")
    tree.add_process(900, "minicom", str(device), str(device))
    tree.add_process(12, "ModemManager", "/dev/null", "socket:[7]", str(device))
    tree.add_process(13, "bash", f"{device}1")
    port = the_port(tree)
    assert (PortState.USED, (Holder(12, "ModemManager"), Holder(900, "minicom"))) == (port.state, port.holders)


def test_names_that_would_move_the_cursor(tree):
    """What an adapter or a program calls itself reaches a terminal without control characters."""
    device = tree.add_usb("ttyUSB0", CH340 | {"manufacturer": "a\x1b[2Jb"}, socket="1-1")
    tree.add_process(5, "x\x1by", str(device))
    assert ("a?[2Jb", "x?y") == (the_port(tree).usb.manufacturer, the_port(tree).holders[0].program)


def test_a_lock_file_of_a_living_process_counts(tree):
    """What older programs leave is believed while the process lives, and nothing else of it."""
    device = tree.add_usb("ttyUSB0", CH340, socket="1-1")
    lock = tree.places.locks / "LCK..ttyUSB0"
    lock.write_text("       77\n", encoding="ascii")
    assert PortState.FREE == the_port(tree).state
    tree.add_process(77, "pppd")
    assert (Holder(77, "pppd"),) == the_port(tree).holders
    for damaged in (b"", b"x\xff", b"-1"):
        lock.write_bytes(damaged)
        assert PortState.FREE == state_of(tree, device)


def test_a_lock_of_another_user_is_seen(tree):
    """A flock names its process to everybody; one that only waits for it, and one that cannot be seen, do not count."""
    device = tree.add_usb("ttyUSB0", CH340, socket="1-1")
    found = device.stat()
    where = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
    locks = [
        f"1: FLOCK  ADVISORY  WRITE 812 {where} 0 EOF",
        f"1: -> FLOCK  ADVISORY  WRITE 813 {where} 0 EOF",
        f"2: FLOCK  ADVISORY  WRITE 0 {where} 0 EOF",
        f"3: POSIX  ADVISORY  WRITE 814 {where} 0 EOF",
        f"4: FLOCK  ADVISORY  WRITE 815 {where}1 0 EOF",
    ]
    (tree.places.proc / "locks").write_text("\n".join(locks), encoding="ascii")
    assert (Holder(812, "?"),) == the_port(tree).holders


def test_what_cannot_be_seen_is_not_called_free_for_sure(tree):
    """Within a container other processes stay unseen; a user that is seen makes it sure again."""
    device = tree.add_usb("ttyUSB0", CH340, socket="1-1")
    assert (PortState.FREE, True) == (the_port(tree).state, the_port(tree).is_sure)
    tree.contain()
    assert (PortState.FREE, False) == (the_port(tree).state, the_port(tree).is_sure)
    tree.add_process(5, "edge", str(device))
    assert (PortState.USED, True) == (the_port(tree).state, the_port(tree).is_sure)


def test_a_port_that_was_asked_for_and_is_gone(tree):
    """A path that leads nowhere is shown as gone, once, under the name that was asked for."""
    wanted = str(tree.places.dev / "serial" / "by-id" / "usb-FTDI-if00-port0")
    port = the_port(tree, wanted, wanted)
    assert (PortState.GONE, wanted, ()) == (port.state, port.device, port.holders)


def test_a_port_that_is_gone_and_still_held(tree):
    """An adapter that was pulled out of a running program is shown with the program, unasked."""
    lost = tree.places.dev / "ttyUSB3"
    tree.add_process(31, "edge", f"{lost} (deleted)", "/tmp/ttyUSB4 (deleted)")
    port = the_port(tree)
    assert (PortState.GONE, str(lost), (Holder(31, "edge"),)) == (port.state, port.device, port.holders)


def test_a_link_that_was_asked_for_is_a_name(tree):
    """A person's own link is looked through, and the port behind it is shown once."""
    device = tree.add_usb("ttyUSB0", CH340, socket="1-1")
    link = tree.root / "bus-a"
    link.symlink_to(device)
    port = the_port(tree, str(link), str(device))
    assert (str(device), (str(link),)) == (port.device, port.names)


def test_a_wire_of_the_simulator_is_free_until_somebody_opens_it(terminal):
    """Who holds the far end of a pty does not use it; another process that opens it does, and is named."""
    _, path = terminal
    assert (PortState.FREE, True) == (the_pty(path).state, the_pty(path).is_pty)
    code = "import os, sys; os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY); print(flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code, path], stdin=-1, stdout=-1) as other:
        other.stdout.readline()
        seen = the_pty(path)
        other.stdin.close()
    assert (PortState.USED, [other.pid]) == (seen.state, [one.pid for one in seen.holders])
    assert PortState.FREE == the_pty(path).state


def test_a_real_lock_is_seen(terminal):
    """The lock that this program takes on its ports is found in the system's list."""
    slave, path = terminal
    fcntl.flock(slave, fcntl.LOCK_EX)
    assert [os.getpid()] == [one.pid for one in the_pty(path).holders]
    fcntl.flock(slave, fcntl.LOCK_UN)
    assert () == the_pty(path).holders


AS_ANOTHER_USER = """
import os, sys
from edge.bus.ports import look_at_ports
if os.geteuid() == 0:
    os.setgroups([]), os.setgid(65534), os.setuid(65534)
port = next(port for port in look_at_ports(sys.argv[1:]) if port.device == sys.argv[1])
print(port.state, port.is_permitted, port.is_for_group, port.group, port.is_sure)
"""


@pytest.mark.parametrize(("mode", "is_for_group"), [(0o060, True), (0o464, True), (0o040, False), (0o000, False)])
def test_a_port_without_permission(terminal, mode, is_for_group):
    """A user without the right is told so, with the group that owns the port and whether joining it would help."""
    slave, path = terminal
    os.fchmod(slave, mode)
    done = subprocess.run([sys.executable, "-c", AS_ANOTHER_USER, path], capture_output=True, text=True, check=True)
    group = the_pty(path).group
    assert f"no_permission False {is_for_group} {group} False\n" == done.stdout


def test_nothing_is_opened(terminal):
    """Looking opens no device, not even for reading: that would move its modem lines."""
    _, path = terminal
    code = (
        "import sys; from edge.bus.ports import look_at_ports; opened = []\n"
        "sys.addaudithook(lambda event, given: opened.append(str(given[0])) if event == 'open' else None)\n"
        "look_at_ports(sys.argv[1:]); print('/proc/locks' in opened, [one for one in opened if '/dev/' in one])"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    assert "True []\n" == done.stdout


def test_what_is_no_serial_port(terminal, tmp_path):
    """Files, folders and other devices are no ports; ptys are, and what is gone may have been one."""
    _, path = terminal
    assert [True, True] == [is_serial_port(path), is_serial_port(str(tmp_path / "ttyUSB0"))]
    assert [False, False, False] == [is_serial_port(one) for one in (str(tmp_path), __file__, "/dev/null")]
