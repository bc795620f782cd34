"""A porter before a house's activities: holds a call by its name, so that a test can act while it stands. It invents nothing."""

from typing import Any

from temporalio import activity
from temporalio.client import Client
from temporalio.client import Interceptor as ClientInterceptor
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput
from temporalio.worker import Interceptor as WorkerInterceptor

from activities.heartbeats import beating
from tests.fakes.script import Gate, When
from tests.house import House


class Porter(ClientInterceptor, WorkerInterceptor):
    """Stands before our activities and holds those it is told to hold, as a busy worker would."""

    def __init__(self) -> None:
        self.gates: dict[str, Gate] = {}

    def hold(self, name: str, when: When = "before") -> Gate:
        self.gates[name] = Gate(when)
        return self.gates[name]

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002 - the SDK's name
        return _Held(next, self.gates)


class _Held(ActivityInboundInterceptor):
    def __init__(self, following: ActivityInboundInterceptor, gates: dict[str, Gate]) -> None:
        super().__init__(following)
        self._gates = gates

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002 - the SDK's name
        gate = self._gates.get(activity.info().activity_type)
        if gate is None:
            return await self.next.execute_activity(input)
        async with beating():
            if gate.when == "before":
                await gate.pass_through()
                return await self.next.execute_activity(input)
            result = await self.next.execute_activity(input)
            await gate.pass_through()
            return result


def employ(house: House) -> Porter:
    """Put a porter before the activities of a house."""
    porter = Porter()
    chosen = house.client.config()
    chosen["interceptors"] = [porter]
    house.client = Client(**chosen)
    return porter
