"""seq2see: sequence-to-sequence machine translation one can see through.

Shapes in signatures use one letter a dimension:

    B  batch (sentences)          S  source length (pieces)     V  vocabulary
    L  decoder layers             T  target length (pieces)     H  hidden units of a decoder
    N  heads of an attention      K  beam (hypotheses)          M  units of the memory
    E  embedding units            R  rows (B or B * K)          A  units of an attention
    D  units of one head          C  units of a context

A mask is True where there is a token; padding is on the right; batch comes first.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from translate.translation import Translation
    from translate.translator import Translator

__version__ = "0.1.0"
__all__ = ["Translation", "Translator", "__version__"]


def __getattr__(name: str) -> Any:
    """Import what translates only when it is asked for (PEP 562)."""
    if name in ("Translator", "Translation"):
        from translate import translator

        return getattr(translator, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
