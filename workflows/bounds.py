"""How much one workflow may receive before it ends by itself, while it still can."""

from temporalio import workflow

MAX_HISTORY_EVENTS = 5_000
MAX_HISTORY_BYTES = 5_000_000
"""A tenth of what the server allows: at its limit it terminates a workflow, and a terminated one revokes nothing."""


def history_is_full() -> bool:
    """Whether this run has grown past the bound, or is told to continue as new, which neither kind of workflow ever does."""
    info = workflow.info()
    return (
        info.get_current_history_length() > MAX_HISTORY_EVENTS
        or info.get_current_history_size() > MAX_HISTORY_BYTES
        or info.is_continue_as_new_suggested()
    )
