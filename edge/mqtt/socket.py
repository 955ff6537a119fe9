"""A connected socket to a broker, its certificate checked, or an error that says which step failed.

Rules: TLS 1.2 at least; with a CA given only that CA counts; the server's name is always checked; there is no
way to switch a check off and no fallback to plain TCP. All waits together are bounded by one deadline, except the
resolver's own, which no program can bound from outside.
"""

import errno
import socket
import ssl
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from edge.clock import Clock
from edge.errors import ForwardError
from edge.mqtt.secrets import refuse_open_file

_MOST_ADDRESSES = 2  # of a name: one of each family; with more, each would get too little of the time
_DEFAULT_PORTS = {"mqtt": 1883, "mqtts": 8883}

# OpenSSL's verify codes (x509_vfy.h): what exactly is wrong with the broker's certificate.
_VERIFY_CODES = {9: "E-FWD-114", 10: "E-FWD-113", 62: "E-FWD-112", 64: "E-FWD-112"}
_NOT_TRUSTED = "E-FWD-111"

# OpenSSL's reasons by the words they contain; the first that fits decides.
_TLS_REASONS = (
    ("CERTIFICATE_REQUIRED", "E-FWD-115"),
    ("UNKNOWN_CA", "E-FWD-116"),
    ("ALERT_BAD_CERTIFICATE", "E-FWD-116"),
    ("ALERT_CERTIFICATE", "E-FWD-116"),
    ("ALERT_UNSUPPORTED_CERTIFICATE", "E-FWD-116"),
    ("ALERT_DECRYPT_ERROR", "E-FWD-116"),
)
_NO_AGREEMENT = "E-FWD-117"

