"""HTTP with what runs on this machine: by no proxy, whatever the environment names for the world outside."""

import urllib.request

_DIRECTLY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def read(address: str, seconds: float) -> bytes:
    """What is answered.

    Raises:
        urllib.error.HTTPError: If it is an error.
        OSError: If nobody answers in time.
    """
    with _DIRECTLY.open(address, timeout=seconds) as answer:
        content: bytes = answer.read()
    return content
