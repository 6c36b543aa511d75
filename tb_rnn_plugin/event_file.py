"""TensorBoard's event file format: length-prefixed records with CRC32C, written and read with a native CRC.

TensorBoard's own writer computes the CRC in pure Python, 3-8 MB/s while holding the GIL: it slows a training loop 18
times.
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

import google_crc32c
from google.protobuf.message import DecodeError
from tensorboard.compat.proto import event_pb2

FILE_VERSION = "brain.Event:2"

_LENGTH = struct.Struct("<Q")
_CRC = struct.Struct("<I")
_MASK_DELTA = 0xA282EAD8

# Pieces of fewer bytes are put together before they are written.
_SMALL = 32 * 1024


class BinaryWriter(Protocol):
    """What a record is written to: a file, or TensorBoard's GFile."""

    def write(self, data: bytes, /) -> object:
        """Writes all of `data`."""


def masked_crc32c(*data: bytes) -> int:
    """CRC32C of pieces one after the other, rotated and offset as TFRecord files have it."""
    crc = 0
    for piece in data:
        crc = int(google_crc32c.extend(crc, piece))
    return (((crc >> 15) | (crc << 17)) + _MASK_DELTA) & 0xFFFFFFFF


def write_record(file: BinaryWriter, *data: bytes) -> None:
    """Appends one record, given in pieces: a crash leaves it whole, or torn at the end of the file."""
    length = _LENGTH.pack(sum(map(len, data)))
    together = [length, _CRC.pack(masked_crc32c(length))]
    for piece in data:
        if len(piece) < _SMALL:  # a call for each would hand over the GIL, and wait for it, dozens of times
            together.append(piece)
        else:  # putting megabytes together would copy them
            file.write(b"".join(together))
            file.write(piece)
            together = []
    file.write(b"".join([*together, _CRC.pack(masked_crc32c(*data))]))


def event_files(directory: Path) -> list[Path]:
    """The event files in a directory, whoever wrote them, in the order in which TensorBoard reads them.

    Raises:
        OSError: If there is no such directory.
    """
    return sorted(path for path in directory.iterdir() if "tfevents" in path.name and path.is_file())


def read_events(path: Path) -> Iterator[event_pb2.Event]:
    """The events of a file, as far as they are whole.

    What a crash, or a writer that is still at it, left torn at the end is passed over without a word.

    Raises:
        OSError: If the file can't be read.
        ValueError: If the file is damaged before its end.
    """
    with path.open("rb") as file:
        while True:
            start = file.tell()
            data = _read_record(file)
            if data is None:
                return
            event = event_pb2.Event()
            try:
                event.ParseFromString(data)
            except DecodeError as error:
                raise ValueError(f"{path}: the record at byte {start} is not an event: {error}.") from None
            yield event


def _read_record(file: BinaryIO) -> bytes | None:
    start = file.tell()
    head = file.read(_LENGTH.size + _CRC.size)
    if len(head) < _LENGTH.size + _CRC.size:
        return None
    length_bytes = head[: _LENGTH.size]
    if _CRC.unpack_from(head, _LENGTH.size)[0] != masked_crc32c(length_bytes):
        raise ValueError(f"{file.name}: the record at byte {start} is damaged (its length's checksum does not match).")
    (length,) = _LENGTH.unpack(length_bytes)
    data = file.read(length)
    crc = file.read(_CRC.size)
    if len(crc) < _CRC.size:
        return None
    if _CRC.unpack(crc)[0] != masked_crc32c(data):
        raise ValueError(f"{file.name}: the record at byte {start} is damaged (its checksum does not match).")
    return data
