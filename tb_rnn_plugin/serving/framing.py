"""Binary answers, as http_api.md has them: a length, JSON of that length, and the bytes that it speaks of."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

_ALIGNMENT = 8


def padded(payload: bytes) -> bytes:
    """With zeros up to a multiple of 8, so that what comes next begins at one."""
    return payload + bytes(-len(payload) % _ALIGNMENT)


def framed(head: Mapping[str, Any], payloads: Sequence[bytes]) -> bytes:
    """The length of the JSON, the JSON padded with spaces, and the bytes, each padded already."""
    text = json.dumps(head).encode()
    text += b" " * (-(4 + len(text)) % _ALIGNMENT)
    return b"".join([len(text).to_bytes(4, "little"), text, *payloads])
