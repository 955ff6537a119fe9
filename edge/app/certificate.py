"""From when to when this gateway's certificate for the broker is valid; for the half that may read it."""

from pathlib import Path

from edge.config.settings import Settings
from edge.errors import IdentityError
from edge.identity.certificate import Validity, read_validity
from edge.identity.files import find_file


def certificate_validity(settings: Settings, folder: Path, handed: Path | None) -> Validity | None:
    """Return its validity; None if there is none that can be read."""
    mqtt = settings.mqtt
    if mqtt is None or mqtt.certificate is None:
        return None
    try:
        return read_validity(find_file(folder / mqtt.certificate, handed))
    except IdentityError:
        return None