_UNREACHABLE = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a broker listens."""

    host: str
    port: int
    is_tls: bool

    @property
    def is_plain(self) -> bool:
        """True if what is sent leaves this machine unencrypted."""
        return not self.is_tls and self.host not in ("localhost", "::1") and not self.host.startswith("127.")

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def parse_url(url: str) -> Endpoint:
    """Return the endpoint of mqtt://host[:port] or mqtts://host[:port].

    Raises ForwardError: E-FWD-129, which never shows the URL, if it holds a user name or a password; E-FWD-110 for
    anything else.
    """
    if "@" in url:
        raise ForwardError("E-FWD-129", host=url.rpartition("@")[2])
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as exc:
        raise ForwardError("E-FWD-110", url=url) from exc
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        raise ForwardError("E-FWD-110", url=url)
    return Endpoint(parts.hostname, port or _DEFAULT_PORTS[parts.scheme], parts.scheme == "mqtts")


@dataclass(frozen=True, slots=True)
class Tls:
    """How to speak TLS, and whether we bring a certificate of our own."""

    context: ssl.SSLContext
    has_certificate: bool


def load_tls(ca: str | None, certificate: str | None, key: str | None) -> Tls:
    """Return a context that checks chain and name; `ca` None: the machine's own CAs.

    Raises ForwardError if a file cannot be read, does not fit the other, or the key is open to other users.
    """
    try:
        context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=ca)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if certificate is not None:
            refuse_open_file(key or certificate, "E-FWD-119")
            # An encrypted key would otherwise ask on the terminal: a service has none.
            context.load_cert_chain(certificate, key, password="")
    except (OSError, ValueError) as exc:  # SSLError is an OSError
        files = ", ".join(name for name in (ca, certificate, key) if name)
        raise ForwardError("E-FWD-118", files=files, detail=str(exc)) from exc
    return Tls(context, certificate is not None)


def connect_socket(endpoint: Endpoint, tls: Tls | None, clock: Clock, deadline_s: float) -> socket.socket:
    """Return a connected socket; the handshake is done if TLS is given.

    Time: at most until `deadline_s` of the clock, but for the look-up of the name. At most two addresses of it are
    tried; the first has half of the time if there is a second.
    """
    sock = _connect_tcp(endpoint, clock, deadline_s)
    if tls is None:
        return sock
    try:
        sock.settimeout(_left_s(clock, deadline_s))  # over the whole handshake
        sock = wrapped = tls.context.wrap_socket(sock, server_hostname=endpoint.host, do_handshake_on_connect=False)
        wrapped.do_handshake()
    except BaseException as exc:
        has_answered = isinstance(sock, ssl.SSLSocket) and sock.cipher() is not None
        sock.close()
        if isinstance(exc, OSError | ValueError):  # who never answered has asked for no certificate
            raise error_of(exc, endpoint, has_certificate=tls.has_certificate or not has_answered) from exc
        raise
    return wrapped


def error_of(exc: BaseException, endpoint: Endpoint, *, has_certificate: bool = True) -> ForwardError:
    """Return the error that says which step of the connection failed, from what the system reported."""
    detail = str(exc) or type(exc).__name__
    code = _code_of(exc, is_tls=endpoint.is_tls, has_certificate=has_certificate)
    return ForwardError(code, host=endpoint.host, port=endpoint.port, detail=detail)


def _code_of(exc: BaseException, *, is_tls: bool, has_certificate: bool) -> str:
    match exc:
        case ssl.SSLCertVerificationError():
            return _VERIFY_CODES.get(exc.verify_code, _NOT_TRUSTED)
        case ssl.SSLError() if not isinstance(exc, ssl.SSLEOFError | ssl.SSLZeroReturnError):
            return _code_of_tls(exc.reason or "", has_certificate=has_certificate)
        case socket.gaierror():
            return "E-FWD-101"
        case ConnectionRefusedError():
            return "E-FWD-102"
        case TimeoutError():
            return "E-FWD-103"
        case OSError() if exc.errno in _UNREACHABLE:
            return "E-FWD-104"
    # With TLS 1.3 the broker's refusal of an absent certificate comes after the handshake, and its reset of the
    # connection may overtake the alert that says so.
    return "E-FWD-115" if is_tls and not has_certificate else "E-FWD-105"


def _code_of_tls(reason: str, *, has_certificate: bool) -> str:
    for words, code in _TLS_REASONS:
        if words in reason:
            return code
    if "HANDSHAKE_FAILURE" in reason and not has_certificate:
        return "E-FWD-115"
    return _NO_AGREEMENT


def _connect_tcp(endpoint: Endpoint, clock: Clock, deadline_s: float) -> socket.socket:
    try:
        found = socket.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM)[:_MOST_ADDRESSES]
        sock = _connect_first(found, clock, deadline_s)
    except (OSError, UnicodeError) as exc:
        if isinstance(exc, UnicodeError):  # a name that IDNA cannot encode exists nowhere
            raise ForwardError("E-FWD-101", host=endpoint.host, port=endpoint.port, detail=str(exc)) from exc
        raise error_of(exc, Endpoint(endpoint.host, endpoint.port, is_tls=False)) from exc
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def _connect_first(addresses: list[Any], clock: Clock, deadline_s: float) -> socket.socket:
    """Return a socket to the first address that answers; each has an equal part of the time that is left."""
    for number, address in enumerate(addresses):
        share_s = _left_s(clock, deadline_s) / (len(addresses) - number)
        try:
            return _connect_one(address, share_s)
        except OSError:
            if number == len(addresses) - 1:
                raise
    raise socket.gaierror("no address")


def _connect_one(address: Any, timeout_s: float) -> socket.socket:
    family, kind, protocol, _, where = address
    sock = socket.socket(family, kind, protocol)
    try:
        sock.settimeout(timeout_s)
        sock.connect(where)
    except BaseException:
        sock.close()
        raise
    return sock


def _left_s(clock: Clock, deadline_s: float) -> float:
    """Return the time that is left. Raises TimeoutError if it is over: a socket without any would not wait at all."""
    left_s = deadline_s - clock.monotonic()
    if left_s <= 0:
        raise TimeoutError("timed out")
    return left_s
