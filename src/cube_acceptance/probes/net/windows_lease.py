"""What Windows' DHCP client knows of an interface: its registry, and what it asks for when asked.

Neither takes an address. The registry holds what the last lease brought, but no time servers; for
those the client sends an INFORM (RFC 2131 section 4.4.3) where it has not kept them.
"""

from __future__ import annotations

import ctypes
import importlib
import socket
from typing import TYPE_CHECKING, Any

from cube_acceptance.probes.net.windows import adapter, check, found, windows_library

if TYPE_CHECKING:
    from cube_acceptance.probes.net.windows import Load

INTERFACES = r"SYSTEM\CurrentControlSet\Services\Tcpip\Parameters\Interfaces"
"""Below ``HKEY_LOCAL_MACHINE``, by the interface's GUID."""
TIME_SERVERS = 42
"""RFC 2132 section 8.3."""

_SYNCHRONOUS = 2  # DHCPCAPI_REQUEST_SYNCHRONOUS of dhcpcsdk.h
_ROOM = 4096
_ADDRESS_SIZE = 4


class _Parameter(ctypes.Structure):
    """DHCPAPI_PARAMS of dhcpcsdk.h."""

    _fields_ = (
        ("flags", ctypes.c_uint32),
        ("option", ctypes.c_uint32),
        ("vendor", ctypes.c_int32),
        ("data", ctypes.c_void_p),
        ("size", ctypes.c_uint32),
    )


class _Parameters(ctypes.Structure):
    """DHCPCAPI_PARAMS_ARRAY of dhcpcsdk.h."""

    _fields_ = (("count", ctypes.c_uint32), ("first", ctypes.POINTER(_Parameter)))


def read_registry(
    interface: str,
    load: Load = windows_library,
    registry: Any = None,  # noqa: ANN401 - the module winreg, or one like it
) -> dict[str, object]:
    """Return what the registry says of an interface; nothing where it cannot be read."""
    try:
        registry = registry or importlib.import_module("winreg")
        path = rf"{INTERFACES}\{adapter(interface, load).guid}"
        with registry.OpenKey(registry.HKEY_LOCAL_MACHINE, path) as key:
            count = registry.QueryInfoKey(key)[1]
            return {
                name: value for name, value, _ in (registry.EnumValue(key, n) for n in range(count))
            }
    except (OSError, ImportError):
        return {}


def time_servers(interface: str, load: Load = windows_library) -> tuple[str, ...] | None:
    """Ask the DHCP client which time servers the network hands out (DhcpRequestParams).

    None where nobody says so: an empty answer is none, since it has more reasons than one.
    """
    try:
        return _asked_for(TIME_SERVERS, adapter(interface, load).guid, load) or None
    except OSError:
        return None


def _asked_for(option: int, guid: str, load: Load) -> tuple[str, ...]:
    library = load("dhcpcsvc")
    begin, end = found(library, "DhcpCApiInitialize"), found(library, "DhcpCApiCleanup")
    ask = found(library, "DhcpRequestParams")
    ask.argtypes = (
        ctypes.c_uint32, ctypes.c_void_p, ctypes.c_wchar_p, ctypes.c_void_p, _Parameters,
        _Parameters, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_wchar_p,
    )  # fmt: skip
    check(begin(ctypes.byref(ctypes.c_uint32())), "DhcpCApiInitialize")
    try:
        wanted = _Parameter(option=option)
        room, size = ctypes.create_string_buffer(_ROOM), ctypes.c_uint32(_ROOM)
        nothing, one = _Parameters(0, None), _Parameters(1, ctypes.pointer(wanted))
        status = ask(_SYNCHRONOUS, None, guid, None, nothing, one, room, ctypes.byref(size), None)
        check(status, "DhcpRequestParams")
        data = ctypes.string_at(wanted.data, min(wanted.size, _ROOM)) if wanted.data else b""
    finally:
        end()
    return tuple(
        socket.inet_ntoa(data[at : at + _ADDRESS_SIZE])
        for at in range(0, len(data) - _ADDRESS_SIZE + 1, _ADDRESS_SIZE)
    )
