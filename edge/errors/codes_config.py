"""Codes of the part `config`."""

from edge.errors.shape import Codes

CODES: Codes = {}
