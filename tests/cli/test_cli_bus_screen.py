"""`edge bus` on a terminal: a real pty before it, a real bus behind it, keys pressed."""

import os
import pty
import select
import subprocess
import sys
from contextlib import contextmanager

A = "202311000001"
EDGE = [sys.executable, "-m", "edge.cli.main"]
WAIT_S = 60


class Screen:
    """What a program in a terminal shows, and the keyboard before it."""

    def __init__(self, terminal):
        self._terminal = terminal
        self.shown = ""

    def wait_for(self, text):
        """Read until a text was shown since the last key."""
        while text not in self.shown:
            assert select.select([self._terminal], [], [], WAIT_S)[0], f"{text!r} was not shown"
            self.shown += os.read(self._terminal, 65536).decode("utf-8", "replace")

    def press(self, key):
        """Press a key; what was shown before it counts no more."""
        self.shown = ""
        os.write(self._terminal, key.encode())


@contextmanager
def a_bus(tmp_path):
    """Run a simulated bus on which another master asks a meter; give its port."""
    port = tmp_path / "bus"
    sim = [
        *EDGE,
        "sim",
        "--pty",
        str(port),
        "--meters",
        "1",
        "--first",
        A,
        "--fast",
        "--second-master",
        "0.5",
        "--json",
    ]
    with subprocess.Popen(sim, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout.readline()
            yield port
        finally:
            process.terminate()


def test_the_screen_of_a_bus_is_drawn_and_obeys_its_keys(tmp_path):
    """The meter that another master asks appears; help, pause, sorting and clearing are keys; q ends with success."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "EDGE_LANG": "en", "TERM": "xterm", "COLUMNS": "160", "LINES": "24"}
    with a_bus(tmp_path) as port:
        command = [*EDGE, "bus", "--port", str(port)]
        with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as process:
            try:
                os.close(theirs)
                screen = Screen(ours)
                screen.wait_for(A)
                for key, expected in (("h", "errors by verdict"), ("h", "q quit"), (" ", "paused"), (" ", A), ("s", A)):
                    screen.press(key)
                    screen.wait_for(expected)
                screen.press("q")
                assert 0 == process.wait(WAIT_S)
            finally:
                process.kill()
    os.close(ours)
