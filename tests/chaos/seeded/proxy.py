"""A TCP proxy that stands for the network between two parts of the house, and can be made to fail as networks do."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from enum import StrEnum

from starter.dev_home import HOST

CHUNK = 64 * 1024
LOOK_SECONDS = 0.02
LAG_SECONDS = 0.4
LINGER_ZERO = struct.pack("ii", 1, 0)
"""With it, closing a socket sends RST instead of FIN."""

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Network(StrEnum):
    """DELAY: each piece comes late. CUT: connections close, and new ones at once. HOLE: nothing passes, and nobody is told.

    RESET: connections are reset, and new ones when the first answer comes: what was asked may have been done.
    """

    SOUND = "sound"
    DELAY = "delay"
    CUT = "cut"
    HOLE = "hole"
    RESET = "reset"


class Proxy:
    """Carries bytes between whoever connects to `address` and the server behind it."""

    def __init__(self, port: int, listener: socket.socket) -> None:
        self.network = Network.SOUND
        self.address = "{}:{}".format(*listener.getsockname())
        self._port = port
        self._open: set[asyncio.StreamWriter] = set()

    def turn(self, network: Network) -> None:
        """From now on the network is like this. What a hole has swallowed passes when it is over, unless its sender has gone."""
        self.network = network
        if network in {Network.CUT, Network.RESET}:
            for writer in list(self._open):
                _end(writer, reset=network is Network.RESET)

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, to its end."""
        near = (reader, writer)
        self._open.add(writer)
        try:
            if self.network is Network.CUT or not await self._passable(reader):
                return
            far = await asyncio.open_connection(HOST, self._port)
            self._open.add(far[1])
            try:
                await self._both_ways(near, far)
            finally:
                self._open.discard(far[1])
                _end(far[1], reset=self.network is Network.RESET)
        except OSError:
            return
        finally:
            self._open.discard(writer)
            _end(writer, reset=self.network is Network.RESET)

    async def _both_ways(self, near: Stream, far: Stream) -> None:
        """Until one side has closed: neither HTTP nor gRPC goes on after that."""
        asking = asyncio.create_task(self._pump(near[0], far[1]))
        answering = asyncio.create_task(self._pump(far[0], near[1], answers=True))
        try:
            await asyncio.wait([asking, answering], return_when=asyncio.FIRST_COMPLETED)
        finally:
            asking.cancel()
            answering.cancel()
            await asyncio.wait([asking, answering])

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, answers: bool = False) -> None:
        with suppress(OSError):
            while data := await source.read(CHUNK):
                if self.network is Network.DELAY:
                    await asyncio.sleep(LAG_SECONDS)
                if not await self._passable(source) or (answers and self.network is Network.RESET):
                    return
                sink.write(data)
                await sink.drain()

    async def _passable(self, source: asyncio.StreamReader) -> bool:
        """Wait for the end of a hole: whether the sender is still there then."""
        while self.network is Network.HOLE:
            if source.at_eof():
                return False
            await asyncio.sleep(LOOK_SECONDS)
        return True


def _end(writer: asyncio.StreamWriter, *, reset: bool) -> None:
    if reset and (connection := writer.get_extra_info("socket")) is not None:
        with suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_ZERO)
        writer.transport.abort()
    else:
        writer.close()


@asynccontextmanager
async def running_proxy(port: int) -> AsyncIterator[Proxy]:
    """A proxy before that port of this host, for the length of the block."""
    listener = socket.create_server((HOST, 0))
    proxy = Proxy(port, listener)
    server = await asyncio.start_server(proxy.carry, sock=listener)
    try:
        yield proxy
    finally:
        server.close()
        proxy.turn(Network.CUT)
        await server.wait_closed()
