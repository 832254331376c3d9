"""Which of a job's processes this is, as the launcher says: torchrun, or SLURM's srun, by the environment."""

import re
from collections.abc import Mapping
from typing import NamedTuple

from translate.errors import UsageError


class Place(NamedTuple):
    """One of the processes that do a job together, on one machine (node) or several."""

    rank: int = 0  # among all
    size: int = 1  # how many there are
    local_rank: int = 0  # among those of this machine
    local_size: int = 1

    @property
    def nodes(self) -> int:
        """How many machines there are."""
        return self.size // self.local_size


def find_place(environment: Mapping[str, str]) -> Place:
    """Read what torchrun or srun says; a process that neither has started is the only one.

    A SLURM batch script is no step of srun's, so what it starts by itself is the only one too.

    Raises:
        UsageError: it makes no sense, or the machines have unequal numbers of processes.
    """
    if "RANK" in environment and "WORLD_SIZE" in environment:
        names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
    elif "SLURM_PROCID" in environment and "SLURM_STEP_NUM_TASKS" in environment:
        names = ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID", "SLURM_STEP_TASKS_PER_NODE")
    else:
        return Place()
    shown = ", ".join(f"{name}={environment.get(name, '')}" for name in names)
    # SLURM writes 4(x2) for four on each of two machines.
    found = [re.match(r"\d+", environment.get(name, "")) for name in names]
    numbers = [int(match.group()) for match in found if match]
    if len(numbers) < len(names) or not _fits(place := Place(*numbers)):
        raise UsageError(
            f"the environment says {shown}: needed is a rank below the number of processes, and equally many "
            "on each machine (torchrun and srun --ntasks-per-node see to it)"
        )
    return place


def _fits(place: Place) -> bool:
    return (
        place.rank < place.size and place.local_rank < place.local_size and not place.size % place.local_size
    )
