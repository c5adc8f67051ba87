"""What Windows' own libraries tell of its interfaces, routes and neighbours; nothing is sent.

By ctypes, so that neither a program's language nor PowerShell's start counts. Each function takes
``load``, which gives a library by its name, and raises ``OSError`` where that is not Windows'.
"""

from __future__ import annotations

import ctypes
import socket
import struct
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Load = Callable[[str], Any]

NO_ERROR = 0
NOT_SUPPORTED = 50
"""ERROR_NOT_SUPPORTED of winerror.h."""
BUFFER_OVERFLOW = 111
"""ERROR_BUFFER_OVERFLOW of winerror.h: it wants more room, and says how much."""
ATTEMPTS = 4
"""How often a list is asked for that grows meanwhile."""

_ONLY_SYSTEM = 0x800  # LOAD_LIBRARY_SEARCH_SYSTEM32 of libloaderapi.h
_FIRST_ROOM = 16 * 1024
_LEAN = 0x1 | 0x2 | 0x4 | 0x8
"""GAA_FLAG_SKIP_...: no addresses and no servers, the interfaces alone."""
_HARDWARE_SIZE = 8  # MAX_ADAPTER_ADDRESS_LENGTH
_ADDRESS = struct.Struct("=H2x4s20x")
"""SOCKADDR_INET of ws2ipdef.h, as IPv4 has it."""
_ROUTE_SIZE = 104
"""MIB_IPFORWARD_ROW2 of netioapi.h."""
_NUMBER_AT, _NEXT_HOP_AT = 8, 44
_PLAIN_ROUTE = struct.Struct("=12x4sII32x")
"""MIB_IPFORWARDROW of ipmib.h: router, interface and kind."""
_INDIRECT = 4  # MIB_IPROUTE_TYPE_INDIRECT
_NEIGHBOURS_AT = 8
"""Where the rows of MIB_IPNET_TABLE2 begin."""
_NEIGHBOUR = struct.Struct("=28sI8x32sIIB3x4x")
"""MIB_IPNET_ROW2: address, interface, hardware address and its length, state, flags."""
NEIGHBOUR_LIMIT = 65536
"""How many neighbours are looked at."""


class Adapter(NamedTuple):
    """A network interface."""

    number: int
    guid: str
    """How the registry and the DHCP client call it."""
    name: str
    """How the user calls it."""


class BestRoute(NamedTuple):
    """The way to a target."""

    interface: int
    """The interface's number."""
    source: str
    """The address that packets leave from; empty where that is not said."""
    gateway: str
    """The router; empty where the target is on the link."""


class Row(NamedTuple):
    """An entry of the table of neighbours."""

    interface: int
    address: str
    hardware: str
    state: int
    """NL_NEIGHBOR_STATE of nldef.h."""


INCOMPLETE = frozenset({0, 1})
"""NlnsUnreachable and NlnsIncomplete: nobody answers ARP."""
PERMANENT = 6
"""NlnsPermanent: entered by hand, or a broadcast."""


class _Adapter(ctypes.Structure):
    """IP_ADAPTER_ADDRESSES of iptypes.h, as far as it is read."""

    _fields_ = (
        ("length", ctypes.c_uint32),
        ("number", ctypes.c_uint32),
        ("next", ctypes.c_void_p),
        ("guid", ctypes.c_char_p),
        ("lists", ctypes.c_void_p * 4),
        ("suffix", ctypes.c_void_p),
        ("description", ctypes.c_void_p),
        ("name", ctypes.c_wchar_p),
    )


def windows_library(name: str) -> Any:  # noqa: ANN401 - what ctypes gives
    """Load one of Windows' own libraries, from its own folder only.

    Raises:
        OSError: this is not Windows, or it has none of that name.
    """
    loader = getattr(ctypes, "WinDLL", None)
    if loader is None:
        raise OSError(f"{name} is Windows' own")
    return loader(  # pragma: no cover - Windows only
        f"{name}.dll", use_last_error=True, winmode=_ONLY_SYSTEM
    )


def last_error() -> int:
    """Return the number of this thread's last error; 0 where this is not Windows."""
    number: int = getattr(ctypes, "get_last_error", int)()
    return number


def check(status: int, what: str) -> None:
    """Raise where a function of a library did not do what it was asked for.

    Raises:
        OSError: ``status`` is not 0.
    """
    if status != NO_ERROR:
        raise OSError(status, f"{what} failed with {status}")


def found(library: Any, name: str) -> Any:  # noqa: ANN401 - what ctypes gives
    """Give a library's function.

    Raises:
        OSError: this Windows has none of that name.
    """
    try:
        return getattr(library, name)
    except AttributeError as error:
        raise OSError(f"this Windows has no {name}") from error


