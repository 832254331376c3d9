"""The server: the LibreTranslate API and alignments over HTTP, from run directories."""

from importlib.util import find_spec

from translate.errors import InputError

# What the extra of this name in pyproject.toml brings, as Python imports it.
NEEDED = ("fastapi", "uvicorn", "python_multipart", "prometheus_client", "py3langid")


def need_serve() -> None:
    """Raise InputError, saying how to get it, when something is missing that serving needs."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise InputError(
            f"serving needs {', '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not "
            "installed: pip install 'seq2see[serve]' (from a checkout: pip install -e '.[serve]')"
        )
