"""One look at something: whether a claim holds, what was seen, and why not: made by `edge doctor`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from edge.errors import EdgeError
from edge.health.model import Answer


@dataclass(frozen=True, slots=True)
class Check:
    """What a look brought. `facts`: what was seen, whatever the answer; `error`: why the claim does not hold."""

    claim: str
    answer: Answer
    facts: Mapping[str, Any] = field(default_factory=dict)
    error: EdgeError | None = None

    def condition(self) -> dict[str, Any]:
        """Return it as a snapshot of the daemon's health has a condition; since when, one look cannot tell."""
        error = self.error
        code, values = (error.code, error.values) if error is not None else (None, {})
        return {"answer": self.answer.value, "since": None, "code": code, "values": values}


def found(claim: str, error: EdgeError | None, **facts: Any) -> Check:
    """Return the check of something that was looked at: the claim holds unless there is an error."""
    return Check(claim, Answer.NO if error is not None else Answer.YES, facts, error)


def not_known(claim: str, **facts: Any) -> Check:
    """Return the check of something that this machine, or this user, does not let us see."""
    return Check(claim, Answer.UNKNOWN, facts)
