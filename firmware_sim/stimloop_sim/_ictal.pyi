from collections.abc import Callable
from typing import final

from stimloop_sim.seizures import Plan, Seizure
from stimloop_sim.vns import Nerve

@final
class Ictal:
    def __init__(self, plans: Callable[[], Plan], nerve: Nerve) -> None: ...
    @property
    def seizing(self) -> bool: ...
    @property
    def risen_bpm(self) -> float: ...
    @property
    def past(self) -> list[Seizure]: ...
