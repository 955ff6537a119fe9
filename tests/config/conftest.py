"""Shared: a settings file that is fine, and a way to load a changed one."""

from collections.abc import Callable
from pathlib import Path

import pytest

from edge.config.load import load_settings
from edge.config.problems import Problem
from edge.config.settings import Settings
from edge.errors import ConfigError

GOOD = Path(__file__).parent.parent / "vectors" / "config_good.toml"


@pytest.fixture
def load(tmp_path: Path) -> Callable[[str | bytes], Settings]:
    """Return a function that loads a text as if it stood in edge.toml."""

    def load_text(text: str | bytes) -> Settings:
        file = tmp_path / "edge.toml"
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        return load_settings(file)

    return load_text


@pytest.fixture
def problems(load: Callable[[str | bytes], Settings]) -> Callable[[str], tuple[Problem, ...]]:
    """Return a function that gives the problems of a text, none if it is fine."""

    def problems_of(text: str) -> tuple[Problem, ...]:
        try:
            load(text)
        except ConfigError as exc:
            return tuple(item for item in exc.problems if isinstance(item, Problem))
        return ()

    return problems_of
