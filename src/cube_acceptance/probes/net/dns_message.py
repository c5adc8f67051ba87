"""DNS messages (RFC 1035 section 4), as they serve DNS, mDNS (RFC 6762) and LLMNR (RFC 4795).

What anybody sends is read here: hostile, broken or cut, it ends in a message or in a reason.
"""

from __future__ import annotations

import copy
import secrets
import socket
from functools import partial
from typing import TYPE_CHECKING

import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rdataclass
import dns.rdatatype

from cube_acceptance.evidence import Trouble
from cube_acceptance.probes.net.errors import ReachError, trouble
from cube_acceptance.probes.net.receive import MalformedError, UnwantedError, receive

if TYPE_CHECKING:
    from collections.abc import Container

    from cube_acceptance.probes.net.measuring import Stopwatch

HEADER_SIZE = 12
"""RFC 1035 section 4.1.1."""
ID_SIZE = 2
"""Likewise: a message begins with its id."""
NAME_LIMIT = 64
"""How many names, and how many services, of one message are kept."""
ALIAS_LIMIT = 8
"""How many aliases are followed from one name on."""

AT_ONCE_S = 0.001
"""A socket's time limit for what has to be done at once; zero would be another mode."""

_LAST_ID = 0xFFFF
_LENGTH_SIZE = 2  # RFC 1035 section 4.2.2: what precedes a message over TCP
_CLASS_MASK = 0x7FFF  # RFC 6762 section 10.2: the top bit of a record's class is no class
_ADDRESS_SIZE = 4


def question(
    name: dns.name.Name, kind: dns.rdatatype.RdataType, *, recursion: bool = False
) -> dns.message.QueryMessage:
    """Write one question with a random id and no EDNS, which breaks some responders.

    One a message, for a simple responder reads no further. The recursion bit is for DNS only; in
    LLMNR it has another meaning. The id is not 0, which replies to others bear (RFC 6762 section
    18.1).
    """
    query = dns.message.make_query(
        name, kind, use_edns=False, flags=dns.flags.RD if recursion else 0
    )
    query.id = 1 + secrets.randbelow(_LAST_ID)
    return query


class Repeated:
    """One question that is put several times, each time with an id of its own."""

    def __init__(self, name: dns.name.Name, kind: dns.rdatatype.RdataType) -> None:
        """Write it once."""
        self._query = question(name, kind)
        self._behind_id = self._query.to_wire()[ID_SIZE:]

    def again(self, taken: Container[int] = ()) -> tuple[dns.message.QueryMessage, bytes]:
        """Return the question with another id that is not ``taken``, and its bytes."""
        query = copy.copy(self._query)
        query.id = 1 + secrets.randbelow(_LAST_ID)
        while query.id in taken:
            query.id = 1 + secrets.randbelow(_LAST_ID)
        return query, query.id.to_bytes(ID_SIZE, "big") + self._behind_id


def read_message(packet: bytes) -> dns.message.Message:
    """Read a DNS message from anybody, hostile or broken (RFC 1035 section 4).

    Of a truncated message whatever can be read is kept (RFC 2181 section 9).

    Raises:
        MalformedError: the bytes are no DNS message. Nothing else, whatever the bytes.
    """
    if len(packet) < HEADER_SIZE:
        raise MalformedError(f"malformed: {len(packet)} bytes are too short for a DNS message")
    cut = bool(int.from_bytes(packet[2:4], "big") & dns.flags.TC)
    try:
        message = dns.message.from_wire(
            packet, keyring=False, ignore_trailing=True, continue_on_error=cut
        )
    except Exception as error:  # whatever these bytes make the library raise
        raise MalformedError(f"malformed: {type(error).__name__}") from error
    if message.errors and not message.question:
        raise MalformedError("malformed: no question can be read")
    return message


def reply_to(query: dns.message.Message, reply: dns.message.Message) -> None:
    """Check that a message is a reply to a query: direction, operation and id.

    Raises:
        UnwantedError: it is not.
    """
    if not reply.flags & dns.flags.QR:
        raise UnwantedError("a query, not a reply")
    if reply.opcode() != dns.opcode.QUERY:
        raise UnwantedError("the reply to another operation")
    if reply.id != query.id:
        raise UnwantedError("another id")


def same_question(query: dns.message.Message, reply: dns.message.Message) -> bool:
    """Whether a reply repeats the query's one question; case does not matter."""
    return [_asked(entry) for entry in reply.question] == [_asked(query.question[0])]


def _asked(
    entry: dns.rrset.RRset,
) -> tuple[dns.name.Name, dns.rdatatype.RdataType, dns.rdataclass.RdataClass]:
    return entry.name, entry.rdtype, entry.rdclass


def text_of(name: dns.name.Name) -> str:
    """Write a name without the final dot; what is not printable is escaped (RFC 4343)."""
    return name.to_text(omit_final_dot=True)


def names_in(message: dns.message.Message) -> tuple[tuple[str, str], ...]:
    """List owner and address of every A record in the answer and additional sections.

    An alias owns the addresses of the name that it stands for (RFC 1034 section 3.6.2).
    """
    found: dict[tuple[str, str], None] = {}
    aliases: dict[str, str] = {}
    for records in (*message.answer, *message.additional):
        owner = text_of(records.name).lower()
        if records.rdclass & _CLASS_MASK != dns.rdataclass.IN:
            continue
        if records.rdtype == dns.rdatatype.A:
            for record in records:
                data = record.to_wire()
                # With the cache-flush bit the class is unknown to the library, the length free.
                if len(data) == _ADDRESS_SIZE:
                    found[owner, socket.inet_ntoa(data)] = None
        elif records.rdtype == dns.rdatatype.CNAME:
            aliases[owner] = text_of(records[0].target).lower()
    for alias in list(aliases)[:NAME_LIMIT]:
        target = alias
        for _ in range(ALIAS_LIMIT):
            target = aliases.get(target, target)
        found |= {(alias, address): None for owner, address in found if owner == target}
    return tuple(found)[:NAME_LIMIT]


def exchange(sock: socket.socket, query: bytes, watch: Stopwatch, until_s: float) -> bytes:
    """Send one message over a TCP connection and read one (RFC 1035 section 4.2.2).

    Bytes that trickle in do not extend the time, which ends ``until_s`` after the start. What has
    come by then is read whenever this program gets to it.

    Raises:
        ReachError: no whole message came; phase ``tcp``.
    """
    try:
        sock.settimeout(max(watch.left(until_s), AT_ONCE_S))
        sock.sendall(len(query).to_bytes(_LENGTH_SIZE, "big") + query)
        length = int.from_bytes(_read_exactly(sock, _LENGTH_SIZE, watch, until_s), "big")
        return _read_exactly(sock, length, watch, until_s)
    except OSError as error:
        raise ReachError(trouble(sock, error, "tcp")) from error


def _read_exactly(sock: socket.socket, size: int, watch: Stopwatch, until_s: float) -> bytes:
    data = b""
    while len(data) < size:
        piece = receive(sock, watch.left(until_s), partial(sock.recv, size - len(data)))
        if piece is None:
            raise TimeoutError
        if not piece:
            detail = "the connection was closed without a whole answer"
            raise ReachError(Trouble(kind="no-answer", phase="tcp", detail=detail))
        data += piece
    return data


def trouble_of(error: ReachError | UnwantedError) -> Trouble:
    """Describe in the evidence's words why asking over TCP gave no usable answer."""
    if isinstance(error, ReachError):
        return error.trouble
    return Trouble(kind="malformed", phase="tcp", detail=str(error))
