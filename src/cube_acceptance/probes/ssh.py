"""Talk to an SSH server as far as the key exchange, never to a login (RFC 4253)."""

from __future__ import annotations

import contextlib
import logging
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

import paramiko

from cube_acceptance.evidence import CannotMeasure, SshObserved, Trouble, Try
from cube_acceptance.probes import web
from cube_acceptance.probes.link import (
    CannotAskError,
    ReachError,
    Stopwatch,
    measured,
    open_tcp,
    trouble,
)

if TYPE_CHECKING:
    import socket

    from cube_acceptance.evidence import Vantage

CONNECT_LIMIT_S = 4.0
TALK_LIMIT_S = 5.0
"""From the connection to the server's key exchange message."""
KEY_LIMIT_S = 4.0
FIRST_WORD_S = 1.0
"""How long the server may take to speak first."""
LINE_LIMIT = 255
"""RFC 4253 section 4.2, with CR and LF."""
GREETING_LIMIT = 8 * 1024
"""Bytes that may come before the identification."""
PACKET_LIMIT = 35000
"""RFC 4253 section 6.1."""
KEXINIT = 20
OWN_BANNER = b"SSH-2.0-cube-acceptance\r\n"
KEY_TYPES = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "rsa-sha2-512")

_SILENT = logging.getLogger("cube_acceptance.paramiko")
_SILENT.addHandler(logging.NullHandler())
_SILENT.propagate = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SshProbe:
    """Port 22 of a CUBE: identification, key exchange message, host keys."""

    vantage: Vantage
    address: str
    port: int = 22
    connect_limit_s: float = CONNECT_LIMIT_S
    talk_limit_s: float = TALK_LIMIT_S
    key_limit_s: float = KEY_LIMIT_S

    @property
    def key(self) -> str:
        """``ssh/<address>``."""
        return f"ssh/{self.address}"

    def run(self) -> SshObserved | CannotMeasure:
        """Talk as far as the key exchange, then read the host keys where that is possible."""
        return measured(self._measure)

    def _measure(self, watch: Stopwatch) -> SshObserved:
        to = f"{self.address}:{self.port}"
        banner = ""
        offered: tuple[str, ...] = ()
        try:
            with contextlib.closing(
                open_tcp(self.vantage, self.address, self.port, self.connect_limit_s)
            ) as sock:
                talk = _Talk(sock, watch, watch.elapsed() + self.talk_limit_s)
                banner = talk.identification()
                offered = talk.key_exchange(banner)
        except ReachError as error:
            kind = error.trouble.kind
            result = "silence" if kind == "no-answer" else kind
            return SshObserved(
                started=watch.started,
                duration_s=watch.elapsed(),
                tries=(Try(at_s=0.0, to=to, result=result, detail=error.trouble.detail),),
                address=self.address,
                banner=banner,
                trouble=error.trouble,
            )
        keys = tuple(
            found for kind in KEY_TYPES if kind in offered for found in self._host_key(kind)
        )
        return SshObserved(
            started=watch.started,
            duration_s=watch.elapsed(),
            tries=(Try(at_s=0.0, to=to, result="answer", source=to),),
            address=self.address,
            banner=banner,
            key_exchange=True,
            key_type=keys[0][0] if keys else "",
            fingerprint=keys[0][1] if keys else "",
            fingerprints=keys,
        )

    def _host_key(self, kind: str) -> list[tuple[str, str]]:
        """Read one host key by a key exchange of paramiko's; nothing where that fails."""
        try:
            sock = open_tcp(self.vantage, self.address, self.port, self.connect_limit_s)
        except (ReachError, CannotAskError):
            return []
        transport = paramiko.Transport(sock)
        try:
            transport.set_log_channel(_SILENT.name)
            transport.banner_timeout = self.key_limit_s / 2
            transport.handshake_timeout = self.key_limit_s
            transport.get_security_options().key_types = (kind,)
            transport.start_client(timeout=self.key_limit_s)
            key = transport.get_remote_server_key()
            return [(key.get_name(), key.fingerprint)]
        except (paramiko.SSHException, OSError, EOFError, ValueError, AttributeError):
            return []
        finally:
            transport.close()
            transport.join(1.0)
            sock.close()


