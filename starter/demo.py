"""`make demo`: starts the embedded stack, plays one request through to proven revocation, and says whether the guarantees held.

Exit codes: 0 every guarantee held; 1 one did not, or the play stopped short; 2 the stack did not come up; 130 interrupted.
Nothing is left running, however this ends, unless `--keep` was given or the stack had been running before.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from datetime import timedelta

from rich.console import Console

from domain.errors import InvalidInputError, NightlatchError
from starter.demo_oracle import Verdict
from starter.demo_screen import Screen
from starter.dev import addresses, interruptible, is_whole, tenure
from starter.dev_home import Home, Stack
from starter.dev_stack import start_stack

DEFAULT_SECONDS = 12
FEWEST_SECONDS, MOST_SECONDS = 5, 3600
NOT_HELD, NOT_STARTED, INTERRUPTED = 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    screen = Screen(Console(highlight=False))
    try:
        return _run(options, screen)
    except (asyncio.CancelledError, KeyboardInterrupt):
        screen.say("interrupted; nothing is left running. Access that was held is taken back at the next start.")
        return INTERRUPTED
    except InvalidInputError as error:
        screen.say(f"The stack did not come up: {error}", "red")
        return NOT_STARTED
    except NightlatchError as error:
        screen.say(f"The play stopped short: {error}", "red")
        return NOT_HELD


def _run(options: argparse.Namespace, screen: Screen) -> int:
    home = Home.from_environment()
    if is_whole(home.load()):
        home.adopt()
        screen.say("The stack is running already: this request is played on it, and it stays up.", "dim")
        code = interruptible(_perform(home, options.seconds, screen))
        _show_addresses(home, screen)
        return code
    with tenure(home) as held:
        code = interruptible(_perform(home, options.seconds, screen))
        held.keep = options.keep
    if options.keep:
        _show_addresses(home, screen)
    else:
        screen.say("Everything was stopped again. `make up` leaves the stack running, to click through.", "dim")
    return code


async def _perform(home: Home, seconds: int, screen: Screen) -> int:
    with screen.live():
        if not is_whole(home.load()):
            screen.say("Starting Temporal, the sandbox vendors, the worker and the bridge, all on loopback.", "dim")
            screen.wait_for("starting")
            await start_stack(home, lambda name: screen.say(f"{name} serves", "dim"))
        screen.say("")
        verdict = await _play(home, home.load(), seconds, screen)
    screen.conclude(verdict)
    if not verdict.held:
        screen.say(f"A guarantee did not hold. The logs of every process are in {home.logs}.", "bold red")
    return 0 if verdict.held else NOT_HELD


async def _play(home: Home, stack: Stack, seconds: int, screen: Screen) -> Verdict:
    # Imported only now: the vendors' SDKs take a second that the stack can use to start.
    from activities.settings import load_settings  # noqa: PLC0415
    from starter.connection import connect  # noqa: PLC0415
    from starter.demo_play import Play, Stage  # noqa: PLC0415
    from starter.dev_vendors import VendorsHand  # noqa: PLC0415

    async with VendorsHand(stack.sandbox) as hand:
        stage = Stage(home=home, settings=load_settings(), hand=hand, client=await connect(), screen=screen)
        hold = timedelta(seconds=seconds)
        return await Play(stage, hold=hold, extension=timedelta(seconds=seconds * 2 // 3)).perform()


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m starter.demo", description="Plays one access request, live.")
    parser.add_argument(
        "--seconds",
        type=int,
        default=DEFAULT_SECONDS,
        help=f"for how long Alice asks at first, {FEWEST_SECONDS} to {MOST_SECONDS} (default {DEFAULT_SECONDS})",
    )
    parser.add_argument("--keep", action="store_true", help="leave the stack running afterwards")
    options = parser.parse_args(arguments)
    if not FEWEST_SECONDS <= options.seconds <= MOST_SECONDS:
        parser.error(f"--seconds must lie between {FEWEST_SECONDS} and {MOST_SECONDS}")
    return options


def _show_addresses(home: Home, screen: Screen) -> None:
    screen.say("The stack stays up; `make down` stops it.", "bold")
    for what, where in addresses(home, home.load()).items():
        screen.say(f"  {what:<14}{where}")


if __name__ == "__main__":
    sys.exit(main())
