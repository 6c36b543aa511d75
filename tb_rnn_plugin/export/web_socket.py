"""The client's side of a WebSocket (RFC 6455), as far as it takes to talk to a browser on this machine."""

import base64
import os
import socket
import struct
from urllib.parse import urlsplit

_FINAL = 0x80
_MASKED = 0x80
_CONTINUATION, _TEXT, _CLOSE, _PING, _PONG = 0x0, 0x1, 0x8, 0x9, 0xA


class WebSocket:
    """Whole texts, sent and received."""

    def __init__(self, address: str, seconds: float) -> None:
        """Connects.

        Args:
            address: As in ws://127.0.0.1:9222/devtools/page/1.
            seconds: How long connecting, and each wait for a text, may take.

        Raises:
            OSError: If nobody answers there, or not as a WebSocket.
        """
        parts = urlsplit(address)
        self._socket = socket.create_connection((parts.hostname, parts.port), timeout=seconds)
        self._file = self._socket.makefile("rb")
        try:
            self._shake_hands(parts.netloc, parts.path)
        except OSError:
            self.close()
            raise

    def _shake_hands(self, host: str, path: str) -> None:
        key = base64.b64encode(os.urandom(16)).decode()
        self._socket.sendall(
            f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        status = self._file.readline()
        if b" 101 " not in status:
            raise OSError(f"{host} does not answer as a WebSocket: {status.decode(errors='replace').strip()!r}.")
        while self._file.readline() not in {b"\r\n", b""}:
            pass

    def close(self) -> None:
        """Ends the connection."""
        self._file.close()
        self._socket.close()

    def send(self, text: str) -> None:
        """Sends a text in one frame."""
        self._send_frame(_TEXT, text.encode())

    def _send_frame(self, kind: int, payload: bytes) -> None:
        if len(payload) < 126:
            length = struct.pack("!B", _MASKED | len(payload))
        elif len(payload) < 1 << 16:
            length = struct.pack("!BH", _MASKED | 126, len(payload))
        else:
            length = struct.pack("!BQ", _MASKED | 127, len(payload))
        # What a client sends has to be masked; a mask of zeros leaves it as it is.
        self._socket.sendall(bytes([_FINAL | kind]) + length + bytes(4) + payload)

    def receive(self) -> str:
        """The next text.

        Raises:
            OSError: If the other side closed the connection, or sends nothing in time.
        """
        pieces: list[bytes] = []
        while True:
            first, second = self._read(2)
            length = second & 0x7F
            if length == 126:
                (length,) = struct.unpack("!H", self._read(2))
            elif length == 127:
                (length,) = struct.unpack("!Q", self._read(8))
            payload = self._read(length)
            kind = first & 0x0F
            if kind == _CLOSE:
                raise ConnectionError("the browser closed the connection.")
            if kind == _PING:
                self._send_frame(_PONG, payload)
            elif kind in {_TEXT, _CONTINUATION}:
                pieces.append(payload)
                if first & _FINAL:
                    return b"".join(pieces).decode()

    def _read(self, count: int) -> bytes:
        data = self._file.read(count)
        if len(data) < count:
            raise ConnectionError("the browser closed the connection.")
        return data
