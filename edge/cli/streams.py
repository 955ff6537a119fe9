"""The three standard streams, there whoever started us."""

import os
import sys


def open_closed_streams() -> None:
    """Open those that are closed to nowhere: printing to one that is not there would be a defect."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115 - open to the end
