"""What a running daemon starts to read its settings file again: one JSON document on standard output.

`{"settings": ..., "text": ...}`, or `{"error": {...}}` with the code, and for mistakes the place of the first.
"""

import json
import sys
from pathlib import Path

from edge.cli.settings_file import read_settings
from edge.config.problems import Problem
from edge.config.table import raw_of
from edge.control.jobs import error_document
from edge.errors import ConfigError


def main() -> int:
    """Read the file that is named, and say what it holds."""
    try:
        data, loaded = read_settings(Path(sys.argv[1]))
    except ConfigError as exc:
        first = next((one for one in exc.problems if isinstance(one, Problem)), None)
        if first is not None:
            exc.values = {**exc.values, "first_line": first.line, "first_code": first.code}
        document = error_document(exc)
    else:
        text = data.decode("utf-8", "surrogateescape")
        document = {"settings": raw_of(loaded.value), "text": text}
    sys.stdout.write(json.dumps(document))
    return 0


if __name__ == "__main__":
    sys.exit(main())