class _Talk:
    """The beginning of an SSH conversation, bounded in bytes and time."""

    def __init__(self, sock: socket.socket, watch: Stopwatch, limit_s: float) -> None:
        self._sock = sock
        self._watch = watch
        self._limit_s = limit_s
        self._buffer = b""
        self._heard = False
        self._introduced = False

    def _introduce(self) -> None:
        """Send our identification, once (RFC 4253 section 4.2)."""
        if self._introduced:
            return
        self._introduced = True
        try:
            self._sock.sendall(OWN_BANNER)
        except OSError as error:
            raise ReachError(trouble(self._sock, error, "ssh")) from error

    def _more(self) -> None:
        """Receive something, or say why nothing comes.

        We let the server speak first: bytes that it never reads would turn its farewell into a
        reset. Who says nothing for a while waits for us, as a web server does.
        """
        try:
            data = self._receive(min(FIRST_WORD_S, self._watch.left(self._limit_s)))
        except TimeoutError:
            self._introduce()
            data = self._receive_to_the_end()
        except OSError as error:
            raise ReachError(trouble(self._sock, error, "ssh")) from error
        if not data and not self._heard:
            closed = Trouble(kind="no-answer", phase="ssh", detail="closed without a word")
            raise ReachError(closed)
        if not data:
            raise _no_ssh("the connection was closed")
        self._heard = True
        self._buffer += data

    def _receive(self, limit_s: float) -> bytes:
        self._sock.settimeout(max(limit_s, 0.001))
        return self._sock.recv(4096)

    def _receive_to_the_end(self) -> bytes:
        try:
            return self._receive(self._watch.left(self._limit_s))
        except OSError as error:
            raise ReachError(trouble(self._sock, error, "ssh")) from error

    def identification(self) -> str:
        """Read the identification; other lines may come before it (RFC 4253 section 4.2)."""
        read = 0
        while True:
            line, found, rest = self._buffer.partition(b"\n")
            if found:
                self._buffer = rest
                read += len(line) + 1
                if line.startswith(b"SSH-"):
                    return web.printable(line[:LINE_LIMIT].decode("latin-1"), LINE_LIMIT)
            elif len(line) > GREETING_LIMIT:
                raise _no_ssh("a line without end")
            else:
                self._more()
            if read > GREETING_LIMIT:
                raise _no_ssh("too much before an identification")

    def key_exchange(self, banner: str) -> tuple[str, ...]:
        """Read the server's SSH_MSG_KEXINIT and give its host key algorithms (section 7.1)."""
        if not banner.startswith(("SSH-2.0-", "SSH-1.99-")):
            raise _no_ssh(f"protocol version of {banner[:40]}")
        self._introduce()
        while len(self._buffer) < 6:  # noqa: PLR2004 - length, padding length, message number
            self._more()
        length, _, number = struct.unpack(">IBB", self._buffer[:6])
        if number != KEXINIT or not 18 < length <= PACKET_LIMIT:  # noqa: PLR2004 - with cookie
            raise _no_ssh("no key exchange message after the identification")
        while len(self._buffer) < 4 + length:
            self._more()
        return _host_key_algorithms(self._buffer[6 + 16 : 4 + length])


def _host_key_algorithms(names: bytes) -> tuple[str, ...]:
    """Read the second name list: the server's host key algorithms."""
    try:
        (methods,) = struct.unpack_from(">I", names)
        (size,) = struct.unpack_from(">I", names, 4 + methods)
    except struct.error as error:
        raise _no_ssh("a key exchange message that is cut short") from error
    listed = names[8 + methods : 8 + methods + size]
    return tuple(listed.decode("ascii", errors="replace").split(","))


def _no_ssh(detail: str) -> ReachError:
    return ReachError(Trouble(kind="malformed", phase="ssh", detail=web.printable(detail, 200)))
