"""Checks of single settings, that name the setting and its value."""

from translate.errors import UsageError


def at_least(config: object, group: str, **least: int) -> None:
    """Refuse a number below its limit."""
    for name, limit in least.items():
        value = getattr(config, name)
        if not value >= limit:  # so that NaN is refused too
            raise UsageError(f"{group}.{name} is {value}: it must be at least {limit}")


def below_one(config: object, group: str, *names: str) -> None:
    """Refuse what is no share: below 0, or 1 and more."""
    for name in names:
        value = getattr(config, name)
        if not 0 <= value < 1:
            raise UsageError(f"{group}.{name} is {value}: it must be at least 0 and below 1")


def divides(size_name: str, size: int, parts_name: str, parts: int) -> None:
    """Refuse units that cannot be dealt out evenly."""
    if parts < 1 or size % parts:
        raise UsageError(
            f"{size_name} {size} cannot be shared by {parts_name} {parts}: it must be a multiple"
        )
