"""How a receiver proves who it is, and how we do."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import httpx2

from ..checks import check_flag
from ..errors import InvalidArgumentError

T = TypeVar("T")


@dataclass(frozen=True)
class Tls:
    """Which certificates count. `ca_file` replaces the system's authorities; `client_cert` says who we are."""

    ca_file: str | None = None
    client_cert: tuple[str, str | None] | None = None
    verify: bool = True

    @classmethod
    def checked(cls, ca_file: object, client_cert: object, verify: object) -> Tls:
        """Check the arguments; the files are read when they are needed."""
        tls = cls(
            None if ca_file is None else _path(ca_file, "ca_file"),
            None if client_cert is None else _pair(client_cert),
            check_flag(verify, "verify"),
        )
        if ca_file is not None and not tls.verify:
            raise InvalidArgumentError("ca_file says whom to trust and verify=False to trust anybody: give one of them")
        return tls

    def context(self) -> ssl.SSLContext:
        """Read the certificates: 20 to 300 ms. Raises OSError that says which argument's file is the trouble."""
        if self.ca_file is None:
            context = httpx2.create_ssl_context(verify=self.verify)
        else:
            context = _reading("ca_file", self.ca_file, lambda: ssl.create_default_context(cafile=self.ca_file))
        if self.client_cert is not None:
            cert, key = self.client_cert
            # Without a password given, OpenSSL would ask for one on the terminal, and wait.
            _reading("client_cert", cert, lambda: context.load_cert_chain(cert, key, password=_no_password))
        return context


def _reading(what: str, path: str, read: Callable[[], T]) -> T:
    try:
        return read()
    except OSError as error:  # ssl.SSLError is one
        raise OSError(f"{what} {path!r} cannot be used: {error.strerror or error}") from error


def _no_password() -> str:
    raise OSError("its key is encrypted: give one without a password")


def _pair(value: object) -> tuple[str, str | None]:
    if isinstance(value, tuple):
        if len(value) != 2:
            raise InvalidArgumentError("client_cert must be a path, or a pair of paths: certificate and key")
        return _path(value[0], "client_cert"), _path(value[1], "client_cert")
    return _path(value, "client_cert"), None


def _path(value: object, what: str) -> str:
    if not isinstance(value, (str, os.PathLike)) or not os.fspath(value):
        raise InvalidArgumentError(f"{what} must be a path, got {type(value).__name__}")
    path = os.fspath(value)
    if not isinstance(path, str):
        raise InvalidArgumentError(f"{what} must be a path as text, got bytes")
    return path
