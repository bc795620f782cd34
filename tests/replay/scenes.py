"""Every scene whose histories are kept, by name. One plays a run on a real server and names the workflows to record."""

from tests.replay import scenes_asking, scenes_ending, scenes_holding, scenes_keeping, scenes_outside
from tests.replay.scenes_holding import WITH_A_SMALL_BOUND
from tests.replay.stage import Scene, stopped_in
from tests.workflows.phases import PHASES

TOLD: tuple[Scene, ...] = (
    *scenes_asking.SCENES,
    *scenes_holding.SCENES,
    *scenes_keeping.SCENES,
    *scenes_ending.SCENES,
    *scenes_outside.SCENES,
    *WITH_A_SMALL_BOUND,
)

SCENES: dict[str, Scene] = {
    **{f"in_{phase.__name__}": stopped_in(phase) for phase in PHASES},
    **{scene.__name__: scene for scene in TOLD},
}
