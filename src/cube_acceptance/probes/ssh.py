"""Talk to an SSH server as far as the key exchange, never to a login (RFC 4253)."""

from __future__ import annotations

import logging
import re
import socket
import struct
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from cube_acceptance import __version__
from cube_acceptance.evidence import CannotMeasure, SshObserved, Trouble, Try
from cube_acceptance.probes.net import http1
from cube_acceptance.probes.net.deadline import Deadline
from cube_acceptance.probes.net.errors import CannotAskError, ReachError
from cube_acceptance.probes.net.measuring import Stopwatch, measured_in_steps
from cube_acceptance.probes.net.sockets import open_tcp, open_tcp_in_steps
from cube_acceptance.probes.net.together import alone
from cube_acceptance.text.foreign import one_line

if TYPE_CHECKING:
    from cube_acceptance.evidence import Vantage
    from cube_acceptance.probes.net.together import Steps

CONNECT_LIMIT_S = 4.0
TALK_LIMIT_S = 5.0
"""From the connection to the server's key exchange message."""
KEY_LIMIT_S = 4.0
"""For one host key, from the connection on."""
KEYS_LIMIT_S = 8.0
"""For all host keys together."""
KEY_SIZE_LIMIT = 128 * 1024
"""Bytes that are read for one host key; a key exchange needs a few thousand."""
FIRST_WORD_S = 1.0
"""How long the server may take to speak first."""
LINE_LIMIT = 255
"""RFC 4253 section 4.2, with CR and LF."""
GREETING_LIMIT = 8 * 1024
"""Bytes that may come before the identification."""
PACKET_LIMIT = 35000
"""RFC 4253 section 6.1."""
DISCONNECT, IGNORE, DEBUG, KEXINIT = 1, 2, 4, 20
"""Message numbers (RFC 4250 section 4.1.2)."""
IDLE_LIMIT = 8
"""Messages without meaning that may come before the key exchange message."""
SECOND_TRY_S = 2.0
"""After which time a shell that hung up is asked once more: it may only have been busy."""
OTHERS = (b"HTTP/", b"<")
"""How those begin who speak first, say lines of text, and are no shell."""
_REPLY_CODE = re.compile(rb"[1-5][0-9]{2}[ -]")
"""Likewise mail and file servers (RFC 5321 section 4.2, RFC 959 section 4.2)."""
IDENTIFICATION = b"SSH-"
"""How every shell's begins (RFC 4253 section 4.2)."""
OWN_BANNER = f"SSH-2.0-cube_acceptance_{__version__}\r\n".encode("ascii")
"""Without a minus sign in the software's name and version (RFC 4253 section 4.2)."""
KEY_TYPES = (
    ("ssh-ed25519",),
    ("ecdsa-sha2-nistp256",),
    ("ecdsa-sha2-nistp384",),
    ("ecdsa-sha2-nistp521",),
    ("rsa-sha2-512", "rsa-sha2-256"),
)
"""The algorithms that show one and the same host key stand together, best first."""
KEY_NAMES = dict.fromkeys(("rsa-sha2-512", "rsa-sha2-256"), "ssh-rsa")
"""The types of keys whose algorithms are called otherwise (RFC 8332 section 3)."""
UNREAD_LIMIT = 16
"""How many types of keys are kept that could not be read."""

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
    keys_limit_s: float = KEYS_LIMIT_S
    second_try_s: float = SECOND_TRY_S
    fingerprints_wanted: bool = True
    """Read the host keys, each by a connection of its own."""

    @property
    def key(self) -> str:
        """``ssh/<address>``."""
        return f"ssh/{self.address}"

    def run(self) -> SshObserved | CannotMeasure:
        """Talk as far as the key exchange, then read the host keys where that is possible."""
        return alone(measured_in_steps(self._measure, self.vantage))

    def steps(self) -> Steps[SshObserved | CannotMeasure]:
        """Do the same in steps, beside others; host keys, which take long, are not read so."""
        return measured_in_steps(partial(self._measure, beside=True), self.vantage)

    def _measure(self, watch: Stopwatch, *, beside: bool = False) -> Steps[SshObserved]:
        tries: list[Try] = []
        heard = yield from self._talk(watch, tries, beside=beside)
        if heard.trouble and (heard.trouble.kind, heard.trouble.phase) == ("refused", "ssh"):
            yield None, watch.left(self.second_try_s)
            again = yield from self._talk(watch, tries, beside=beside)
            heard = max(heard, again, key=_Heard.reach)
        wanted = self.fingerprints_wanted and not heard.trouble
        keys = self._host_keys(watch, tries, heard.offered) if wanted else ()
        return SshObserved(
            started=watch.started,
            duration_s=watch.elapsed(),
            tries=tuple(tries),
            address=self.address,
            banner=heard.banner,
            turned_away=heard.turned_away,
            trouble=heard.trouble,
            key_exchange=not heard.trouble,
            key_type=keys[0][0] if keys else "",
            fingerprint=keys[0][1] if keys else "",
            fingerprints=keys,
            unread=unread(heard.offered, keys) if wanted else (),
        )

    def _talk(self, watch: Stopwatch, tries: list[Try], *, beside: bool) -> Steps[_Heard]:
        """Connect and talk as far as the key exchange message."""
        at_s, to = watch.elapsed(), f"{self.address}:{self.port}"
        talk: _Talk | None = None
        try:
            opened = yield from open_tcp_in_steps(
                self.vantage, self.address, self.port, self.connect_limit_s, "ssh", beside=beside
            )
            with opened as sock:
                talk = _Talk(sock, Deadline(self.talk_limit_s))
                yield from talk.identification()
                offered = yield from talk.key_exchange(talk.banner)
        except ReachError as error:
            problem = error.trouble
            result = "silence" if problem.kind == "no-answer" else problem.kind
            tries.append(Try(at_s=at_s, to=to, result=result, detail=problem.detail))
            if talk is None:
                return _Heard(trouble=problem)
            return _Heard(talk.banner, talk.turned_away, trouble=problem)
        tries.append(Try(at_s=at_s, to=to, result="answer", source=to))
        return _Heard(talk.banner, offered=offered)

    def _host_keys(
        self, watch: Stopwatch, tries: list[Try], offered: tuple[str, ...]
    ) -> tuple[tuple[str, str], ...]:
        """Read every kind of host key that is offered: the site may have pinned any of them."""
        to = f"{self.address}:{self.port}"
        deadline = Deadline(self.keys_limit_s)
        found = []
        for alike in KEY_TYPES:
            kind = next((kind for kind in alike if kind in offered), "")
            limit_s = min(self.key_limit_s, deadline.left())
            if not kind or not limit_s:
                continue
            at_s = watch.elapsed()
            keys = self._host_key(kind, limit_s)
            result = "host-key" if keys else "no-host-key"
            tries.append(Try(at_s=at_s, to=to, result=result, detail=kind))
            found += keys
        return tuple(found)

    def _host_key(self, kind: str, limit_s: float) -> list[tuple[str, str]]:
        """Read one host key by a key exchange of paramiko's; nothing where that fails."""
        import paramiko  # noqa: PLC0415 - it takes a tenth of a second, which few runs need

        watch = Stopwatch()
        try:
            sock = open_tcp(
                self.vantage, self.address, self.port, min(self.connect_limit_s, limit_s)
            )
        except (ReachError, CannotAskError):
            return []
        rationed = Rationed(fileno=sock.detach())
        transport = paramiko.Transport(rationed)
        try:
            transport.set_log_channel(_SILENT.name)
            # start_client returns without a word when its own time limit is the first to be over.
            transport.banner_timeout = watch.left(limit_s) / 2
            transport.handshake_timeout = watch.left(limit_s)
            transport.get_security_options().key_types = (kind,)
            transport.start_client(timeout=watch.left(limit_s))
            key = transport.get_remote_server_key()
            return [(key.get_name(), key.fingerprint)]
        except (paramiko.SSHException, OSError, EOFError, ValueError, AttributeError):
            return []
        finally:
            transport.close()
            transport.join(1.0)
            rationed.close()


