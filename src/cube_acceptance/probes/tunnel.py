"""Reach a cloud host from a CUBE itself, through its maintenance shell (RFC 4254 section 7.2).

The shell is asked to connect to the host by name, so that the CUBE's own resolver, address and
route are used. TLS runs over that channel, end to end. Nobody is logged in where the host key is
not the pinned one; no command is given, no shell opened, no file touched.
"""

from __future__ import annotations

import contextlib
import logging
import re
import socket
import ssl
import threading
import time
from concurrent.futures import wait
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from cube_acceptance.evidence import (
    Channel,
    Trouble,
    Try,
    TunnelObserved,
    VerifyError,
    clock_s,
)
from cube_acceptance.network import tunnel_key
from cube_acceptance.probes.https import (
    CERTIFICATE_ALERTS,
    date_offset,
    session_from,
    session_of,
    started,
    trusting,
)
from cube_acceptance.probes.net import alerts, http1, tls
from cube_acceptance.probes.net.deadline import Deadline
from cube_acceptance.probes.net.errors import ReachError
from cube_acceptance.probes.net.measuring import Stopwatch, measured
from cube_acceptance.probes.net.sockets import open_tcp
from cube_acceptance.probes.ssh import KEY_TYPES, Rationed
from cube_acceptance.text.foreign import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import paramiko

    from cube_acceptance.evidence import CannotMeasure, TlsSession, TroubleKind, Vantage
    from cube_acceptance.logins import Credentials

TURNS = 2
"""Sessions at one CUBE's shell at a time."""
CONNECT_LIMIT_S = 4.0
HANDSHAKE_LIMIT_S = 8.0
"""From the first connection until the pinned host key was met."""
LOGIN_LIMIT_S = 10.0
CHANNEL_LIMIT_S = 15.0
"""For one channel; a resolver that is asked in vain takes a CUBE ten seconds."""
TLS_LIMIT_S = 5.0
STATUS_LIMIT_S = 20.0
SESSION_LIMIT_S = 90.0
"""For everything together; no channel is begun after it."""
SECOND_TRY_S = 2.0
"""After which time what may have been chance is tried once more."""
SESSION_SIZE_LIMIT = 8 * 1024 * 1024
"""Bytes that are read from a shell; certificates and a page need a fraction."""
CONNECT_FAILED = 2
"""The shell's word that it tried in vain (RFC 4254 section 5.1); every other one is its own."""
CHUNK = 16 * 1024
WORDS_LIMIT = 200

LOG = "cube_acceptance.tunnel"
"""Where paramiko's channels write; nobody reads it, also where all logs are read."""
logging.getLogger(LOG).setLevel(logging.CRITICAL + 1)

