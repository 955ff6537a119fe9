"""Codes of the part `centre`."""

from edge.errors.shape import Codes

CODES: Codes = {}