class _Heard(NamedTuple):
    """What one conversation came to."""

    banner: str = ""
    turned_away: str = ""
    offered: tuple[str, ...] = ()
    trouble: Trouble | None = None

    def reach(self) -> tuple[bool, ...]:
        """Rank it by how far it came."""
        return not self.trouble, bool(self.banner), bool(self.turned_away)


class Rationed(socket.socket):
    """A socket that has no more to read after so many bytes, whatever a packet claims to hold."""

    ration = KEY_SIZE_LIMIT

    def recv(self, bufsize: int, flags: int = 0) -> bytes:
        """Receive within the ration; then nothing, as at the connection's end."""
        data = super().recv(min(bufsize, self.ration), flags)
        self.ration -= len(data)
        return data


class _Talk:
    """The beginning of an SSH conversation, in steps, bounded in bytes and time."""

    def __init__(self, sock: socket.socket, deadline: Deadline) -> None:
        self._sock = sock
        self._deadline = deadline
        self._buffer = b""
        self._introduced = False
        self._said: list[bytes] = []
        """The lines before an identification."""
        self.banner = ""
        self.turned_away = ""

    def _introduce(self) -> None:
        """Send our identification, once (RFC 4253 section 4.2)."""
        if self._introduced:
            return
        self._introduced = True
        try:
            self._sock.sendall(OWN_BANNER)
        except OSError as error:
            raise ReachError(http1.cut_off(self._sock, error, "ssh")) from error

    def _more(self) -> Steps[None]:
        """Receive something, or say why nothing comes.

        We let the server speak first: bytes that it never reads would turn its farewell into a
        reset. Who says nothing for a while waits for us, as a web server does.
        """
        deadline = self._deadline
        if not self._introduced:
            deadline = Deadline(FIRST_WORD_S, within=self._deadline)
        try:
            data = yield from deadline.receive_in_steps(self._sock, 4096)
        except TimeoutError as error:
            if self._introduced:
                raise self._fell_silent(error) from error
            self._introduce()
            yield from self._more()
            return
        except OSError as error:
            raise self._ended(http1.cut_off(self._sock, error, "ssh")) from error
        if not data:
            raise self._ended(_turned_away("the connection was closed", sign="TCP FIN"))
        self._buffer += data

    def _fell_silent(self, error: TimeoutError) -> ReachError:
        """Describe silence: after bytes that begin no identification it is another service's."""
        start = self._buffer[: len(IDENTIFICATION)]
        if self.banner or IDENTIFICATION.startswith(start):
            return ReachError(http1.cut_off(self._sock, error, "ssh"))
        return _no_ssh(f"no identification: {self._buffer[:100].decode('latin-1')}")

    def _ended(self, problem: Trouble) -> ReachError:
        """Describe what the end of a connection means, by what was said before it.

        Whoever ends it with nothing, with lines of text that nobody asked for, or with an
        identification has taken the connection and turned this visitor away.
        """
        said = b" ".join([*self._said, self._buffer]).strip()
        if self.banner or not said or problem.kind != "refused":
            return ReachError(problem)
        text = words_of(said)
        if (
            self._introduced
            or not text.isprintable()
            or said.startswith(OTHERS)
            or _REPLY_CODE.match(said)
        ):
            return _no_ssh(problem.detail)
        self.turned_away = one_line(text, 150)
        return ReachError(_turned_away(self.turned_away))

    def identification(self) -> Steps[str]:
        """Read the identification; other lines may come before it (RFC 4253 section 4.2)."""
        read = 0
        while True:
            line, found, rest = self._buffer.partition(b"\n")
            if found:
                self._buffer = rest
                read += len(line) + 1
                if line + b"\n" == OWN_BANNER:
                    raise _no_ssh("what we sent came back")
                if line.startswith(IDENTIFICATION):
                    text = line[:LINE_LIMIT].decode("latin-1")
                    self.banner = one_line(text, LINE_LIMIT)
                    return self.banner
                self._said.append(line.strip())
            elif len(line) > GREETING_LIMIT:
                raise _no_ssh("a line without end")
            else:
                yield from self._more()
            if read > GREETING_LIMIT:
                raise _no_ssh("too much before an identification")

    def key_exchange(self, banner: str) -> Steps[tuple[str, ...]]:
        """Read the server's SSH_MSG_KEXINIT and give its host key algorithms (section 7.1)."""
        if not banner.startswith(("SSH-2.0-", "SSH-1.99-")):
            raise _no_ssh(f"protocol version of {banner[:40]}")
        self._introduce()
        for _ in range(IDLE_LIMIT):
            number, content = yield from self._message()
            if number == KEXINIT:
                return _host_key_algorithms(content[16:])
            if number == DISCONNECT:
                words = one_line(content[8:].decode("utf-8", errors="replace"), 150)
                raise ReachError(_turned_away(f"disconnected: {words}", sign=words))
            if number not in {IGNORE, DEBUG}:
                break
        raise _no_ssh("no key exchange message after the identification")

    def _message(self) -> Steps[tuple[int, bytes]]:
        """Read one packet, not yet encrypted: message number and content (section 6)."""
        while len(self._buffer) < 5:  # noqa: PLR2004 - packet length and padding length
            yield from self._more()
        length, padding = struct.unpack_from(">IB", self._buffer)
        if not padding + 2 <= length <= PACKET_LIMIT:
            raise _no_ssh("a packet of an impossible length")
        while len(self._buffer) < 4 + length:
            yield from self._more()
        payload = self._buffer[5 : 4 + length - padding]
        self._buffer = self._buffer[4 + length :]
        return payload[0], payload[1:]


