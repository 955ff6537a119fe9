"""Codes of the part `cli`."""

from edge.errors.shape import Codes

CODES: Codes = {}
