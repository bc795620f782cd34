"""The network between two parts of the house, as a proxy plays it: what passes, what breaks, and what is told to whom."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

import pytest

from starter.dev_home import HOST
from tests.chaos.seeded.proxy import LAG_SECONDS, Network, Proxy, running_proxy

WAIT_SECONDS = 10.0

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Echo:
    """A server that says back what it hears, and remembers it."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(1024):
                self.heard.append(data)
                writer.write(data)
                await writer.drain()
        writer.close()


@pytest.fixture
def echo() -> Echo:
    return Echo()


@pytest.fixture
async def proxy(echo: Echo) -> AsyncIterator[Proxy]:
    server = await asyncio.start_server(echo.serve, HOST, 0)
    async with running_proxy(server.sockets[0].getsockname()[1]) as proxy:
        yield proxy
    server.close()


@pytest.fixture
async def connection(proxy: Proxy) -> AsyncIterator[Stream]:
    reader, writer = await _connect(proxy)
    yield reader, writer
    writer.close()


async def _connect(proxy: Proxy) -> Stream:
    host, _, port = proxy.address.rpartition(":")
    return await asyncio.open_connection(host, int(port))


async def _say(connection: Stream, words: bytes) -> bytes:
    reader, writer = connection
    writer.write(words)
    return await asyncio.wait_for(reader.read(1024), WAIT_SECONDS)


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_SECONDS):
        while not holds():
            await asyncio.sleep(0.01)


async def test_sound_network_carries_both_ways(connection: Stream) -> None:
    assert await _say(connection, b"one") == b"one"
    assert await _say(connection, b"two") == b"two"


async def test_delayed_network_is_late_each_way(proxy: Proxy, connection: Stream) -> None:
    proxy.turn(Network.DELAY)
    began = asyncio.get_running_loop().time()
    assert await _say(connection, b"late") == b"late"
    assert asyncio.get_running_loop().time() - began >= 2 * LAG_SECONDS


async def test_cut_closes_what_is_open_and_every_new_connection(proxy: Proxy, connection: Stream) -> None:
    assert await _say(connection, b"one") == b"one"
    proxy.turn(Network.CUT)
    assert await asyncio.wait_for(connection[0].read(), WAIT_SECONDS) == b""
    reader, writer = await _connect(proxy)
    assert await asyncio.wait_for(reader.read(), WAIT_SECONDS) == b""
    writer.close()
    proxy.turn(Network.SOUND)
    again = await _connect(proxy)
    assert await _say(again, b"back") == b"back"
    again[1].close()


async def test_hole_swallows_without_a_word_and_gives_back_when_it_is_over(
    proxy: Proxy, connection: Stream, echo: Echo
) -> None:
    proxy.turn(Network.HOLE)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(_say(connection, b"held"), 0.3)
    assert echo.heard == []
    proxy.turn(Network.SOUND)
    assert await asyncio.wait_for(connection[0].read(1024), WAIT_SECONDS) == b"held"


async def test_hole_drops_what_its_sender_has_given_up(proxy: Proxy, connection: Stream, echo: Echo) -> None:
    """Nothing lands minutes after a client has gone: that would be no network but a fault of the vendor's."""
    assert await _say(connection, b"one") == b"one"
    proxy.turn(Network.HOLE)
    connection[1].write(b"never")
    await connection[1].drain()
    await asyncio.sleep(0.1)
    connection[1].close()
    await asyncio.sleep(0.1)
    proxy.turn(Network.SOUND)
    other = await _connect(proxy)
    assert await _say(other, b"two") == b"two"
    assert echo.heard == [b"one", b"two"]
    other[1].close()


async def test_reset_breaks_what_is_open(proxy: Proxy, connection: Stream) -> None:
    assert await _say(connection, b"one") == b"one"
    proxy.turn(Network.RESET)
    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(connection[0].read(), WAIT_SECONDS)


async def test_reset_loses_the_answer_to_what_was_done(proxy: Proxy, echo: Echo) -> None:
    """The worst of networks: the write has landed, and its caller does not know."""
    proxy.turn(Network.RESET)
    lost = await _connect(proxy)
    with pytest.raises(ConnectionResetError):
        await _say(lost, b"done")
    await _until(lambda: echo.heard == [b"done"])
    lost[1].close()
