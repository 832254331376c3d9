"""The launcher of `seq2see`: makes sure that `translate` is ours before anything of it is imported.

Other distributions bring a package of that name too (one on PyPI is even called so), and whichever is
installed last overwrites files of the other. That is why this check lies outside the package.
"""

import importlib.metadata
import re
import sys
from collections.abc import Sequence

DISTRIBUTION, PACKAGE = "seq2see", "translate"


def main(argv: Sequence[str] | None = None) -> int:
    """Run `seq2see` with these arguments (by default the process's own) and return the exit code."""
    trouble = foreign_package()
    if trouble is None:
        try:
            import translate
            from translate import cli
        except ImportError as error:
            trouble = broken_import(error)
        else:
            if hasattr(translate, "__version__"):
                return cli.main(argv)
            trouble = f"the package `{PACKAGE}` lacks its first file: install {DISTRIBUTION} again"
    print(f"{DISTRIBUTION}: error: {trouble}", file=sys.stderr)
    return 3


def foreign_package() -> str | None:
    """Say which other distributions own the import name `translate`, and what to do; None: there is none."""
    names = sorted(other_owners())
    if not names:
        return None
    return (
        f"the import name `{PACKAGE}` also belongs to {' and '.join(names)}, and there can be only one: "
        f"pip uninstall {' '.join(names)}, then install {DISTRIBUTION} again"
    )


def other_owners() -> set[str]:
    """Names of the other distributions that own the package.

    What `importlib.metadata.packages_distributions` answers for one package, without its 0.1 seconds for all.
    """
    owners = set()
    for distribution in importlib.metadata.distributions():
        top_level = distribution.read_text("top_level.txt")
        if top_level is None:  # only setuptools writes it
            record = distribution.read_text("RECORD") or ""
            owns = re.search(rf"^{PACKAGE}(/|\.py,)", record, re.MULTILINE) is not None
        else:
            owns = PACKAGE in top_level.split()
        if owns:
            owners.add(distribution.metadata["Name"])
    return {name for name in owners if name.lower() != DISTRIBUTION}


def broken_import(error: ImportError) -> str:
    """Say what could not be imported, and what to do."""
    missing = (error.name or "").partition(".")[0]
    if missing in ("", PACKAGE):
        found = getattr(sys.modules.get(PACKAGE), "__file__", None)
        where = f"; {found} is not {DISTRIBUTION}'s" if found else ""
        return f"the package `{PACKAGE}` cannot be imported: {error}{where}. Install {DISTRIBUTION} again"
    return f"{missing} cannot be imported: {error}. Install {DISTRIBUTION} again, which brings what it needs"


if __name__ == "__main__":
    sys.exit(main())
