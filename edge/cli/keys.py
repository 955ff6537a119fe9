"""`edge keys`: make the key that signs this gateway's batches, and show what of it others may know."""

import json
from pathlib import Path

import click

from edge.cli.common import config_option, json_option, say, tell
from edge.errors import IdentityError
from edge.identity.files import KEYS_FOLDER
from edge.identity.keys import load_signer, load_verifier, make_key, public_pem, save_public
from edge.messages.signing import Ed25519Signer, Ed25519Verifier, fingerprint_of

DEFAULT_NAME = "batch.key"


@click.group()
def keys() -> None:
    """Make and show signing keys. A private key never leaves the file that it was made in."""


@keys.command()
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=None,
    help=f"file, or folder for {DEFAULT_NAME} [default: beside --config, or in `keys` there; else the current folder]",
)
@config_option
@json_option
def new(out: Path | None, config_path: Path | None, *, as_json: bool) -> None:
    """Make an Ed25519 key file (mode 0600) and its public key beside it (.pub); never overwrites a key."""
    path = _target(out, config_path)
    public_path = path.with_name(f"{path.name.removesuffix('.key')}.pub")  # never the key's own name
    signer = make_key(path)
    save_public(public_path, signer)
    fingerprint = fingerprint_of(signer.public)
    if as_json:
        _print_json(key=str(path), public=str(public_path), kid=signer.kid.hex(), fingerprint=fingerprint)
        return
    click.echo(f"{say('public key ', '公钥文件')} {public_path}")
    click.echo(f"{say('fingerprint', '指纹    ')} SHA256:{fingerprint}")
    tell(say(f"Give {public_path} to the centre.", f"请将 {public_path} 交给主站。"))


@keys.command()
@click.argument("file", type=click.Path(path_type=Path))
@json_option
def show(file: Path, *, as_json: bool) -> None:
    """Show the id, fingerprint and public key of a key file, private or public."""
    key = _public_side(file)
    fingerprint, pem = fingerprint_of(key.public), public_pem(key.public)
    if as_json:
        _print_json(kid=key.kid.hex(), fingerprint=fingerprint, public_pem=pem)
        return
    click.echo(f"kid         {key.kid.hex()}")
    click.echo(f"{say('fingerprint', '指纹       ')} SHA256:{fingerprint}")
    click.echo(pem, nl=False)


def _target(out: Path | None, config_path: Path | None) -> Path:
    if out is None:
        folder = config_path.parent if config_path else Path()
        return (folder / KEYS_FOLDER if (folder / KEYS_FOLDER).is_dir() else folder) / DEFAULT_NAME
    return out / DEFAULT_NAME if out.is_dir() else out


def _public_side(file: Path) -> Ed25519Signer | Ed25519Verifier:
    try:
        return load_verifier(file)
    except IdentityError as error:
        if error.code != "E-KEY-203":
            raise
    return load_signer(file)


def _print_json(**fields: str) -> None:
    click.echo(json.dumps(fields, ensure_ascii=False))
