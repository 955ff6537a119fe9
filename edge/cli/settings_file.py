"""The settings of the gateway as every verb reads them: with the checks that need the protocols, too."""

from pathlib import Path

from edge.config.checks import GATEWAY_CHECKS
from edge.config.load import Loaded, load_toml_model, parse_toml_model, read_file
from edge.config.settings import Settings
from edge.poll.snapshot import SNAPSHOT_CHECKS
from edge.poll.vendor_items import ITEM_CHECKS

ALL_CHECKS = (*GATEWAY_CHECKS, *ITEM_CHECKS, *SNAPSHOT_CHECKS)


def load_settings(path: Path | str) -> Settings:
    """Return the settings of a file. Raises ConfigError with every mistake of the file."""
    return load_toml_model(path, Settings, checks=ALL_CHECKS)


def read_settings(path: Path) -> tuple[bytes, Loaded[Settings]]:
    """Return what stands in a file, and the settings that it makes. Raises ConfigError with every mistake of it."""
    data = read_file(path)
    return data, parse_settings(data, path)


def parse_settings(data: bytes, path: Path) -> Loaded[Settings]:
    """Return the settings that the bytes make in the place of a file. Raises ConfigError with every mistake."""
    return parse_toml_model(data, path, Settings, checks=ALL_CHECKS)
