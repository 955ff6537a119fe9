"""Brokers for tests: a real mosquitto, one that plays a script, and the certificates between them."""

import datetime as dt
import getpass
import ipaddress
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NOW = dt.datetime.now(dt.UTC)
DAY = dt.timedelta(days=1)


def free_port() -> int:
    """Return a loopback port that nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


@contextmanager
def mosquitto_at(folder: Path, *lines: str, port: int | None = None) -> Iterator[int]:
    """Run mosquitto without persistence on a loopback port; `lines` are added to its settings."""
    port = port or free_port()
    settings = folder / f"mosquitto-{port}.conf"
    plain = [] if any("password_file" in line for line in lines) else ["allow_anonymous true"]
    # Started by root, mosquitto would become another user that may not read the test's files.
    plain.append(f"user {getpass.getuser()}")
    settings.write_text("\n".join([f"listener {port} 127.0.0.1", *plain, *lines, ""]), encoding="utf-8")
    command = ["mosquitto", "-c", str(settings)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        try:
            assert process.stderr is not None
            said = b""
            while b" running" not in said:
                line = process.stderr.readline()
                assert line, f"mosquitto ended: {said!r}"
                said += line
            yield port
        finally:
            process.kill()


@contextmanager
def scripted_broker(*answers: bytes) -> Iterator[int]:
    """Run a broker for one connection: it sends `answers` one by one, each after it received something, then closes."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def play() -> None:
            connection, _ = server.accept()
            with connection:
                for answer in answers:
                    connection.recv(65536)
                    connection.sendall(answer)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65536):
                    pass

        thread = threading.Thread(target=play)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            thread.join(5)


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate and its key, as files and as objects."""

    certificate: Path
    key: Path
    body: x509.Certificate
    private: ec.EllipticCurvePrivateKey


def issue(
    folder: Path,
    name: str,
    signer: Issued | None = None,
    *,
    hosts: tuple[str, ...] = ("127.0.0.1", "localhost"),
    from_day: int = -1,
    until_day: int = 1,
) -> Issued:
    """Write a certificate and its key; without `signer` it is a CA."""
    private = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    issuer = signer.body.subject if signer else subject
    issuer_key = signer.private if signer else private
    usage = [signer is None, signer is None]
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW + from_day * DAY)
        .not_valid_after(NOW + until_day * DAY)
        .add_extension(x509.BasicConstraints(ca=signer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(private.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
        .add_extension(
            x509.KeyUsage(True, False, False, False, False, *usage, False, False),
            critical=True,
        )
    )
    if signer is not None:
        names = [_general_name(host) for host in hosts]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    body = builder.sign(issuer_key, hashes.SHA256())
    issued = Issued(folder / f"{name}.pem", folder / f"{name}.key", body, private)
    issued.certificate.write_bytes(body.public_bytes(serialization.Encoding.PEM))
    issued.key.touch(mode=0o600)
    issued.key.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return issued


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def tls_lines(ca: Issued, server: Issued, *, wants_certificate: bool = False, version: str = "") -> tuple[str, ...]:
    """Return mosquitto's settings for TLS."""
    lines = [f"cafile {ca.certificate}", f"certfile {server.certificate}", f"keyfile {server.key}"]
    if wants_certificate:
        lines.append("require_certificate true")
    if version:
        lines.append(f"tls_version {version}")
    return tuple(lines)
