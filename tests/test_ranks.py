import pytest

from translate.errors import UsageError
from translate.ranks import Place, find_place

TORCHRUN = {"RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "4"}
SRUN = {
    "SLURM_PROCID": "5",
    "SLURM_STEP_NUM_TASKS": "8",
    "SLURM_LOCALID": "1",
    "SLURM_STEP_TASKS_PER_NODE": "4(x2)",
}


@pytest.mark.parametrize("environment", [TORCHRUN, SRUN, {**SRUN, **TORCHRUN}])
def test_the_launcher_says_which_process_this_is(environment):
    assert find_place(environment) == Place(5, 8, 1, 4)
    assert find_place(environment).nodes == 2


@pytest.mark.parametrize("environment", [{}, {"SLURM_PROCID": "0", "SLURM_NTASKS": "8"}])
def test_without_a_launcher_or_in_a_batch_script_this_is_the_only_one(environment):
    assert find_place(environment) == Place(0, 1, 0, 1)


@pytest.mark.parametrize(
    "wrong",
    [
        {"RANK": "8"},
        {"LOCAL_RANK": "4"},
        {"LOCAL_WORLD_SIZE": "3"},
        {"LOCAL_WORLD_SIZE": "0"},
        {"WORLD_SIZE": "many"},
        {"LOCAL_RANK": ""},
    ],
)
def test_an_environment_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(
        UsageError, match=r"the environment says RANK=.*LOCAL_WORLD_SIZE=.*: needed is a rank"
    ):
        find_place({**TORCHRUN, **wrong})
