"""`nightlatch dev`: up, status, down, and what happens when the starting goes wrong."""

import os
import signal
import socket
import stat
from pathlib import Path

import pytest

from domain.errors import InvalidInputError
from starter.dev_home import Home, Part, Ports, Stack, choose_ports
from starter.dev_process import is_alive, stop
from starter.dev_stack import stop_stack
from tests.e2e.stack import alive, command, dev, document_of, nothing_is_left, remembered


async def test_up_starts_once_and_down_ends_all(tmp_path: Path) -> None:
    """Four processes serve, whatever else is configured around them; a second `up` changes nothing; `down` leaves none.

    Nobody else can read a secret.
    """
    code, said = await dev(tmp_path, "up", TEMPORAL_ADDRESS="127.0.0.1:1", NIGHTLATCH_SITE="another")
    assert (code, document_of(said)["stack"]) == (0, "is running"), said
    stack = remembered(tmp_path)
    try:
        assert sorted(alive(stack.parts)) == ["bridge", "sandbox", "temporal", "worker"]
        assert document_of(said)["tickets"].startswith(stack.sandbox)
        code, said = await dev(tmp_path, "up")
        assert (code, document_of(said)["stack"]) == (0, "was running already")
        assert remembered(tmp_path) == stack
        _, said = await dev(tmp_path, "status")
        assert document_of(said)["worker"] == "running"
        for secret in (tmp_path / "nightlatch.toml", tmp_path / "people.toml", *(tmp_path / "keys").glob("*.seed")):
            assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    finally:
        code, said = await dev(tmp_path, "down")
    assert (code, document_of(said)["stopped"]) == (0, "temporal, sandbox, worker, bridge")
    assert await nothing_is_left(stack.parts, stack)
    assert document_of((await dev(tmp_path, "down"))[1])["stopped"] == "nothing was running"


async def test_failed_start_shows_the_end_of_the_log_and_leaves_nothing(tmp_path: Path) -> None:
    """A process that ends instead of serving is named, with the last lines that it wrote; the others are stopped."""
    (tmp_path / "sandbox").write_text("a file where a folder should be")
    running = await command(tmp_path, "starter.cli", "dev", "up")
    assert await running.ended() == 2
    assert "sandbox has ended. The end of" in running.said
    assert "Error" in running.said
    assert remembered(tmp_path).parts == ()


async def test_killed_starter_leaves_nothing(tmp_path: Path) -> None:
    """SIGKILL cannot be caught, and still nothing stays behind: the guard sees the starter's end."""
    running = await command(tmp_path, "starter.demo")
    await running.until_said("temporal serves")
    stack = running.stack()
    running.process.send_signal(signal.SIGKILL)
    await running.ended()
    assert await nothing_is_left(stack.parts, stack)


async def test_down_never_signals_a_stranger(tmp_path: Path) -> None:
    """A remembered pid that now belongs to another process is left alone: the start time does not match."""
    home = Home(tmp_path)
    home.logs.mkdir(parents=True)
    stranger = Part(name="worker", pid=os.getpid(), born="some other time")
    home.save(Stack(parts=(stranger,)))
    assert stop_stack(home) == ()
    stop([stranger], 0)
    assert not is_alive(stranger)
    assert home.load().parts == ()


def test_ports_stay_the_same_unless_taken() -> None:
    """The environment decides, then what was remembered; a taken port is refused by its name, or replaced."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        busy = taken.getsockname()[1]
        chosen = choose_ports(Ports(ui=busy), {})
        assert 0 not in dict(chosen).values()
        assert chosen.ui != busy
        assert choose_ports(chosen, {}) == chosen
        for value, words in (
            (str(busy), "is taken"),
            ("http", "write a port number"),
            ("70000", "write a port number"),
        ):
            with pytest.raises(InvalidInputError, match=rf"NIGHTLATCH_DEV_UI_PORT.*{words}"):
                choose_ports(Ports(), {"NIGHTLATCH_DEV_UI_PORT": value})
