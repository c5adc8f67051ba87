"""Unit tests of macOS' packet filter devices, by a made-up one that writes as bpf(4) says."""

from __future__ import annotations

import ctypes
import errno
import os
import struct

import pytest

from cube_acceptance.probes.net import macos_bpf
from cube_acceptance.probes.net.macos_bpf import Tap, frames, port_filter
from selftests.support.filters import run_filter

ETHERNET = bytes(12) + b"\x08\x00"


def record(frame: bytes, size: int = 20) -> bytes:
    """Write a frame as a reading gives it: header, frame, room up to a multiple of four."""
    header = struct.pack("=8xIIH", len(frame), len(frame), size).ljust(size, b"\0")
    return (header + frame) + bytes(-(size + len(frame)) % 4)


def datagram(port: int = 68, protocol: int = 17, flags: int = 0) -> bytes:
    """Write a frame with a UDP datagram to a port."""
    header = struct.pack("!BBHHHBBH8x", 0x46, 0, 40, 0, flags, 64, protocol, 0) + bytes(4)
    return ETHERNET + header + struct.pack("!HHHH", 67, port, 16, 0) + b"contents"


class Device:
    """A device of the packet filter."""

    def __init__(self, *readings: bytes, taken: int = 0, link: int = 1) -> None:
        """Read these; the first ``taken`` devices are somebody else's."""
        self.readings = list(readings)
        self.taken, self.link = taken, link
        self.opened: list[str] = []
        self.set: dict[int, bytes] = {}
        self.program = b""
        self.closed = False

    def open(self, path: str, flags: int) -> int:
        """Open one."""
        assert flags == os.O_RDWR
        self.opened.append(path)
        if len(self.opened) <= self.taken:
            raise OSError(errno.EBUSY, "busy")
        return 5

    def ioctl(self, device: int, request: int, value: bytes) -> bytes:
        """Set or tell."""
        assert device == 5
        self.set[request] = value
        if request == macos_bpf.SET_FILTER:
            steps, place = struct.unpack("@IP", value)
            self.program = ctypes.string_at(place, steps * 8)
        told = {macos_bpf.GET_LENGTH: 4096, macos_bpf.GET_LINK: self.link}
        return struct.pack("=I", told[request]) if request in told else value

    def read(self, device: int, size: int) -> bytes:
        """Read what has come; a device wants to be read whole."""
        assert (device, size) == (5, 4096)
        return self.readings.pop(0)

    def wait(self, readable: list[int], *_: object) -> tuple[list[int], list[int], list[int]]:
        """Whether something has come."""
        return (readable if self.readings else [], [], [])

    def close(self, device: int) -> None:
        """Close it."""
        assert device == 5
        self.closed = True

    def tap(self) -> Tap:
        """Open it."""
        return Tap(
            "en0", 68,
            new_device=self.open, ioctl=self.ioctl, read=self.read, wait=self.wait,
            close=self.close,
        )  # fmt: skip


class TestTap:
    """What a device hands over."""

    def test_packets(self) -> None:
        """Several at a time, each from its IP header on."""
        device = Device(record(datagram()) + record(datagram() + b"!"), record(datagram()))
        tap = device.tap()

        packets = [tap.receive(1.0) for _ in range(4)]

        ip = datagram()[14:]
        assert packets == [ip, ip + b"!", ip, None]
        tap.close()
        assert device.closed

    def test_settings(self) -> None:
        """The interface by its name; at once, and nothing of what this computer sends itself."""
        device = Device()
        device.tap()

        assert device.set[macos_bpf.SET_INTERFACE] == b"en0".ljust(32, b"\0")
        assert device.set[macos_bpf.SEE_SENT] == bytes(4)
        assert device.set[macos_bpf.IMMEDIATE] == b"\1\0\0\0"
        assert device.program == port_filter(68, 4096)

    def test_first_free_one(self) -> None:
        """Others may be taken, by the system's own DHCP client for instance."""
        device = Device(taken=2)
        device.tap()

        assert device.opened == ["/dev/bpf0", "/dev/bpf1", "/dev/bpf2"]
        with pytest.raises(OSError, match="every /dev/bpf is taken"):
            Device(taken=10**6).tap()

    def test_not_permitted(self) -> None:
        """An ordinary user has none."""

        def refuse(_path: str, _flags: int) -> int:
            raise PermissionError(errno.EACCES, "Permission denied")

        with pytest.raises(PermissionError):
            Tap("en0", 68, new_device=refuse)

    def test_no_ethernet(self) -> None:
        """A tunnel has other frames; the device is given back."""
        device = Device(link=12)

        with pytest.raises(OSError, match="no Ethernet frames"):
            device.tap()

        assert device.closed


class TestFrames:
    """The frames of one reading."""

    @pytest.mark.parametrize(
        "rest",
        [b"short", record(b"x" * 40)[:50], struct.pack("=8xIIH", 0, 0, 4).ljust(20, b"\0")],
        ids=["no-header", "cut-off", "header-too-small"],
    )
    def test_what_is_not_whole(self, rest: bytes) -> None:
        """It ends the reading, and no frame is made up."""
        assert list(frames(record(b"whole") + rest)) == [b"whole"]


class TestFilter:
    """What the kernel lets pass."""

    @pytest.mark.parametrize(
        ("frame", "passes"),
        [
            (datagram(), True),
            (datagram(port=67), False),
            (datagram(protocol=6), False),
            (datagram(flags=0x2000), False),
            (bytes(12) + b"\x08\x06" + datagram()[14:], False),
        ],
        ids=["reply", "other-port", "tcp", "fragment", "arp"],
    )
    def test_passes(self, frame: bytes, *, passes: bool) -> None:
        """Whole UDP datagrams to the client's port, behind an IP header of any length."""
        assert bool(run_filter(port_filter(68, 4096), frame)) is passes
