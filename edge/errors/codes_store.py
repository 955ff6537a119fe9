"""Codes of the part `store`."""

from edge.errors.shape import Codes

CODES: Codes = {}
