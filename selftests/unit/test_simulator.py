"""A simulated server that fails says so: its silence would be taken for the network's."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, NoReturn

import pytest

from fixtures.simulator.ntp import HEADER, NtpServer
from fixtures.simulator.server import StumbledError
from fixtures.simulator.tcp import TcpServer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fixtures.simulator.server import Reply

QUESTION = b"\x23" + bytes(HEADER.size - 1)


class Stumbling(NtpServer):
    """A time server that fails at its first question."""

    def respond(self, request: bytes) -> Iterable[Reply]:
        """Fail, or answer."""
        if len(self.requests) == 1:
            raise RuntimeError("not this one")
        return super().respond(request)


class StumblingTcp(TcpServer):
    """A server that fails at every connection."""

    def serve(self, connection: socket.socket) -> NoReturn:
        """Fail."""
        raise RuntimeError(str(connection))


def test_a_handler_that_fails_answers_on_and_fails_the_test() -> None:
    """The next question has its answer, and whoever stops the server learns of the failure."""
    with (  # noqa: PT012 - the context's end is what raises
        pytest.raises(StumbledError, match="Stumbling") as failure,
        Stumbling() as server,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client,
    ):
        client.settimeout(5.0)
        client.connect((server.address, server.port))
        client.send(QUESTION)
        client.send(QUESTION)
        assert len(client.recv(100)) == HEADER.size

    assert str(failure.value.__cause__) == "not this one"


def test_a_conversation_that_fails_fails_the_test(capsys: pytest.CaptureFixture[str]) -> None:
    """Over TCP likewise; a lab that only reads the log sees it at once."""
    with pytest.raises(StumbledError), StumblingTcp() as server:  # noqa: PT012 - likewise
        socket.create_connection((server.address, server.port)).close()
        server.start(server.stopping.wait, 0.2)
        server._threads[-1].join()

    assert "Traceback (most recent call last)" in capsys.readouterr().err
