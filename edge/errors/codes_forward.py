"""Codes of the part `forward`."""

from edge.errors.shape import Codes

CODES: Codes = {}
