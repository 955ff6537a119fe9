"""The centre's settings as they are in `centre.toml`: one frozen model a table, unknown keys refused.

Same rules and same mistakes' texts as for `edge.toml`; a relative path is seen from the folder of the file.
"""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from edge.config.checks import has_both_or_none, has_no_nul
from edge.config.load import load_toml_model
from edge.config.settings import IS_PATH, Broker, Duration, Name

FILE_NAME = "centre.toml"


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class CentreFacts(_Table):
    """Who this centre is, and where it keeps what it accepts."""

    tenant: Name = Field(description="name of the utility; part of every topic, the same as in edge.toml")
    key: str = Field(
        "centre.key", min_length=1, description="Ed25519 private key that signs receipts", json_schema_extra=IS_PATH
    )
    gateways: str = Field(
        "gateways", min_length=1, description="folder of the gateways' public keys", json_schema_extra=IS_PATH
    )
    ledger: str = Field(
        "ledger.db", min_length=1, description="SQLite file of all that was accepted", json_schema_extra=IS_PATH
    )
    database: str | None = Field(
        None,
        min_length=1,
        description="postgresql://user@host:5432/name: a PostgreSQL database in the place of the file `ledger`; "
        "the password belongs into a file that PGPASSFILE names",
    )
    durable: Literal["commit", "backup", "replica", "none"] = Field(
        "commit",
        description="when a gateway may forget a batch: commit, as soon as it is committed here; backup, once "
        "`edge centre backup` has copied it; replica, once a standby of the database has it on its disk; none, never",
    )
    standby: str | None = Field(
        None,
        min_length=1,
        description="for replica: application_name of the standby that counts; without it, the one that is furthest",
    )


class CentreMqtt(_Table):
    """The way to the broker."""

    endpoint: Broker = Field("mqtt://127.0.0.1:1883", description="mqtt(s)://host:port")
    ca: str | None = Field(
        None, min_length=1, description="PEM file of the CA that signed its certificate", json_schema_extra=IS_PATH
    )
    certificate: str | None = Field(
        None, min_length=1, description="PEM file of the centre's TLS certificate", json_schema_extra=IS_PATH
    )
    key: str | None = Field(None, min_length=1, description="PEM file of its private key", json_schema_extra=IS_PATH)
    username: str | None = Field(None, description="where the broker asks for one")
    password_file: str | None = Field(
        None, min_length=1, description="file with the password; mode 0600", json_schema_extra=IS_PATH
    )
    version: Literal["3.1.1", "5"] = Field("3.1.1", description="MQTT version")

    @model_validator(mode="after")
    def _has_both(self) -> "CentreMqtt":
        if (self.certificate is None) != (self.key is None):
            raise PydanticCustomError("E-CFG-050", "certificate and key belong together: give both or none")
        return self


class Completeness(_Table):
    """What counts as in time."""

    grace: Duration = Field(
        "30m", description="a reading that reaches the centre later than this after its slot is late"
    )


class CentreSettings(_Table):
    """The whole of `centre.toml`."""

    schema_: Literal[1] = Field(1, alias="schema", description="version of this layout")
    centre: CentreFacts
    mqtt: CentreMqtt = CentreMqtt()  # type: ignore[call-arg]
    completeness: Completeness = Completeness()  # type: ignore[call-arg]


def load_centre(folder: Path) -> CentreSettings:
    """Return the settings of a centre's folder. Raises ConfigError with every mistake of the file."""
    return load_toml_model(
        folder / FILE_NAME, CentreSettings, checks=(has_both_or_none("mqtt", "certificate", "key"), has_no_nul)
    )


TEMPLATE = """\
# Settings of the centre: the other end of the gateways. Relative paths are seen from this folder.
schema = 1

[centre]
tenant = "{tenant}"          # name of the utility; the same as in each gateway's edge.toml
key = "centre.key"           # signs the receipts; never leaves this machine
gateways = "gateways"        # public keys of the gateways; put there by: edge centre enrol
ledger = "ledger.db"         # everything that was accepted
# database = "postgresql://edge@127.0.0.1/edge"   # a PostgreSQL database in the place of the file; PGPASSFILE
durable = "commit"           # when a gateway may forget: "commit", "backup" (edge centre backup), "replica", "none"

[mqtt]
endpoint = "mqtt://127.0.0.1:1883"   # "mqtts://broker.example:8883" for TLS
# ca = "ca.pem"              # of the broker's certificate
# certificate = "centre.pem" # mutual TLS: this and key
# key = "centre-tls.key"
# username = "centre"
# password_file = "password" # mode 0600
version = "3.1.1"            # or "5"

[completeness]
grace = "30m"                # a reading that comes later than this after its slot counts as late
"""
