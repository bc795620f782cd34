"""A worker's garbage collector, in a process of its own: these settings are for the whole interpreter."""

import asyncio
import json
import re
import subprocess
import sys

from tests.real_stack import PATIENCE_SECONDS, RealStack

CODE = """
import gc, json, weakref
from starter.garbage import collect_seldom
class Kept: pass
loaded = [Kept() for _ in range(100_000)]
collect_seldom()
lost = Kept()
lost.itself = lost
gone = weakref.ref(lost)
del lost
made = 0
while gone() is not None and made < 10_000_000:
    new = Kept()
    new.itself = new
    made += 1
print(json.dumps([gc.get_freeze_count(), made]))
"""


def test_what_is_loaded_is_looked_through_no_more_and_garbage_is_still_found() -> None:
    """What was there before is left out of every collection; what becomes garbage after it is collected without being asked."""
    done = subprocess.run([sys.executable, "-c", CODE], check=True, capture_output=True, text=True, timeout=60)
    frozen, made = json.loads(done.stdout)
    assert frozen > 100_000
    assert made < 10_000_000


async def test_worker_collects_seldom_once_it_serves(stack: RealStack) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not (told := re.search(r"serving; (\d+) objects", stack.home.log("worker").read_text())):
            await asyncio.sleep(0.05)
    assert int(told[1]) > 100_000
