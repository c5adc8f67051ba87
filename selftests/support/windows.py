"""Windows' libraries for tests elsewhere: they write what Windows writes, byte for byte.

The layouts are those of Microsoft's headers for 64 bit, written down here a second time.
"""

# ruff: noqa: ANN401 - what ctypes passes

from __future__ import annotations

import contextlib
import ctypes
import socket
import struct
from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

TIMEOUT = 258  # WAIT_TIMEOUT


class Function:
    """A function of a library: declared like ctypes' own, called like Python's."""

    def __init__(self, call: Any) -> None:
        """Call this."""
        self.call = call
        self.restype: object = None
        self.argtypes: object = None

    def __call__(self, *arguments: Any) -> Any:
        """Call it."""
        return self.call(*arguments)


class Library:
    """A library of such functions."""

    def __init__(self, **functions: Any) -> None:
        """Have these."""
        for name, call in functions.items():
            setattr(self, name, Function(call))


def no_library(name: str) -> object:
    """Have none."""
    raise OSError(f"no {name}")


class EchoService:
    """The echo service: each request meets what was told beforehand."""

    def __init__(self, *ends: tuple[int, str, bytes | None, int], begins: int = 997) -> None:
        """Meet requests in turn: status, address, payload (None for the request's own), ms.

        A status below 0 never ends. ``begins`` is the error number with which one is taken over,
        0 where it is answered at once.
        """
        self.ends = deque(ends)
        self.begins = begins
        self.sent: list[tuple[int, int, bytes, int]] = []
        self.open: set[int] = set()
        self.closed = False
        self.handle: int | None = 7
        self.error = 0
        self._ready: set[int] = set()

    def __call__(self, name: str) -> Library:
        """Return a library."""
        return {
            "iphlpapi": Library(
                IcmpCreateFile=lambda: self.handle,
                IcmpCloseHandle=lambda _: setattr(self, "closed", True),
                IcmpSendEcho2Ex=self._send,
                IcmpParseReplies=self._parse,
            ),
            "kernel32": Library(
                CreateEventW=self._create, WaitForMultipleObjects=self._wait, CloseHandle=self._drop
            ),
        }[name]

    def last_error(self) -> int:
        """Return the last error's number."""
        return self.error

    def _create(self, *_: object) -> int:
        event = 100 + len(self.sent)
        self.open.add(event)
        return event

    def _drop(self, event: int) -> None:
        self.open.remove(event)

    def _wait(self, count: int, events: Sequence[int], _: int, limit_ms: int) -> int:
        del limit_ms
        ready = [number for number in range(count) if events[number] in self._ready]
        return ready[0] if ready else TIMEOUT

    def _send(self, *given: Any) -> int:
        _, event, _, _, source, target, payload, size, _, room, room_size, limit_ms = given
        self.sent.append((source, target, payload, limit_ms))
        assert len(payload) == size
        assert len(room) == room_size
        self.error = self.begins
        if self.begins not in {0, 997}:
            return 0
        status, address, data, ms = self.ends.popleft()
        data = payload if data is None else data
        there = ctypes.addressof(room) + 64
        ctypes.memmove(there, data, len(data))
        reply = socket.inet_aton(address) + struct.pack(
            "=IIHHQ16x", max(status, 0), ms, len(data), 1, there if data else 0
        )
        assert len(reply) == 40
        ctypes.memmove(room, reply, 40)
        if status >= 0:
            self._ready.add(event)
        return 1 if self.begins == 0 else 0

    def _parse(self, room: Any, _: int) -> int:
        (status,) = struct.unpack_from("=I", room.raw, 4)
        self.error = status
        return 0 if status == 11010 else 1


