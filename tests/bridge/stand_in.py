"""A request that only remembers what it was told, under the real one's name: for tests of what tells it."""

from datetime import timedelta

from temporalio import workflow

from domain.extension import ExtensionVerdict
from domain.messages import ExtendInput, Hint, RequestInput


@workflow.defn(name="AccessRequestWorkflow")
class RememberingRequest:
    """`heard` is every signal in order, as `(name, by)`. A revoke closes it."""

    @workflow.init
    def __init__(self, order: RequestInput) -> None:
        self._ticket = order.ticket
        self._heard: list[tuple[str, str]] = []

    @workflow.run
    async def run(self, order: RequestInput) -> str:
        await workflow.wait_condition(lambda: any(name == "revoke" for name, _ in self._heard))
        return order.ticket.key

    @workflow.signal
    def approve(self, hint: Hint) -> None:
        self._heard.append(("approve", hint.by))

    @workflow.signal
    def deny(self, hint: Hint) -> None:
        self._heard.append(("deny", hint.by))

    @workflow.signal
    def extend(self, hint: Hint) -> None:
        self._heard.append(("extend", hint.by))

    @workflow.signal
    def revoke(self, hint: Hint) -> None:
        self._heard.append(("revoke", hint.by))

    @workflow.update
    async def request_extension(self, wish: ExtendInput) -> ExtensionVerdict:
        if wish.wish_id == "13":
            return ExtensionVerdict(wish_id=wish.wish_id, granted=False, reason="not by you")
        return ExtensionVerdict(
            wish_id=wish.wish_id, granted=True, new_end=workflow.now().replace(microsecond=0) + timedelta(hours=1)
        )

    @workflow.query
    def heard(self) -> list[tuple[str, str]]:
        return self._heard
