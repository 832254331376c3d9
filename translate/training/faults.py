"""What a person reads when a disk is full, a folder is gone, a permission is missing or memory is short."""

from collections.abc import Iterator
from contextlib import contextmanager

from translate.errors import InputError
from translate.run_directory import RunDirectory
from translate.training.division import is_out_of_memory


@contextmanager
def explain_faults(run: RunDirectory) -> Iterator[None]:
    """Say of an error of the system what has become of the run, and how to go on.

    Raises:
        InputError: instead of an OSError, or of memory that dividing a batch did not help.
    """
    go_on = f"go on with `seq2see train --resume {run.path}`"
    stops = "training stops, and what was written before stays as it was"
    try:
        yield
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        what = f"{where}{error.strerror or error}"
        if not run.path.is_dir():
            raise InputError(
                f"{what}: the run directory {run.path} was removed while it was trained in; restore it, or "
                "train again"
            ) from error
        raise InputError(f"{what}: {stops}. When that is mended, {go_on}") from error
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise InputError(
            f"memory is too short: {stops}. With more of it {go_on}; with less, train again with "
            "a lower --data.batch_tokens or a smaller model"
        ) from error