class Helper:
    """What iphlpapi tells of interfaces, routes and neighbours."""

    def __init__(self, **statuses: int) -> None:
        """Have the functions end in these statuses, 0 where none is named."""
        self.statuses = statuses
        self.adapters = [(4, "{0004}", "Ethernet 2"), (1, "{0001}", "lo")]
        self.route = (4, "10.20.0.20", "10.20.0.1")
        self.plain = (4, "10.20.0.1", 4)
        self.neighbours = [
            (4, "10.20.0.50", bytes.fromhex("020000000050"), 5),
            (4, "10.20.0.51", b"", 1),
            (4, "10.20.0.52", bytes.fromhex("020000000052"), 6),
            (4, "10.20.0.53", bytes.fromhex("020000000053"), 0),
            (9, "10.20.0.54", bytes.fromhex("020000000054"), 5),
        ]
        self.wants = 0
        """Bytes that the list of interfaces claims to need before it is given."""
        self.asked: list[tuple[str, str]] = []
        self.freed = 0
        self.administrator = 1
        self._kept: list[object] = []

    def __call__(self, name: str) -> Library:
        """Return a library."""
        return {
            "iphlpapi": Library(
                GetAdaptersAddresses=self._adapters,
                GetBestRoute2=self._best_route,
                GetBestRoute=self._plain_route,
                GetIpNetTable2=self._table,
                FreeMibTable=lambda _: setattr(self, "freed", self.freed + 1),
            ),
            "shell32": Library(IsUserAnAdmin=lambda: self.administrator),
        }[name]

    def _status(self, name: str) -> int:
        return self.statuses.get(name, 0)

    def _keep(self, content: bytes) -> int:
        room = ctypes.create_string_buffer(content, len(content))
        self._kept.append(room)
        return ctypes.addressof(room)

    def _adapters(self, family: int, flags: int, _: None, room: Any, size: Any) -> int:
        assert (family, flags) == (2, 15)
        if self.wants > len(room):
            size._obj.value = self.wants
            return 111
        place = ctypes.addressof(room)
        for number, (index, guid, name) in enumerate(self.adapters):
            last = number == len(self.adapters) - 1
            words = self._keep((name + "\0").encode("utf-32-le" if WIDE == 4 else "utf-16-le"))
            entry = struct.pack(
                "=IIQQ32xQQQ", 448, index, 0 if last else place + 448,
                self._keep(guid.encode() + b"\0"), 0, 0, words,
            )  # fmt: skip
            ctypes.memmove(place, entry, len(entry))
            place += 448
        return self._status("adapters")

    def _best_route(self, luid: None, index: int, here: Any, there: Any, *rest: Any) -> int:
        assert (luid, index, rest[0]) == (None, 0, 0)
        _, route, chosen = rest
        source = socket.inet_ntoa(here.raw[4:8]) if here else ""
        self.asked.append((socket.inet_ntoa(there.raw[4:8]), source))
        number, source, gateway = self.route
        row = bytes(8) + struct.pack("=I", number) + bytes(32) + sockaddr(gateway)
        ctypes.memmove(route, row, len(row))
        ctypes.memmove(chosen, sockaddr(source), 28)
        return self._status("route")

    def _plain_route(self, target: Any, source: int, route: Any) -> int:
        self.asked.append((socket.inet_ntoa(struct.pack("=I", target.value)), str(source)))
        number, gateway, kind = self.plain
        row = bytes(12) + socket.inet_aton(gateway) + struct.pack("=II", number, kind)
        ctypes.memmove(route, row, len(row))
        return self._status("plain")

    def _table(self, family: int, table: Any) -> int:
        assert family == 2
        rows = [
            sockaddr(address) + struct.pack("=IQ", number, 7) + hardware.ljust(32, b"\0")
            + struct.pack("=IIB7x", len(hardware), state, 0)
            for number, address, hardware, state in self.neighbours
        ]  # fmt: skip
        assert {len(row) for row in rows} <= {88}
        table._obj.value = self._keep(struct.pack("=I4x", len(rows)) + b"".join(rows))
        return self._status("table")


WIDE = ctypes.sizeof(ctypes.c_wchar)


def sockaddr(address: str) -> bytes:
    """Write SOCKADDR_INET."""
    return struct.pack("<H2x", 2) + socket.inet_aton(address) + bytes(20)


