"""The settings of the gateway as every verb reads them: with the checks that need the protocols, too."""

from pathlib import Path

from edge.config.checks import GATEWAY_CHECKS
from edge.config.load import load_toml_model
from edge.config.settings import Settings
from edge.poll.snapshot import SNAPSHOT_CHECKS
from edge.poll.vendor_items import ITEM_CHECKS

ALL_CHECKS = (*GATEWAY_CHECKS, *ITEM_CHECKS, *SNAPSHOT_CHECKS)


def load_settings(path: Path | str) -> Settings:
    """Return the settings of a file. Raises ConfigError with every mistake of the file."""
    return load_toml_model(path, Settings, checks=ALL_CHECKS)
