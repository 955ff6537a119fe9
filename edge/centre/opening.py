"""Which ledger a centre has: a database where its settings or the command name one, else the file in its folder."""

from datetime import datetime
from pathlib import Path

from edge.centre.database_url import parse_database_url
from edge.centre.durable import BackupWatch, Replicated, ReplicaWatch, Watch
from edge.centre.ledger import Ledger
from edge.centre.ledger_sqlite import SqliteLedger
from edge.centre.restore import Place
from edge.centre.restore_sqlite import FilePlace
from edge.config.centre import CentreSettings
from edge.errors import UsageError, translating


def open_ledger(
    settings: CentreSettings, database: str | None = None, *, must_exist: bool = False, to_read: bool = False
) -> Ledger:
    """Return the ledger, opened; `database` takes the place of the settings' one. `to_read`: a file is not written.

    Raises StoreError if it does not open, UsageError E-CEN-108 to -110 for what cannot be.
    """
    if address := database or settings.centre.database:
        url = parse_database_url(address)
        with translating({ImportError: UsageError}, "E-CEN-109"):
            from edge.centre.ledger_postgres import PostgresLedger  # only where it is installed
        return PostgresLedger(url, must_exist=must_exist)
    return SqliteLedger(_file_of(settings), must_exist=must_exist, to_read=to_read)


def place_of(settings: CentreSettings, database: str | None, at: datetime) -> Place:
    """Return where the ledger belongs, for a backup to be put there; `at` names what it replaces.

    Raises UsageError E-CEN-108 to -110 for what cannot be.
    """
    if address := database or settings.centre.database:
        url = parse_database_url(address)
        with translating({ImportError: UsageError}, "E-CEN-109"):
            from edge.centre.restore_postgres import DatabasePlace  # only where it is installed
        return DatabasePlace(url)
    return FilePlace(_file_of(settings), at)


def _file_of(settings: CentreSettings) -> Path:
    path = Path(settings.centre.ledger)
    if settings.centre.durable == "replica":
        raise UsageError("E-CEN-110", path=path)
    return path


def watch_of(settings: CentreSettings, ledger: Ledger) -> Watch | None:
    """Return what moves `durable` by the policy of these settings; None for `commit` and `none`.

    For `replica` it raises UsageError E-CEN-114 if the settings name no standby, for whoever happens to stream may be
    anything, and StoreError E-CEN-309 if the login may not see the standbys.
    """
    if settings.centre.durable == "backup":
        return BackupWatch(ledger)
    if settings.centre.durable != "replica":
        return None
    if not isinstance(ledger, Replicated):
        raise UsageError("E-CEN-110", path=settings.centre.ledger)
    if settings.centre.standby is None:
        raise UsageError("E-CEN-114")
    watch = ReplicaWatch(ledger, settings.centre.standby)
    watch.check()
    return watch
