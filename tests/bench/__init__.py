"""Figures, measured on the whole path and written to `docs/bench.md` by the program: `make bench`."""
