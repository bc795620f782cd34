"""What is taken in over HTTP: bodies bounded in size and time, and the memory of deliveries that were already taken."""

import asyncio
import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from datetime import timedelta

from starlette.requests import ClientDisconnect, Request


@dataclass(frozen=True)
class Limits:
    """`answer` bounds the whole answer, so that Jira (it waits about 30 s) hears a 503 from us instead of nothing."""

    body_bytes: int = 256 * 1024
    body_within: timedelta = timedelta(seconds=10)
    answer_within: timedelta = timedelta(seconds=20)
    deliveries: int = 10_000
    delivery_memory: timedelta = timedelta(hours=1)


class BodyRefusedError(Exception):
    """The body did not come as it should; `status` is the HTTP status that says how."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


async def read_body(request: Request, limits: Limits) -> bytes:
    """The raw body.

    Raises:
        BodyRefusedError: it is too long (413), comes too slowly (408), or breaks off (400).
    """
    too_long = BodyRefusedError(413, f"a body has at most {limits.body_bytes} bytes")
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared[:19]) > limits.body_bytes:
        raise too_long
    body = bytearray()
    try:
        async with asyncio.timeout(limits.body_within.total_seconds()):
            async for chunk in request.stream():
                body += chunk
                if len(body) > limits.body_bytes:
                    raise too_long
    except TimeoutError as error:
        seconds = f"{limits.body_within.total_seconds():g} s"
        raise BodyRefusedError(408, f"the body did not arrive within {seconds}") from error
    except ClientDisconnect as error:
        raise BodyRefusedError(400, "the body broke off") from error
    return bytes(body)


class Deliveries:
    """Deliveries that were taken, for a while: by Jira's identifier *and* content, because the identifier is not signed."""

    def __init__(self, limits: Limits) -> None:
        self._most = limits.deliveries
        self._memory_seconds = limits.delivery_memory.total_seconds()
        self._taken: OrderedDict[tuple[str, bytes], float] = OrderedDict()

    def was_taken(self, identifier: str, body: bytes) -> bool:
        oldest_kept_at = _now() - self._memory_seconds
        while self._taken and next(iter(self._taken.values())) < oldest_kept_at:
            self._taken.popitem(last=False)
        return _key(identifier, body) in self._taken

    def take(self, identifier: str, body: bytes) -> None:
        """Remember it; without an identifier nothing tells a repetition from a second event, and nothing is remembered."""
        if not identifier:
            return
        key = _key(identifier, body)
        self._taken[key] = _now()
        self._taken.move_to_end(key)
        while len(self._taken) > self._most:
            self._taken.popitem(last=False)


def _key(identifier: str, body: bytes) -> tuple[str, bytes]:
    return identifier[:128], hashlib.sha256(body).digest()


def _now() -> float:
    """Monotonic seconds."""
    return asyncio.get_running_loop().time()
