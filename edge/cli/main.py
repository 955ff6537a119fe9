"""The command `edge`: its verbs, loaded when they are called, and how every error leaves the program.

Exit codes: 0 fine, 1 our defect, 2 usage, 3 settings invalid, 4 port not usable, 5 nothing answered, 6 partly,
7 broker, 8 centre refused or did not confirm, 9 not allowed, 130 stopped.
"""

import errno
import importlib
import os
import sys
from typing import Any

import click

from edge import __version__
from edge.cli.common import choose_language, show_error, show_error_document
from edge.cli.streams import open_closed_streams
from edge.errors import EdgeError

_PARTLY, _NOT_ALLOWED = 6, 9
_VERBS = {
    "backlog": "backlog",
    "bus": "bus",
    "centre": "centre",
    "config": "config",
    "demo": "demo",
    "detect": "detect",
    "diagnose": "diagnose",
    "doctor": "doctor",
    "explain": "explain",
    "keys": "keys",
    "meters": "meters",
    "ports": "ports",
    "read": "read",
    "run": "run",
    "scan": "scan",
    "sim": "sim",
    "status": "status",
    "trace": "trace",
}


def _set_language(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    if value or ctx.parent is None:  # a verb without --lang keeps what stood before it
        choose_language(value or "")


def _lang_option() -> click.Option:
    return click.Option(
        ["--lang"],
        type=click.Choice(["en", "zh"]),
        expose_value=False,
        is_eager=True,
        callback=_set_language,
        help="language of messages [default: from LANG]",
    )


def _add_language(command: click.Command) -> click.Command:
    if not any("--lang" in param.opts for param in command.params):
        command.params.append(_lang_option())
    if isinstance(command, click.Group):
        for verb in command.commands.values():
            _add_language(verb)
    return command


class _Verbs(click.Group):
    """Loads a verb's module when the verb is used: an unused one costs no start time."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _VERBS:
            return None
        module = importlib.import_module(f"edge.cli.{_VERBS[cmd_name]}")
        command: click.Command = getattr(module, cmd_name)
        return _add_language(command)


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="edge")
def cli() -> None:
    """Read electricity meters over RS-485, keep every reading, deliver signed batches.

    Start with `edge demo`, or on a gateway with `edge config init`.
    """


_add_language(cli)


def main(arguments: list[str] | None = None) -> None:
    """Run a verb and leave with its exit code; no error leaves as a traceback unless it is our own defect."""
    open_closed_streams()
    sys.exit(_run(sys.argv[1:] if arguments is None else arguments))


def _run(arguments: list[str]) -> int:
    try:
        result: Any = cli.main(args=arguments, prog_name="edge", standalone_mode=False)
    except EdgeError as exc:
        if "--json" in arguments or "--jsonl" in arguments:
            show_error_document(exc)
        return show_failure(exc)
    except click.exceptions.Abort:
        return 130
    except click.ClickException as exc:
        exc.show()
        return exc.exit_code
    except click.exceptions.Exit as exc:
        return exc.exit_code
    except KeyboardInterrupt:
        return 130
    except (BrokenPipeError, SystemExit):  # click turns a broken pipe into SystemExit, and nothing else
        _forget_output()
        return 0
    except (OSError, UnicodeError) as exc:
        return show_failure(exc)
    return result if isinstance(result, int) else 0


def show_failure(exc: EdgeError | OSError | UnicodeError) -> int:
    """Show an error of ours, or what the system refused (a file, a full disk, text that is no text); return its code.

    Nobody wants a traceback.
    """
    error = exc if isinstance(exc, EdgeError) else _as_error(exc)
    if isinstance(exc, OSError) and exc.errno == errno.ENOSPC:
        _forget_output()
    show_error(error)
    return error.exit_code


def _as_error(exc: OSError | UnicodeError) -> EdgeError:
    error = EdgeError("E-CLI-119", detail=str(exc))
    is_full = isinstance(exc, OSError) and exc.errno == errno.ENOSPC
    error.exit_code = _NOT_ALLOWED if isinstance(exc, PermissionError) else _PARTLY if is_full else 1
    return error


def _forget_output() -> None:
    """Let the interpreter end quietly after the reader of our output has gone (`edge ... | head`)."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())


if __name__ == "__main__":
    main()
