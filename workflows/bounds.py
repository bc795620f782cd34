"""How much one workflow may receive before it ends by itself, while it still can."""

from temporalio import workflow

MAX_HISTORY_EVENTS = 5_000
MAX_HISTORY_BYTES = 5_000_000
"""A tenth of what the server allows: at its limit it terminates a workflow, and a terminated one revokes nothing."""

NEWS_IN_ONE_TASK = 50
"""News of leases that a request takes in at a time. Each costs a signature to check, and a task of a workflow that thinks for
two seconds is failed, again and again. Many leases tell less; of a flood, what is not heard shows nothing as granted."""


def history_is_full() -> bool:
    """Whether this run has grown past the bound, or is told to continue as new, which neither kind of workflow ever does."""
    info = workflow.info()
    return (
        info.get_current_history_length() > MAX_HISTORY_EVENTS
        or info.get_current_history_size() > MAX_HISTORY_BYTES
        or info.is_continue_as_new_suggested()
    )


class Ration:
    """So many in one workflow task, and as many again in the next."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._left = most
        self._task = 0

    def take(self) -> bool:
        """Whether there is one left. A task is known by the length of the history before it."""
        task = workflow.info().get_current_history_length()
        if task != self._task:
            self._task, self._left = task, self._most
        self._left -= 1
        return self._left >= 0
