"""Language codes that need not be equal to mean the same: en, EN-us, en_GB."""

from collections.abc import Iterable


def choose_language(wanted: str, there: Iterable[str]) -> str | None:
    """Return the code that a wanted one is best served by, or None.

    The same one comes first, whatever its case, with - or _. Then the first that is more particular: en-US
    for en, de-AT-1996 for de-AT. Then one that is less so: en for en-US. Never another region: en-GB is not
    en-US.
    """
    codes = {code: _parts(code) for code in there}
    asked = _parts(wanted)
    for code, parts in codes.items():
        if parts == asked:
            return code
    for code, parts in codes.items():
        if parts[: len(asked)] == asked:
            return code
    wider = [code for code, parts in codes.items() if code and asked[: len(parts)] == parts]
    return max(wider, key=len, default=None)


def _parts(code: str) -> list[str]:
    return code.strip().lower().replace("_", "-").split("-")
