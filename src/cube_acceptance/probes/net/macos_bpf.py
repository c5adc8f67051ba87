"""Hear on macOS what arrives at an interface, before its firewall and its own DHCP client (bpf(4)).

Wants root. A device of Berkeley's packet filter hands over whole frames, several at a time, each
behind a header. Written after Apple's bpf(4) and net/bpf.h; it has not been run on macOS.
"""

from __future__ import annotations

import collections
import ctypes
import errno
import os
import select
import struct
from typing import TYPE_CHECKING, Any

from cube_acceptance.probes.net.bpf import ETH_P_IP, assemble

try:
    from fcntl import ioctl as system_ioctl
except ImportError:  # pragma: no cover - not on Windows
    system_ioctl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DEVICES = 256
"""How many devices are tried for one that nobody else has."""
ETHERNET = 1
"""DLT_EN10MB of net/bpf.h: frames begin with an Ethernet header."""
ETHERNET_SIZE = 14

# _IOR, _IOW and _IOWR of sys/ioccom.h, for the group 'B'
GET_LENGTH, GET_LINK = 0x40044266, 0x4004426A
SET_FILTER, SET_INTERFACE, IMMEDIATE, SEE_SENT = 0x80104267, 0x8020426C, 0x80044270, 0x80044277

_HEADER = struct.Struct("=8xIIH")
"""struct bpf_hdr: a time, the length captured, the length there was, the length of the header."""
_ALIGNED = 4
_NUMBER = struct.Struct("=I")
_REQUEST = struct.Struct("=16s16x")  # struct ifreq
_UDP = 17
_FRAGMENT = 0x3FFF
_STEP_SIZE = 8


def port_filter(port: int, limit: int) -> bytes:
    """Write the filter that lets frames with unfragmented UDP to one port pass."""
    at = ETHERNET_SIZE
    return assemble(
        (
            ("half", 12),
            ("=", ETH_P_IP, "", "drop"),
            ("byte", at + 9),
            ("=", _UDP, "", "drop"),
            ("half", at + 6),
            ("&", _FRAGMENT, "drop", ""),
            ("header", at),
            ("half of", at + 2),
            ("=", port, "", "drop"),
            ("return", limit),
            "drop",
            ("return", 0),
        )
    )


def frames(read: bytes) -> Iterator[bytes]:
    """Take the frames out of what one reading gave; one that is not whole ends it."""
    at = 0
    while at + _HEADER.size <= len(read):
        captured, _, size = _HEADER.unpack_from(read, at)
        frame = read[at + size : at + size + captured]
        if size < _HEADER.size or len(frame) < captured:
            return
        yield frame
        at += (size + captured + _ALIGNED - 1) // _ALIGNED * _ALIGNED


class Tap:
    """A device that hands over the UDP datagrams for one port of one interface."""

    def __init__(  # noqa: PLR0913 - the seams stand beside the two that matter
        self,
        interface: str,
        port: int,
        *,
        new_device: Callable[[str, int], int] = os.open,
        ioctl: Callable[..., Any] = system_ioctl,
        read: Callable[[int, int], bytes] = os.read,
        wait: Callable[..., Any] = select.select,
        close: Callable[[int], None] = os.close,
    ) -> None:
        """Open the first device that is free.

        Raises:
            OSError: this user may not, all are taken, or the interface has no Ethernet frames.
        """
        self._read, self._wait, self._close = read, wait, close
        self._waiting: collections.deque[bytes] = collections.deque()
        self._device = _open_free(new_device)
        try:
            self._size = _NUMBER.unpack(ioctl(self._device, GET_LENGTH, bytes(4)))[0]
            ioctl(self._device, SET_INTERFACE, _REQUEST.pack(os.fsencode(interface)))
            _check_link(_NUMBER.unpack(ioctl(self._device, GET_LINK, bytes(4)))[0], interface)
            program = port_filter(port, self._size)
            memory = ctypes.create_string_buffer(program, len(program))
            described = struct.pack("@IP", len(program) // _STEP_SIZE, ctypes.addressof(memory))
            ioctl(self._device, SET_FILTER, described)
            ioctl(self._device, SEE_SENT, _NUMBER.pack(0))
            ioctl(self._device, IMMEDIATE, _NUMBER.pack(1))
        except BaseException:
            close(self._device)
            raise

    def receive(self, limit_s: float) -> bytes | None:
        """Wait at most ``limit_s`` seconds for an IP packet; None where none came."""
        if not self._waiting and self._wait([self._device], [], [], max(limit_s, 0.0))[0]:
            self._waiting.extend(frames(self._read(self._device, self._size)))
        return self._waiting.popleft()[ETHERNET_SIZE:] if self._waiting else None

    def close(self) -> None:
        """Give the device back."""
        self._close(self._device)


def _check_link(kind: int, interface: str) -> None:
    if kind != ETHERNET:
        raise OSError(errno.EOPNOTSUPP, f"{interface} has no Ethernet frames")


def _open_free(new_device: Callable[[str, int], int]) -> int:
    for number in range(DEVICES):
        try:
            return new_device(f"/dev/bpf{number}", os.O_RDWR)
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
    raise OSError(errno.EBUSY, "every /dev/bpf is taken")
