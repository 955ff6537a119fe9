"""What the serial link asks of the kernel."""

import os
import pty
import termios
import tty

import pytest

from edge.bus.serial_link import check_parity


@pytest.fixture
def terminal():
    """Return a raw terminal, as pyserial leaves one."""
    master, slave = pty.openpty()
    tty.setraw(slave)
    yield slave
    os.close(slave)
    os.close(master)


def test_parity_of_what_is_received_is_checked(terminal):
    """A byte with wrong parity arrives as 00H: neither passed on as it is, nor marked, nor left out."""
    before = termios.tcgetattr(terminal)
    before[0] |= termios.PARMRK | termios.IGNPAR
    termios.tcsetattr(terminal, termios.TCSANOW, before)
    check_parity(terminal)
    flags = termios.tcgetattr(terminal)[0]
    assert flags & termios.INPCK
    assert not flags & (termios.IGNPAR | termios.PARMRK | termios.ISTRIP)
