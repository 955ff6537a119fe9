"""What commands ask the forwarder for: sealing all that waits, and applying a receipt that came on a stick.

The main thread adds, the forwarder's thread does: only one thread has the worker. One batch a step, so that a long
row of batches neither holds up the network nor looks like a worker that is stuck.
"""

import logging
from collections import deque

from edge.control.jobs import CarriedReceiptJob, SealJob
from edge.control.server import Reply
from edge.errors import EdgeError
from edge.forward.worker import ForwardWorker

_LOG = logging.getLogger(__name__)


class ForwardJobs:
    """Jobs in the order in which they came. `add` is for any thread, `step` for the worker's."""

    def __init__(self) -> None:
        self._jobs: deque[tuple[SealJob | CarriedReceiptJob, Reply]] = deque()
        self._sealed = 0

    def add(self, job: SealJob | CarriedReceiptJob, reply: Reply) -> None:
        """Queue a job."""
        self._jobs.append((job, reply))

    def step(self, worker: ForwardWorker) -> bool:
        """Do a piece of the first job; return False if there is none, so that the worker does its own work."""
        if not self._jobs:
            return False
        job, reply = self._jobs[0]
        try:
            is_over = reply.is_closed or self._do(worker, job, reply)
        except EdgeError as exc:
            reply.fail(exc)
            is_over = True
        if is_over:
            self._jobs.popleft()
            self._sealed = 0
        return True

    def _do(self, worker: ForwardWorker, job: SealJob | CarriedReceiptJob, reply: Reply) -> bool:
        if isinstance(job, SealJob):
            return self._seal(worker, reply)
        accepted = worker.take_carried(job.receipt)
        result = {"stored": accepted.stored, "rejected": accepted.rejected, "fallen": accepted.fallen}
        reply.end({"result": {**result, "new_epoch": accepted.new_epoch.hex() if accepted.new_epoch else None}})
        _LOG.info("a receipt that was carried here covers %s batches", accepted.stored)
        return True

    def _seal(self, worker: ForwardWorker, reply: Reply) -> bool:
        """Seal one batch; when nothing is left that can be sealed, give the birth and end."""
        if worker.seal_now():
            self._sealed += 1
            reply.put({"progress": self._sealed})
            return False
        reply.end({"result": {"sealed": self._sealed, "birth": worker.birth().hex()}})
        return True