def adapters(load: Load = windows_library) -> tuple[Adapter, ...]:
    """List the interfaces (GetAdaptersAddresses).

    Raises:
        OSError: see :func:`windows_library`.
    """
    ask = found(load("iphlpapi"), "GetAdaptersAddresses")
    size = ctypes.c_uint32(_FIRST_ROOM)
    status = BUFFER_OVERFLOW
    for _ in range(ATTEMPTS):
        room = ctypes.create_string_buffer(size.value)
        status = ask(int(socket.AF_INET), _LEAN, None, room, ctypes.byref(size))
        if status != BUFFER_OVERFLOW:
            break
    check(status, "GetAdaptersAddresses")
    return tuple(_listed(ctypes.addressof(room)))


def _listed(place: int | None) -> Iterator[Adapter]:
    while place:
        one = _Adapter.from_address(place)
        yield Adapter(one.number, (one.guid or b"").decode("ascii", "replace"), one.name or "")
        place = one.next


def adapter(name: str, load: Load = windows_library) -> Adapter:
    """Find an interface by its name.

    Raises:
        OSError: there is none of that name, or as for :func:`adapters`.
    """
    for one in adapters(load):
        if one.name == name:
            return one
    raise OSError(f"there is no interface {name}")


def best_route(target: str, source: str = "", load: Load = windows_library) -> BestRoute | None:
    """Ask for the way to a host, from one of this computer's addresses; None where there is none.

    By GetBestRoute2, which knows of sources, else by GetBestRoute, which does not.

    Raises:
        OSError: this Windows cannot be asked so.
    """
    library = load("iphlpapi")
    ask = found(library, "GetBestRoute2")
    route = ctypes.create_string_buffer(_ROUTE_SIZE)
    chosen = ctypes.create_string_buffer(_ADDRESS.size)
    there = ctypes.create_string_buffer(_sockaddr(target), _ADDRESS.size)
    here = ctypes.create_string_buffer(_sockaddr(source), _ADDRESS.size) if source else None
    status = ask(None, 0, here, there, 0, route, chosen)
    if status == NOT_SUPPORTED:
        return _plain_route(found(library, "GetBestRoute"), target)
    if status in _NO_ROUTE:
        return None
    check(status, "GetBestRoute2")
    (number,) = struct.unpack_from("=I", route.raw, _NUMBER_AT)
    gateway = _address(route.raw[_NEXT_HOP_AT : _NEXT_HOP_AT + _ADDRESS.size])
    return BestRoute(number, _address(chosen.raw), "" if gateway == _ANY else gateway)


def _plain_route(ask: Any, target: str) -> BestRoute | None:  # noqa: ANN401 - what ctypes gives
    route = ctypes.create_string_buffer(_PLAIN_ROUTE.size)
    status = ask(ctypes.c_uint32(struct.unpack("=I", socket.inet_aton(target))[0]), 0, route)
    if status in _NO_ROUTE:
        return None
    check(status, "GetBestRoute")
    gateway, number, kind = _PLAIN_ROUTE.unpack(route.raw)
    return BestRoute(number, "", socket.inet_ntoa(gateway) if kind == _INDIRECT else "")


_NO_ROUTE = frozenset({1168, 1231, 1232})
"""ERROR_NOT_FOUND, ERROR_NETWORK_UNREACHABLE and ERROR_HOST_UNREACHABLE of winerror.h."""
_ANY = "0.0.0.0"  # noqa: S104 - no router


def neighbours(load: Load = windows_library) -> tuple[Row, ...]:
    """Read the table of IPv4 neighbours (GetIpNetTable2).

    Raises:
        OSError: this Windows cannot be asked so.
    """
    library = load("iphlpapi")
    ask, free = found(library, "GetIpNetTable2"), found(library, "FreeMibTable")
    table = ctypes.c_void_p()
    check(ask(int(socket.AF_INET), ctypes.byref(table)), "GetIpNetTable2")
    try:
        place = table.value or 0
        (count,) = struct.unpack("=I", ctypes.string_at(place, 4))
        size = min(count, NEIGHBOUR_LIMIT) * _NEIGHBOUR.size
        rows = ctypes.string_at(place + _NEIGHBOURS_AT, size)
    finally:
        free(table)
    return tuple(_row(*fields) for fields in _NEIGHBOUR.iter_unpack(rows))


def _row(there: bytes, interface: int, hardware: bytes, size: int, state: int, _: int) -> Row:
    return Row(interface, _address(there), hardware[: min(size, len(hardware))].hex(":"), state)


def is_administrator(load: Load = windows_library) -> bool | None:
    """Whether this program runs with an administrator's rights; None where nobody can tell."""
    try:
        return bool(found(load("shell32"), "IsUserAnAdmin")())
    except OSError:
        return None


def _sockaddr(address: str) -> bytes:
    return _ADDRESS.pack(int(socket.AF_INET), socket.inet_aton(address))


def _address(sockaddr: bytes) -> str:
    return socket.inet_ntoa(_ADDRESS.unpack(sockaddr)[1])
