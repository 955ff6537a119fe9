"""Codes of the part `messages`."""

from edge.errors.shape import Codes

CODES: Codes = {}
