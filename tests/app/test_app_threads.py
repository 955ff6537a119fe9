"""A worker's thread: it steps, it is woken, and a defect ends the daemon instead of a silent half."""

import threading

from edge.app.threads import WorkerThread
from edge.clock import SystemClock
from edge.errors import StoreError


class Counting:
    progress_s = 0.0

    def __init__(self, fail_at=None, stop_error=None):
        self.steps, self.stopped = 0, False
        self.fail_at, self.stop_error = fail_at, stop_error
        self.reached = threading.Event()

    def step(self):
        self.steps += 1
        if self.steps == self.fail_at:
            raise ZeroDivisionError
        if self.steps >= 3:
            self.reached.set()
        return 0.0 if self.steps < 3 else float("inf")

    def stop(self):
        self.stopped = True
        if self.stop_error:
            raise self.stop_error


def run(worker):
    stopping = threading.Event()
    thread = WorkerThread("w", worker, SystemClock(), stopping)
    thread.start()
    return thread, stopping


def end(thread, stopping):
    stopping.set()
    thread.nudged.set()
    thread.thread.join()


def test_it_steps_until_told_to_stop():
    """The worker is stepped again and again, then stopped once; its beat shows that it moved."""
    worker = Counting()
    thread, stopping = run(worker)
    before = thread.beat
    assert worker.reached.wait(10)
    end(thread, stopping)
    assert worker.stopped
    assert not thread.failed
    assert thread.beat >= before > 0
    worker.progress_s = thread.beat + 5
    assert worker.progress_s == thread.beat


def test_a_nudge_wakes_it():
    """A worker that wants to sleep for ever is stepped again when it is nudged."""
    worker = Counting()
    thread, stopping = run(worker)
    assert worker.reached.wait(10)
    worker.reached.clear()
    thread.nudged.set()
    assert worker.reached.wait(10)
    end(thread, stopping)


def test_a_defect_stops_the_daemon(caplog):
    """An exception that nobody expected ends all threads: systemd starts anew, nothing limps on."""
    worker = Counting(fail_at=2)
    thread, stopping = run(worker)
    assert stopping.wait(10)
    thread.thread.join()
    assert thread.failed
    assert worker.stopped
    assert "defect in w" in caplog.text


def test_a_stop_that_fails_is_said(caplog):
    """What could not be put away at the end is an error with its code, and the exit code tells."""
    worker = Counting(stop_error=StoreError("E-STO-103", path="edge.db"))
    thread, stopping = run(worker)
    assert worker.reached.wait(10)
    end(thread, stopping)
    assert thread.failed
    assert "E-STO-103" in caplog.text
