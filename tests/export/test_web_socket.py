"""The client against a server that speaks in frames written by hand."""

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator

import pytest

from tb_rnn_plugin.export.web_socket import WebSocket

ACCEPTED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"


def frame(payload: bytes, kind: int = 1, *, final: bool = True) -> bytes:
    first = bytes([(0x80 if final else 0) | kind])
    if len(payload) < 126:
        return first + bytes([len(payload)]) + payload
    if len(payload) < 1 << 16:
        return first + b"\x7e" + struct.pack("!H", len(payload)) + payload
    return first + b"\x7f" + struct.pack("!Q", len(payload)) + payload


def read_frame(file: "socket.SocketIO") -> tuple[int, bytes]:
    """What a client sent, without its mask."""
    first, second = file.read(2)
    assert second & 0x80
    length = second & 0x7F
    if length == 126:
        (length,) = struct.unpack("!H", file.read(2))
    elif length == 127:
        (length,) = struct.unpack("!Q", file.read(8))
    mask, masked = file.read(4), file.read(length)
    return first & 0x0F, bytes(byte ^ mask[i % 4] for i, byte in enumerate(masked))


@contextlib.contextmanager
def server(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                while b"\r\n\r\n" not in connection.recv(4096):
                    pass
                answer(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"ws://127.0.0.1:{listening.getsockname()[1]}/page"
        thread.join(10)
        assert not thread.is_alive()


@pytest.mark.parametrize("length", [0, 125, 126, 65_535, 65_536, 200_000])
def test_texts_of_any_length_go_both_ways(length: int) -> None:
    text = "ü" * (length // 2) + "x" * (length % 2)
    heard: list[tuple[int, bytes]] = []

    def answer(connection: socket.socket) -> None:
        connection.sendall(ACCEPTED)
        with connection.makefile("rb") as file:
            heard.append(read_frame(file))  # type: ignore[arg-type]
        connection.sendall(frame(text.encode()))

    with server(answer) as address, contextlib.closing(WebSocket(address, 10)) as client:
        client.send(text)
        assert client.receive() == text
    assert heard == [(1, text.encode())]


def test_pieces_are_put_together_and_a_ping_is_answered() -> None:
    heard: list[tuple[int, bytes]] = []

    def answer(connection: socket.socket) -> None:
        connection.sendall(ACCEPTED)
        connection.sendall(frame("Grü".encode(), final=False) + frame(b"hello?", 9) + frame("ße".encode(), 0))
        with connection.makefile("rb") as file:
            heard.append(read_frame(file))  # type: ignore[arg-type]

    with server(answer) as address, contextlib.closing(WebSocket(address, 10)) as client:
        assert client.receive() == "Grüße"
    assert heard == [(10, b"hello?")]


@pytest.mark.parametrize("last", [frame(b"", 8), b"", frame(b"cut short")[:-3]])
def test_connection_that_ends_is_an_error(last: bytes) -> None:
    with (
        server(lambda connection: connection.sendall(ACCEPTED + last)) as address,
        contextlib.closing(WebSocket(address, 10)) as client,
        pytest.raises(ConnectionError, match="closed the connection"),
    ):
        client.receive()


def test_what_is_no_web_socket_is_an_error() -> None:
    with (
        server(lambda connection: connection.sendall(b"HTTP/1.1 404 Not Found\r\n\r\n")) as address,
        pytest.raises(OSError, match="404 Not Found"),
    ):
        WebSocket(address, 10)
