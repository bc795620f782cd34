"""Row 1: what one request with its lease costs in events, bytes and billable actions. Exact on any machine."""

from bench.report import Row
from bench.sides import Nightlatch
from bench.yard import open_yard, user_id
from domain.ids import LeaseId, SubjectRef
from tests.workflows.counting import Tally, tally

MUST = {"events": 110, "bytes": 40_000, "actions": 22}
AIM = {"events": 70, "bytes": 20_000, "actions": 14}


async def count_one(*, at_once: bool) -> Tally:
    """One request through real workers, ended by its time; approved at once, or when it has begun to wait, as people do."""
    async with open_yard(people=1) as yard:
        side = Nightlatch(yard)
        async with side.working():
            life, house = side.life(0, hold_seconds=2), yard.desk.house
            await life.ask()
            if not at_once:
                await house.settled(life.handle)
            await life.approve()
            await life.closed()
            subject = SubjectRef(instance=house.provider.instance, user_id=user_id(0))
            lease = yard.client.get_workflow_handle(str(LeaseId(target=house.target(), subject=subject)))
            return tally([await life.handle.fetch_history(), await lease.fetch_history()])


def rows(counted: Tally) -> list[Row]:
    dearest = ", ".join(f"{name} {size} B" for name, size in list(counted.by_activity.items())[:3])
    return [
        Row(
            f"{name} of request + lease",
            f"{getattr(counted, name):,}",
            f"<= {MUST[name]:,}",
            f"<= {AIM[name]:,}",
            getattr(counted, name) <= MUST[name],
            note=f"dearest: {dearest}" if name == "bytes" else "",
        )
        for name in MUST
    ]
