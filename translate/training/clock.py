"""How long a run has been training."""

import time


class Clock:
    """Seconds of training, those of the parts before a resumption included."""

    def __init__(self) -> None:
        self.restart(0.0)

    def restart(self, seconds: float) -> None:
        """Go on from so many seconds."""
        self._before, self._since = seconds, time.monotonic()

    def measure(self) -> float:
        """Seconds so far, as this process measures them."""
        return self._before + time.monotonic() - self._since

    @property
    def seconds(self) -> float:
        """Seconds so far."""
        return self.measure()

    @property
    def minutes(self) -> float:
        """Minutes so far."""
        return self.seconds / 60


class SharedClock(Clock):
    """Shows what it was told last: several processes then take their decisions by the same time."""

    def restart(self, seconds: float) -> None:
        """Go on from so many seconds, and show them."""
        super().restart(seconds)
        self.told = seconds

    @property
    def seconds(self) -> float:
        """Seconds as they were told last."""
        return self.told