class Registry:
    """The module winreg, with one key."""

    HKEY_LOCAL_MACHINE = 0

    def __init__(self, path: str, **values: object) -> None:
        """Hold these values there."""
        self.path = path
        self.values = list(values.items())

    def OpenKey(self, _root: int, path: str) -> Any:  # noqa: N802 - winreg's name
        """Open the key."""
        if path != self.path:
            raise FileNotFoundError(path)
        return contextlib.nullcontext(self)

    def QueryInfoKey(self, _key: object) -> tuple[int, int, int]:  # noqa: N802
        """Count its values."""
        return 0, len(self.values), 0

    def EnumValue(self, _key: object, number: int) -> tuple[str, object, int]:  # noqa: N802
        """Return one."""
        return *self.values[number], 1


class DhcpClient(Helper):
    """The DHCP client's library, beside the other one."""

    def __init__(self, told: bytes | None, **statuses: int) -> None:
        """Answer with this when the option is asked for."""
        super().__init__(**statuses)
        self.told = told
        self.asked_for: list[tuple[str, int]] = []
        self.ended = False

    def __call__(self, name: str) -> Library:
        """Return a library."""
        if name != "dhcpcsvc":
            return super().__call__(name)
        return Library(
            DhcpCApiInitialize=lambda _: self._status("begin"),
            DhcpCApiCleanup=lambda: setattr(self, "ended", True),
            DhcpRequestParams=self._request,
        )

    def _request(self, *given: Any) -> int:
        flags, _, guid, _, nothing, wanted, room, size, _ = given
        assert (flags, nothing.count, wanted.count, size._obj.value) == (2, 0, 1, len(room))
        parameter = wanted.first[0]
        self.asked_for.append((guid, parameter.option))
        if self.told:
            ctypes.memmove(room, self.told, len(self.told))
            parameter.data, parameter.size = ctypes.addressof(room), len(self.told)
        return self._status("request")


class Firewall:
    """The firewall's COM object: a table of functions."""

    def __init__(
        self, allowed: int = -1, restricted: int = 0, *, status: int = 0, create: int = 0,
        kind: int = 11,
    ) -> None:  # fmt: skip
        """Answer so."""
        self.asked: list[tuple[int, int, int]] = []
        self.names: list[str] = []
        self.freed = self.released = 0
        self._create_status = create
        place, word = ctypes.c_void_p, ctypes.c_int32

        def ask(
            _: int, __: int, version: int, port: int, ___: int, protocol: int, *out: int
        ) -> int:
            self.asked.append((version, port, protocol))
            for there, value in zip(out, (allowed, restricted), strict=True):
                ctypes.memmove(there, struct.pack("=H6xh", kind, value), 10)
            return status

        def release(_: int) -> int:
            self.released += 1
            return 0

        self._ask = ctypes.CFUNCTYPE(word, place, place, word, word, place, word, place, place)(ask)
        self._release = ctypes.CFUNCTYPE(ctypes.c_uint32, place)(release)
        table = [0] * 12
        table[2] = ctypes.cast(self._release, place).value or 0
        table[10] = ctypes.cast(self._ask, place).value or 0
        self._table = (place * 12)(*table)
        self._object = (place * 1)(ctypes.addressof(self._table))

    def __call__(self, name: str) -> Library:
        """Return a library."""
        return {
            "ole32": Library(CoInitializeEx=lambda *_: 0, CoCreateInstance=self._create),
            "oleaut32": Library(SysAllocString=self._make, SysFreeString=self._free),
        }[name]

    def _create(self, manager: bytes, _: None, __: int, interface: bytes, place: Any) -> int:
        assert manager.hex() == "42e94c30396ed840943ab913c40c9cd4"
        assert interface.hex() == "f58a89f7c4ca3246a2ecda06e5111af2"
        place._obj.value = ctypes.addressof(self._object)
        return self._create_status

    def _make(self, name: str) -> int:
        self.names.append(name)
        return 1

    def _free(self, _: int) -> None:
        self.freed += 1
