"""Python's garbage collector in a worker: a full collection stops every workflow of the process while it lasts."""

import gc

THRESHOLDS = (10_000, 5, 4)
"""So many new objects before the young are looked through, so many of those before the middle-aged are, and so on. With Python's
own (700, 10, 10) what lives for one step of a workflow grows old, and all is looked through every few seconds under load."""


def collect_seldom() -> int:
    """To be called when everything is loaded: what is there by now is looked through never again, and is never garbage either.
    Returns how many objects that is.

    That goes for the few workflows which a worker has at hand by then, too: their memory stays with the process.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
    return gc.get_freeze_count()
