"""Codes of the part `identity`."""

from edge.errors.shape import Codes

CODES: Codes = {}
