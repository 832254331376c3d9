"""How long a run has been training."""

import time


class Clock:
    """Seconds of training, those of the parts before a resumption included."""

    def __init__(self) -> None:
        self.restart(0.0)

    def restart(self, seconds: float) -> None:
        """Go on from so many seconds."""
        self._before, self._since = seconds, time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds so far."""
        return self._before + time.monotonic() - self._since

    @property
    def minutes(self) -> float:
        """Minutes so far."""
        return self.seconds / 60
