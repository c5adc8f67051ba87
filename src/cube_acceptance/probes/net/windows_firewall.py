"""Whether Windows' firewall lets packets in to this program, as it says itself (INetFwMgr).

COM by ctypes, for 64 bit: an object begins with the address of its table of functions.
"""

from __future__ import annotations

import ctypes
import sys
import uuid
from typing import TYPE_CHECKING, Any

from cube_acceptance.probes.net.windows import found, windows_library

if TYPE_CHECKING:
    from cube_acceptance.probes.net.windows import Load

MANAGER = uuid.UUID("304ce942-6e39-40d8-943a-b913c40c9cd4").bytes_le
"""HNetCfg.FwMgr, of netfw.h."""
INTERFACE = uuid.UUID("f7898af5-cac4-4632-a2ec-da06e5111af2").bytes_le
"""INetFwMgr of netfw.h."""
RELEASE, IS_PORT_ALLOWED = 2, 10
"""Places in its table: IUnknown has three functions, IDispatch four more, then come its own."""

_IN_THIS_PROCESS = 1  # CLSCTX_INPROC_SERVER
_IPV4, _UDP = 0, 17  # NET_FW_IP_VERSION_V4, NET_FW_IP_PROTOCOL_UDP
_BOOL = 11  # VT_BOOL


class _Variant(ctypes.Structure):
    """VARIANT of oaidl.h, as it holds a truth value."""

    _fields_ = (
        ("kind", ctypes.c_uint16),
        ("reserved", ctypes.c_uint16 * 3),
        ("truth", ctypes.c_int16),
        ("rest", ctypes.c_uint8 * 14),
    )


_Release = ctypes.CFUNCTYPE(ctypes.c_uint32, ctypes.c_void_p)
_IsPortAllowed = ctypes.CFUNCTYPE(
    ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int32, ctypes.c_int32,
    ctypes.c_void_p, ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p,
)  # fmt: skip


def running_program() -> str:
    """Name the program that runs; in a virtual environment Windows starts another than is typed."""
    base = getattr(sys, "_base_executable", "") if sys.platform == "win32" else ""
    return base or sys.executable


def admits_udp(port: int, program: str = "", load: Load = windows_library) -> bool:
    """Whether the firewall is known to let datagrams to a port in to a program, from everybody."""
    try:
        return _asked(port, program or running_program(), load)
    except OSError:
        return False


def _asked(port: int, program: str, load: Load) -> bool:
    com, texts = load("ole32"), load("oleaut32")
    found(com, "CoInitializeEx")(None, 0)
    create = found(com, "CoCreateInstance")
    manager = ctypes.c_void_p()
    failed = create(MANAGER, None, _IN_THIS_PROCESS, INTERFACE, ctypes.byref(manager))
    if failed or not manager.value:
        return False
    make, free = found(texts, "SysAllocString"), found(texts, "SysFreeString")
    make.restype, make.argtypes, free.argtypes = (
        ctypes.c_void_p,
        (ctypes.c_wchar_p,),
        (ctypes.c_void_p,),
    )
    name = make(program)
    allowed, restricted = _Variant(), _Variant()
    try:
        ask = _function(manager.value, IS_PORT_ALLOWED, _IsPortAllowed)
        failed = ask(
            manager.value, name, _IPV4, port, None, _UDP,
            ctypes.addressof(allowed), ctypes.addressof(restricted),
        )  # fmt: skip
    finally:
        free(name)
        _function(manager.value, RELEASE, _Release)(manager.value)
    known = not failed and allowed.kind == restricted.kind == _BOOL
    return known and bool(allowed.truth) and not restricted.truth


def _function(place: int, number: int, kind: Any) -> Any:  # noqa: ANN401 - ctypes' types
    table = ctypes.c_void_p.from_address(place).value or 0
    return kind(ctypes.c_void_p.from_address(table + number * ctypes.sizeof(ctypes.c_void_p)).value)
