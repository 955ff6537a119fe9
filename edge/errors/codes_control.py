"""Codes of the part `control`."""

from edge.errors.shape import Codes

CODES: Codes = {}