_NOT_OPENED = re.compile(r"Secsh channel (\d+) open FAILED: (.*): [^:]*", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shell:
    """A CUBE's maintenance shell: where it is, who it has to be, and who logs in."""

    cube: str
    address: str
    port: int = 22
    fingerprint: str
    credentials: Credentials = field(repr=False)
    turns: threading.Semaphore = field(
        default_factory=partial(threading.Semaphore, TURNS), repr=False, compare=False
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TunnelProbe:
    """One cloud host from one CUBE: by its name, and where that fails by an address."""

    vantage: Vantage
    shell: Shell
    host: str
    address: str = ""
    """What the site's DNS servers gave here; empty where they gave nothing usable."""
    port: int = 443
    ca_pem: str = ""
    connect_limit_s: float = CONNECT_LIMIT_S
    handshake_limit_s: float = HANDSHAKE_LIMIT_S
    login_limit_s: float = LOGIN_LIMIT_S
    channel_limit_s: float = CHANNEL_LIMIT_S
    tls_limit_s: float = TLS_LIMIT_S
    status_limit_s: float = STATUS_LIMIT_S
    session_limit_s: float = SESSION_LIMIT_S
    second_try_s: float = SECOND_TRY_S

    @property
    def key(self) -> str:
        """``tunnel/<cube>/<host>``."""
        return tunnel_key(self.shell.cube, self.host)

    def run(self) -> TunnelObserved | CannotMeasure:
        """Log in once and reach the host through the shell, when it is this session's turn."""
        with self.shell.turns:
            return measured(self._measure, self.vantage)

    def _measure(self, watch: Stopwatch) -> TunnelObserved:
        seen = TunnelObserved(
            started=watch.started,
            duration_s=0.0,
            cube=self.shell.cube,
            address=self.shell.address,
            host=self.host,
        )
        tries: list[Try] = []
        try:
            with self._logged_in() as transport:
                session = _Session(transport, watch, tries, Deadline(self.session_limit_s))
                by_name, by_address = self._ways(session)
            seen = msgspec.structs.replace(seen, by_name=by_name, by_address=by_address)
        except ReachError as error:
            to = f"{self.shell.address}:{self.shell.port}"
            trouble = error.trouble
            tries.append(Try(at_s=0.0, to=to, result=trouble.kind, detail=trouble.detail))
            seen = msgspec.structs.replace(seen, shell=trouble)
        return msgspec.structs.replace(seen, tries=tuple(tries), duration_s=watch.elapsed())

    # The session.

    @contextlib.contextmanager
    def _logged_in(self) -> Iterator[paramiko.Transport]:
        """Meet the pinned host key, and only then log in.

        Raises:
            ReachError: there is no session.
        """
        with self._recognised() as transport:
            import paramiko  # noqa: PLC0415 - it takes a tenth of a second, which few runs need

            transport.auth_timeout = self.login_limit_s
            credentials = self.shell.credentials
            try:
                if credentials.key:
                    transport.auth_publickey(credentials.user, credentials.key())
                else:
                    transport.auth_password(credentials.user, credentials.password)
            except (paramiko.SSHException, OSError, EOFError, ValueError) as error:
                raise _no_session("login", one_line(error, WORDS_LIMIT)) from error
            if not transport.is_authenticated():
                raise _no_session("login", "the shell asks for a further proof")
            yield transport

    @contextlib.contextmanager
    def _recognised(self) -> Iterator[paramiko.Transport]:
        """Try one kind of host key after another until the pinned one is shown.

        Raises:
            ReachError: nobody shows it.
        """
        deadline = Deadline(self.handshake_limit_s)
        shown = []
        for kinds in KEY_TYPES:
            if not deadline.left():
                break
            with self._transport(kinds, deadline) as (transport, fingerprint):
                if fingerprint and fingerprint == self.shell.fingerprint:
                    yield transport
                    return
                shown += [fingerprint] if fingerprint else []
        if shown:
            raise _no_session("host-key", ", ".join(shown))
        raise _no_session("ssh", "no key exchange in time", "no-answer")

    @contextlib.contextmanager
    def _transport(
        self, kinds: tuple[str, ...], deadline: Deadline
    ) -> Iterator[tuple[paramiko.Transport, str]]:
        """Connect and exchange keys; the fingerprint is empty where that did not come about."""
        import paramiko  # noqa: PLC0415 - see above

        limit_s = Deadline(self.connect_limit_s, deadline).timeout()
        sock = open_tcp(self.vantage, self.shell.address, self.shell.port, limit_s, "ssh")
        rationed = Rationed(fileno=sock.detach())
        rationed.ration = SESSION_SIZE_LIMIT
        transport = paramiko.Transport(rationed)
        try:
            transport.set_log_channel(LOG)
            fingerprint = ""
            with contextlib.suppress(paramiko.SSHException, OSError, EOFError, ValueError):
                # start_client returns without a word when its own limit is the first to be over.
                transport.banner_timeout = deadline.left() / 2
                transport.handshake_timeout = deadline.left()
                transport.get_security_options().key_types = kinds
                transport.start_client(timeout=deadline.left())
                fingerprint = transport.get_remote_server_key().fingerprint
            yield transport, fingerprint
        finally:
            transport.close()
            if transport.is_alive():
                transport.join()
            rationed.close()

    # The host.

    def _ways(self, session: _Session) -> tuple[Channel, Channel | None]:
        """Reach the host by its name, else by its address; late words of the shell count."""
        by_name, by_address = self._reach(session, self.host), None
        if not by_name.opened and self.address:
            by_address = self._reach(session, self.address)
        return session.with_words(by_name), by_address

    def _reach(self, session: _Session, target: str) -> Channel:
        """Reach the host at one target; what may have been chance is tried once more."""
        first = self._try(session, target)
        if not _may_be_chance(first):
            return first
        time.sleep(self.second_try_s)
        second = self._try(session, target)
        return first if second.trouble else second

    def _try(self, session: _Session, target: str) -> Channel:
        at_s = session.watch.elapsed()
        try:
            with self._connection(session, target, trusting(self.ca_pem)) as (secure, wire):
                found = self._ask(target, secure, wire)
        except _NotOpenedError as error:
            found = error.channel
        except ssl.SSLCertVerificationError as error:
            message = one_line(error.verify_message, WORDS_LIMIT)
            objection = VerifyError(code=error.verify_code, message=message)
            shown = self._shown(session, target)
            found = Channel(target=target, verify_error=objection, tls=shown)
        except tls.HandshakeError as error:
            heard = error.heard
            asked = bool(heard.alert) and heard.believed and heard.certificate_asked
            found = Channel(
                target=target,
                tls=session_from(heard.certificate) if asked else None,
                certificate_asked=asked,
                trouble=error.trouble,
            )
        result, detail = "untrusted" if found.verify_error else "answer", ""
        if found.trouble:
            kind, detail = found.trouble.kind, found.trouble.detail
            result = "silence" if kind == "no-answer" else kind
        to = f"{target}:{self.port}"
        session.tries.append(Try(at_s=at_s, to=to, result=result, detail=detail))
        return found

    def _ask(self, target: str, secure: ssl.SSLSocket, wire: socket.socket) -> Channel:
        """Ask for the page over a verified connection."""
        question = http1.Question(url=f"https://{self.host}/", host=self.host, status_suffices=True)
        found = Channel(target=target, tls=session_of(secure))
        sent, began = clock_s(), time.monotonic()
        try:
            reply, _ = http1.fetch(secure, question, Deadline(self.status_limit_s), wire)
        except ReachError as error:
            if error.trouble.sign == http1.HTTP2:
                return msgspec.structs.replace(found, http2=True)
            heard = alerts.heard_by(secure)
            wanted = heard.certificate_asked or heard.alert in CERTIFICATE_ALERTS
            return msgspec.structs.replace(
                found, trouble=error.trouble, certificate_asked=bool(heard.alert) and wanted
            )
        half_s = (time.monotonic() - began) / 2
        return msgspec.structs.replace(
            found, reply=reply, date_offset_s=date_offset(reply, sent + half_s)
        )

    def _shown(self, session: _Session, target: str) -> TlsSession | None:
        """Connect once more without belief, to see whose certificate it is."""
        context = tls.unverified_context()
        with (
            contextlib.suppress(ReachError, _NotOpenedError),
            self._connection(session, target, context) as (secure, _),
        ):
            return session_of(secure)
        return None

    @contextlib.contextmanager
    def _connection(
        self, session: _Session, target: str, context: ssl.SSLContext
    ) -> Iterator[tuple[ssl.SSLSocket, socket.socket]]:
        """Make a secure connection through a channel; beside it the plain one below TLS."""
        opened = session.open(target, self.port, self.vantage.address, self.channel_limit_s)
        with (
            plugged(opened) as plain,
            contextlib.closing(plain.dup()) as wire,
            tls.handshake(plain, wire, context, self.host, Deadline(self.tls_limit_s)) as secure,
        ):
            yield secure, wire


class _NotOpenedError(Exception):
    """The shell opened no channel."""

    def __init__(self, channel: Channel) -> None:
        """Keep what became of it."""
        super().__init__(channel.target)
        self.channel = channel


class _Listener(logging.Handler):
    """Keeps what a shell says of channels, by their numbers; paramiko tells it by its log alone."""

    def __init__(self, words: dict[int, str]) -> None:
        super().__init__()
        self._words = words

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the words about a channel that was not opened."""
        if told := _NOT_OPENED.fullmatch(record.getMessage()):
            self._words[int(told[1])] = one_line(told[2], WORDS_LIMIT)


class _Session:
    """What the channels of one session have in common."""

    def __init__(
        self, transport: paramiko.Transport, watch: Stopwatch, tries: list[Try], deadline: Deadline
    ) -> None:
        self.watch = watch
        self.tries = tries
        self._transport = transport
        self._deadline = deadline
        self._numbers: dict[str, int] = {}
        """The number of each target's last channel, as paramiko counts them."""
        self._opened = 0
        self._words: dict[int, str] = {}
        transport.logger = logging.Logger(LOG, logging.ERROR)  # noqa: LOG001 - nobody may find it
        transport.logger.addHandler(_Listener(self._words))

    def open(self, target: str, port: int, source: str, limit_s: float) -> paramiko.Channel:
        """Let the shell connect to a target.

        Raises:
            _NotOpenedError: it does not.
            ReachError: the session has ended.
        """
        import paramiko  # noqa: PLC0415 - see above

        limit_s = min(limit_s, self._deadline.left())
        if not limit_s:
            raise _no_session("ssh", "the session took too long", "no-answer")
        self._numbers[target] = self._opened
        self._opened += 1
        try:
            return self._transport.open_channel(
                "direct-tcpip", (target, port), (source, 0), timeout=limit_s
            )
        except (paramiko.SSHException, OSError, EOFError) as error:
            if not self._transport.is_active():
                raise _no_session("ssh", "the session broke off") from error
            code = getattr(error, "code", None)
            kind: TroubleKind = "no-answer" if code is None else "refused"
            detail = one_line(error, WORDS_LIMIT)
            trouble = Trouble(kind=kind, phase="channel", detail=detail)
            channel = Channel(target=target, code=code, trouble=trouble)
            raise _NotOpenedError(self.with_words(channel)) from error

    def with_words(self, channel: Channel) -> Channel:
        """Add what the shell has said of a target's last channel by now."""
        return msgspec.structs.replace(
            channel, words=self._words.get(self._numbers[channel.target], "")
        )


@contextlib.contextmanager
def plugged(channel: paramiko.Channel) -> Iterator[socket.socket]:
    """Return a real socket for a channel, which TLS and HTTP can be spoken on as on any other."""
    near, far = socket.socketpair()
    copying = [
        started(partial(_copy, channel.recv, far.sendall, partial(far.shutdown, socket.SHUT_WR))),
        started(partial(_copy, far.recv, channel.sendall, channel.shutdown_write)),
    ]
    try:
        yield near
    finally:
        near.close()
        channel.close()
        wait(copying)
        far.close()


def _copy(
    receive: Callable[[int], bytes], send: Callable[[bytes], object], end: Callable[[], object]
) -> None:
    """Hand on what comes until it ends on either side."""
    with contextlib.suppress(OSError, EOFError):
        while data := receive(CHUNK):
            send(data)
    with contextlib.suppress(OSError, EOFError):
        end()


def _may_be_chance(channel: Channel) -> bool:
    """Whether one failure of this kind is no finding: a refusal, a reset, a broken handshake.

    A path that is silent has been asked three times by TCP itself.
    """
    trouble = channel.trouble
    if trouble is None or channel.certificate_asked:
        return False
    if trouble.phase == "channel":
        return channel.code == CONNECT_FAILED
    return trouble.kind != "no-answer" or trouble.phase == "tls"


def _no_session(phase: str, detail: str, kind: TroubleKind = "refused") -> ReachError:
    return ReachError(Trouble(kind=kind, phase=phase, detail=detail))
