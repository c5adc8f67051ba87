"""Echo requests by the system's ``ping``, which has the right by itself; one process each."""

from __future__ import annotations

import collections
import errno
import os
import re
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from cube_acceptance.probes.net.echo import Arrival, Method, error_result, not_sent, permit_command
from cube_acceptance.probes.net.errors import UNREACHABLE, CannotAskError
from cube_acceptance.programs import find_program
from cube_acceptance.text.foreign import one_line

if TYPE_CHECKING:
    from cube_acceptance.evidence import Vantage

OUTPUT_LIMIT = 2048
"""How many characters of the command's output are read."""
WORDS_LIMIT = 300
"""How many of them are told where it did not work."""
COMMAND_GRACE_S = 3.0
"""How much longer than its own time limit the command may take to start and to end."""


def _named(words: str) -> OSError:
    """Return the system's error that is called so; one without a number where there is none."""
    number = next((code for code in errno.errorcode if os.strerror(code) == words), None)
    return OSError(number, words)


_REPLY_LINE = re.compile(
    r"^\d+ bytes from (?P<source>[\d.]+): .*?time[=<](?P<ms>[\d.]+) ?ms", re.MULTILINE
)
_SPOILT = re.compile(r"^wrong data byte|\(truncated\)|seq=(?![01]\b)", re.MULTILINE)
"""What iputils says of a reply that is not our request's: another payload, another number."""
_ERROR_LINE = re.compile(
    r"^(?:\d+ bytes f|F)rom (?P<source>[\d.]+):? (?:icmp_seq=\d+ )?"
    r"(?P<text>(?!Redirect|Source Quench)[A-Z].*)$",
    re.MULTILINE,
)
_SUMMARY_LINE = re.compile(r"^1 packets transmitted, 0 ", re.MULTILINE)
_SEND_ERROR = re.compile(r"send(?:to|msg): (?P<text>.+)")
_WINDOWS_REPLY = re.compile(
    r"(?P<source>\d+\.\d+\.\d+\.\d+)\D{0,3}: .*[=<]\D?(?P<ms>\d+)\D{1,8}TTL=", re.IGNORECASE
)
"""A reply, in the language of the computer: French sets a space before the colon, and Russian
writes its milliseconds in letters that are none of ASCII's."""
_WINDOWS_SUMMARY = re.compile(r"= 1, .*= 0, .*= 1\b")
"""Sent one, received none, lost one. Where it counts one as received, whoever sent it, and whatever
it was, that was no silence."""
_UNREACHABLE_CODES = {
    "Destination Net Unreachable": 0,
    "Destination Host Unreachable": 1,
    "Destination Protocol Unreachable": 2,
    "Destination Port Unreachable": 3,
    "Destination Net Prohibited": 9,
    "Destination Host Prohibited": 10,
    "Packet filtered": 13,
    "Communication prohibited by filter": 13,
}
"""ICMP codes by the words of iputils and of the BSDs; what is not here is read as no way there."""
_SEARCH_PATH = "/usr/bin:/bin:/usr/sbin:/sbin:/run/wrappers/bin:/usr/local/bin"


def find_ping(platform: str = sys.platform) -> str | None:
    """Find the system's ``ping`` where systems keep it; None where there is none."""
    if platform == "win32":
        system = Path(os.environ.get("SYSTEMROOT", r"C:\Windows"), "System32")
        return find_program("ping", str(system), platform)
    return find_program("ping", _SEARCH_PATH, platform)


def ping_arguments(
    vantage: Vantage, source: str, address: str, wait_s: float, platform: str = sys.platform
) -> list[str]:
    """Return the command's arguments for one echo request from the vantage."""
    milliseconds = str(round(wait_s * 1000))
    if platform == "win32":
        return ["-4", "-n", "1", "-w", milliseconds, "-S", source, address]
    if platform == "darwin":
        bound = ["-b", vantage.interface, "-S", source]
        return ["-n", "-c", "1", "-W", milliseconds, *bound, address]
    bound = ["-I", vantage.interface, "-I", source]
    return ["-n", "-c", "1", "-W", f"{wait_s:g}", *bound, address]


