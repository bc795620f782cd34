"""Calls between the processes of one bench over a local socket: whoever serves holds the objects, others call their methods.

Pickled, so only for processes that one driver has started itself.
"""

import asyncio
import pickle
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

_LENGTH_BYTES = 4


class Call(NamedTuple):
    number: int
    port: str
    name: str
    arguments: tuple[Any, ...]
    named: dict[str, Any]


class Answer(NamedTuple):
    """`error` is class, arguments and attributes: an exception is not rebuilt by its own constructor."""

    number: int
    result: Any = None
    error: tuple[type[Exception], tuple[Any, ...], dict[str, Any]] | None = None


Hear = Callable[[Call], Awaitable[None]]
"""Told of every call before it takes effect, and may keep it waiting."""


class Line:
    """The caller's end. Many calls may be under way at once."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._calls = 0
        self._reading = asyncio.create_task(self._read_on(reader))

    @classmethod
    async def open(cls, socket: str) -> "Line":
        return cls(*await asyncio.open_unix_connection(socket))

    async def ask(self, port: str, name: str, *arguments: Any, **named: Any) -> Any:
        """What the method `name` of `port` returns there; raises what it raises."""
        self._calls += 1
        number = self._calls
        future = self._waiting[number] = asyncio.get_running_loop().create_future()
        await _send(self._writer, Call(number, port, name, arguments, named))
        return await future

    def close(self) -> None:
        self._reading.cancel()
        self._writer.close()

    async def _read_on(self, reader: asyncio.StreamReader) -> None:
        while True:
            answer: Answer = await _receive(reader)
            future = self._waiting.pop(answer.number)
            if future.cancelled():
                continue
            if answer.error is None:
                future.set_result(answer.result)
            else:
                kind, arguments, attributes = answer.error
                error = kind.__new__(kind, *arguments)
                error.args = arguments
                error.__dict__.update(attributes)
                future.set_exception(error)


class Exchange:
    """The serving end: `ports` by name. A method may be synchronous, a coroutine or an async generator (returned whole)."""

    def __init__(self, ports: Mapping[str, object], hear: Hear) -> None:
        self._ports = ports
        self._hear = hear
        self._at_work: set[asyncio.Task[None]] = set()

    async def serve(self, socket: Path) -> asyncio.Server:
        return await asyncio.start_unix_server(self._attend, socket)

    async def _attend(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one caller until it is gone, as a killed worker is."""
        try:
            while True:
                task = asyncio.create_task(self._answer(await _receive(reader), writer))
                self._at_work.add(task)
                task.add_done_callback(self._at_work.discard)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def _answer(self, call: Call, writer: asyncio.StreamWriter) -> None:
        try:
            await self._hear(call)
            result = getattr(self._ports[call.port], call.name)(*call.arguments, **call.named)
            if hasattr(result, "__aiter__"):
                result = [each async for each in result]
            elif asyncio.iscoroutine(result):
                result = await result
            answer = Answer(call.number, result)
        except Exception as error:  # noqa: BLE001 - it belongs to the caller
            answer = Answer(call.number, error=(type(error), error.args, error.__dict__))
        if not writer.is_closing():
            await _send(writer, answer)


async def _send(writer: asyncio.StreamWriter, what: Call | Answer) -> None:
    packed = pickle.dumps(what)
    writer.write(len(packed).to_bytes(_LENGTH_BYTES, "big") + packed)
    await writer.drain()


async def _receive(reader: asyncio.StreamReader) -> Any:
    length = int.from_bytes(await reader.readexactly(_LENGTH_BYTES), "big")
    return pickle.loads(await reader.readexactly(length))  # noqa: S301 - written by a process of this bench
