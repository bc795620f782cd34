"""A worker's garbage collector, in a process of its own: these settings are for the whole interpreter."""

import json
import subprocess
import sys

CODE = """
import gc, json
from starter.garbage import collect_seldom
kept = [[] for _ in range(100_000)]
collect_seldom()
lost = []
lost.append(lost)
del lost
print(json.dumps([gc.get_threshold(), gc.get_freeze_count(), gc.collect()]))
"""


def test_what_is_loaded_is_looked_through_no_more_and_garbage_is_still_found() -> None:
    """What was there before is left out of every later collection, and what becomes garbage after it is collected."""
    done = subprocess.run([sys.executable, "-c", CODE], check=True, capture_output=True, text=True, timeout=60)
    thresholds, frozen, collected = json.loads(done.stdout)
    assert thresholds[0] > 700
    assert frozen > 100_000
    assert collected >= 1