def words_of(said: bytes) -> str:
    """Decode what a device says in words: UTF-8, else Western, as older ones write."""
    try:
        return said.decode()
    except UnicodeDecodeError:
        return said.decode("latin-1")


def _host_key_algorithms(names: bytes) -> tuple[str, ...]:
    """Read the second name list: the server's host key algorithms (section 7.1)."""
    try:
        (methods,) = struct.unpack_from(">I", names)
        (size,) = struct.unpack_from(">I", names, 4 + methods)
    except struct.error as error:
        raise _no_ssh("a key exchange message that is cut short") from error
    listed = names[8 + methods : 8 + methods + size]
    if len(listed) < size:
        raise _no_ssh("a key exchange message that is cut short")
    return tuple(listed.decode("ascii", errors="replace").split(","))


def unread(offered: tuple[str, ...], keys: tuple[tuple[str, str], ...]) -> tuple[str, ...]:
    """List the types of keys that were offered and not read; a certificate shows no other key."""
    read = {kind for kind, _ in keys}
    kinds = (KEY_NAMES.get(name, name) for name in offered if "-cert-" not in name)
    missing = dict.fromkeys(one_line(kind, 64) for kind in kinds if kind not in read)
    return tuple(missing)[:UNREAD_LIMIT]


def _turned_away(detail: str, sign: str = "") -> Trouble:
    return Trouble(kind="refused", phase="ssh", detail=detail, sign=sign or detail)


def _no_ssh(detail: str) -> ReachError:
    return ReachError(Trouble(kind="malformed", phase="ssh", detail=one_line(detail, 200)))
