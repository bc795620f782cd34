"""A process that has imported worker and bridge and forks one whenever it is told to, so that no import is paid for twice.

It starts no thread and no Temporal client itself: a fork begins where `python worker.py` stands after its imports.
Each line on standard input is an `Order`; on standard output it tells of births and deaths. At the end of its input it
takes its children with it.
"""

import gc
import importlib
import json
import os
import signal
import sys
import threading
import traceback
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import NoReturn

from temporalio.worker._worker import load_default_build_id

import worker
from domain.queues import Queue
from starter import bridge
from starter.leaving import leave
from tests.chaos.bridge_steps import watch
from tests.chaos.self_kill import Order, die_at, narrate, stand_at
from tests.queues import all_but

QUEUES = ",".join(all_but(Queue.RECONCILE))
"""A case is one request; what looks from outside is tried elsewhere, and dozens of its polls would only be load."""

SDKS = ("okta.client", "activities.integrations.jira_client")
"""What a worker would import when it first calls a vendor."""


def main() -> None:
    for sdk in SDKS:
        importlib.import_module(sdk)
    load_default_build_id()  # reads the code of every module, once for all
    if threading.active_count() != 1:
        names = ", ".join(thread.name for thread in threading.enumerate())
        raise RuntimeError(f"an import has started a thread ({names}), and a fork would lose it: start workers plainly")
    gc.freeze()
    children: set[int] = set()

    def reap(_number: int, _frame: FrameType | None) -> None:
        with suppress(ChildProcessError):
            while (pid := os.waitpid(-1, os.WNOHANG)[0]) != 0:
                children.discard(pid)
                _tell(ended=pid)

    signal.signal(signal.SIGCHLD, reap)
    _tell(ready=os.getpid())
    for line in sys.stdin:
        order = Order.model_validate_json(line)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
        pid = os.fork()
        if pid == 0:
            _live(order)
        children.add(pid)
        _tell(born=pid, name=order.name)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for pid in children:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _live(order: Order) -> NoReturn:
    """The whole life of a worker process, or of a bridge."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
    log = os.open(order.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, descriptor in enumerate((nothing, log, log)):
        os.dup2(descriptor, number)
    os.environ.update(order.environment)
    if order.narration:
        narrate(order.narration)
    if order.death is not None:
        die_at(order.death)
    if order.stop is not None:
        stand_at(order.stop, Path(order.gate))
    try:
        if order.bridge is not None:
            watch(order.bridge)
            bridge.main()
        leave(worker.main(["--queues", QUEUES]))
    except BaseException:
        traceback.print_exc()
        raise
    finally:
        os._exit(1)


def _tell(**facts: object) -> None:
    # One small write is whole, even when the handler of a signal comes between two of them.
    os.write(1, (json.dumps(facts) + "\n").encode())


if __name__ == "__main__":
    main()
