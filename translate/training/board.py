"""The TensorBoard files of a run that goes on: what came after its checkpoint would be there twice."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.summary.writer.record_writer import RecordWriter


def cut_events(folder: Path, step: int) -> None:
    """Drop the events after `step`, and what a kill left half written, file by file.

    TensorBoard could hide them (`purge_step`), but only where the clock that names its files runs forwards.
    """
    for path in sorted(folder.glob("events.out.tfevents.*")):
        kept = [raw for raw in RawEventFileLoader(str(path)).Load() if _stays(Event.FromString(raw), step)]
        new = folder / "cut.new"  # TensorBoard would read a file that is named like its own
        new.unlink(missing_ok=True)  # it could be a link to somewhere else
        with new.open("wb") as file:
            writer = RecordWriter(file)
            for raw in kept:
                writer.write(raw)
        new.replace(path)


def _stays(event: Event, step: int) -> bool:
    return bool(event.step <= step or event.HasField("file_version"))  # the latter says how to read the rest


def flush_events(loggers: Iterable[Any]) -> None:
    """Hand what was logged to the system: a checkpoint of this step would otherwise leave a gap behind it."""
    for logger in loggers:
        logger.experiment.flush()
