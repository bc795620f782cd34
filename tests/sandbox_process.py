"""The sandbox as tests use it: a real process on a loopback port of its own, to stop, kill and start again."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Self

REPOSITORY = Path(__file__).parent.parent
START_SECONDS = 30


class SandboxProcess:
    """`base_url` and `port` stay the same over restarts; the state is in `data`."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._process: asyncio.subprocess.Process | None = None
        self.port = 0

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> Self:
        """Return once it serves; raises `RuntimeError` when it ends instead."""
        port_file = self._data / "ports.json"
        port_file.unlink(missing_ok=True)
        arguments = ["--port", str(self.port), "--data", str(self._data), "--port-file", str(port_file)]
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "sandbox", *arguments, cwd=REPOSITORY, stdout=asyncio.subprocess.DEVNULL
        )
        async with asyncio.timeout(START_SECONDS):
            while not port_file.exists():
                if self._process.returncode is not None:
                    msg = f"the sandbox ended with {self._process.returncode} before it served; its error is above"
                    raise RuntimeError(msg)
                await asyncio.sleep(0.02)
        self.port = int(json.loads(port_file.read_text())["sandbox"].rpartition(":")[2])
        return self

    async def stop(self) -> int:
        """End it as a supervisor would (SIGTERM) and return its exit status."""
        assert self._process
        if self._process.returncode is None:
            self._process.terminate()
        return await self._process.wait()

    async def kill(self) -> None:
        """End it at once (SIGKILL)."""
        assert self._process
        self._process.kill()
        await self._process.wait()


@asynccontextmanager
async def running_sandbox(data: Path) -> AsyncIterator[SandboxProcess]:
    """A sandbox with its state in `data`, ended with the block."""
    process = await SandboxProcess(data).start()
    try:
        yield process
    finally:
        await process.stop()
