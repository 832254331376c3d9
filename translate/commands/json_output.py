"""Results as JSON."""

from typing import Any


def as_json(value: Any) -> Any:
    """Return records as dictionaries, which JSON would write as lists."""
    if hasattr(value, "_asdict"):
        return {name: as_json(part) for name, part in value._asdict().items()}
    if isinstance(value, list | tuple):
        return [as_json(part) for part in value]
    return value