def read_output(output: str, sequence: int, address: str, platform: str) -> Arrival | None:
    """Read what ``ping`` says about its one request; None where it did not send it."""
    moment = time.monotonic()
    windows = platform == "win32"
    if spoilt := _SPOILT.search(output):
        detail = f"a reply to something else: {spoilt[0]}"
        return Arrival(moment=moment, source="", sequence=sequence, result="silence", detail=detail)
    if reply := (_WINDOWS_REPLY if windows else _REPLY_LINE).search(output):
        source = reply["source"]
        return Arrival(
            moment=moment,
            source=source,
            sequence=sequence,
            result="reply" if source == address else "wrong-host",
            rtt_s=_seconds(reply["ms"]),
            detail=reply[0][:200],
        )
    if error := None if windows else _ERROR_LINE.search(output):
        code = _UNREACHABLE_CODES.get(error["text"].strip())
        return Arrival(
            moment=moment,
            source=error["source"],
            sequence=sequence,
            result="unreachable" if code is None else error_result(UNREACHABLE, code),
            detail=error[0][:200],
            code=code,
        )
    if (_WINDOWS_SUMMARY if windows else _SUMMARY_LINE).search(output):
        return Arrival(moment=moment, source="", sequence=sequence, result="silence")
    return None


def discarded(account: Path = Path("/proc/net/snmp")) -> int:
    """Count the packets that this computer has not let go since its start; 0 where it is not said.

    What a packet filter drops on its way out is among them (``ipOutDiscards`` of RFC 4293).
    """
    try:
        names, values = (line.split() for line in account.read_text().splitlines()[:2])
        return int(dict(zip(names, values, strict=True))["OutDiscards"])
    except (OSError, ValueError, KeyError):  # not Linux
        return 0


def _seconds(milliseconds: str) -> float | None:
    try:
        return round(float(milliseconds) / 1000, 6)
    except ValueError:
        return None


class CommandWire:
    """Echo requests by the system's ``ping``, one process each."""

    method: Method = "command"
    identifier = 0

    def __init__(
        self, command: list[str], address: str, wait_s: float, platform: str = sys.platform
    ) -> None:
        """Use this command for every request."""
        self._command = command
        self._address = address
        self._wait_s = wait_s
        self._platform = platform
        self._waiting: collections.deque[Arrival] = collections.deque()

    def request(self, sequence: int) -> bytes:  # noqa: ARG002 - see Wire
        """Know nothing about the bytes."""
        return b""

    def send(self, sequence: int) -> float:
        """Send one request and wait for what comes of it; see :meth:`Wire.send`."""
        before, begin = discarded(), time.monotonic()
        try:
            status, output, words = self._run()
        except OSError as error:
            raise self._useless(f"ping did not work: {error}") from error
        unsent = _SEND_ERROR.search(words)
        arrival = read_output(output, sequence, self._address, self._platform)
        if unsent and (arrival is None or arrival.result == "silence"):
            arrival = not_sent(_named(unsent["text"]), sequence, self._platform)
        if arrival is None:
            said = words or " ".join(output.split()) or "no word"
            raise self._useless(f"ping ended with {status}: {said}")
        silent = arrival.result == "silence"
        if silent and self._platform == "win32" and time.monotonic() - begin < self._wait_s:
            # Its summary does not tell a request that nobody answered from one that never left.
            raise self._useless(f"ping gave up early: {' '.join(output.split())}")
        self._waiting.append(replace(arrival, kept_back=silent and discarded() > before))
        # Only a command that has waited for a reply in vain has sent its request so long ago.
        waited = silent and not arrival.detail and time.monotonic() - begin >= self._wait_s
        return self._wait_s if waited else 0.0

    def _useless(self, detail: str) -> CannotAskError:
        """Say that the command has told nothing about the target."""
        words = one_line(detail, WORDS_LIMIT)
        return CannotAskError("not-permitted", words, permit_command(self._platform))

    def _run(self) -> tuple[int, str, str]:
        """Run the command to its end; one that hangs is ended, and what it has said counts."""
        with subprocess.Popen(  # noqa: S603 - a fixed command, no shell
            self._command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "LC_ALL": "C"},
        ) as process:
            try:
                output, words = process.communicate(timeout=self._wait_s + COMMAND_GRACE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                output, words = process.communicate()
        said = words[:OUTPUT_LIMIT].decode("ascii", "replace")
        return (
            process.returncode,
            output[:OUTPUT_LIMIT].decode("ascii", "replace"),
            " ".join(said.split()),
        )

    def receive(self, limit_s: float) -> Arrival | None:
        """Return what the last request came to, or wait."""
        if self._waiting:
            return self._waiting.popleft()
        time.sleep(max(limit_s, 0.0))
        return None

    def close(self) -> None:
        """Nothing is held."""
