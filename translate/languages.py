"""Which languages there are: their names, the scripts they are written in, and which one a text is in."""

import copy
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

_NAMES = """
    af=Afrikaans ar=Arabic az=Azerbaijani be=Belarusian bg=Bulgarian bn=Bengali br=Breton bs=Bosnian
    ca=Catalan cs=Czech cy=Welsh da=Danish de=German el=Greek en=English eo=Esperanto es=Spanish
    et=Estonian eu=Basque fa=Persian fi=Finnish fr=French fy=Frisian ga=Irish gl=Galician gu=Gujarati
    he=Hebrew hi=Hindi hr=Croatian hu=Hungarian hy=Armenian id=Indonesian is=Icelandic it=Italian
    ja=Japanese ka=Georgian kk=Kazakh km=Khmer kn=Kannada ko=Korean ku=Kurdish ky=Kyrgyz la=Latin
    lb=Luxembourgish lt=Lithuanian lv=Latvian mk=Macedonian ml=Malayalam mn=Mongolian mr=Marathi
    ms=Malay mt=Maltese nb=Norwegian ne=Nepali nl=Dutch nn=Nynorsk no=Norwegian pa=Punjabi pl=Polish
    pt=Portuguese ro=Romanian ru=Russian si=Sinhala sk=Slovak sl=Slovenian sq=Albanian sr=Serbian
    sv=Swedish sw=Swahili ta=Tamil te=Telugu th=Thai tl=Tagalog tr=Turkish uk=Ukrainian ur=Urdu uz=Uzbek
    vi=Vietnamese yi=Yiddish zh=Chinese zu=Zulu
"""
NAMES: dict[str, str] = dict(re.findall(r"(\w+)=(\w+)", _NAMES))
# Scripts as the names of Unicode's characters begin; of all other languages in NAMES: LATIN.
_SCRIPTS = """
    ar=ARABIC az=LATIN,CYRILLIC,ARABIC be=CYRILLIC bg=CYRILLIC bn=BENGALI bs=LATIN,CYRILLIC el=GREEK fa=ARABIC
    gu=GUJARATI he=HEBREW hi=DEVANAGARI hy=ARMENIAN ja=CJK,HIRAGANA,KATAKANA ka=GEORGIAN
    kk=CYRILLIC,LATIN,ARABIC km=KHMER kn=KANNADA ko=HANGUL,CJK ku=LATIN,ARABIC,CYRILLIC ky=CYRILLIC,ARABIC
    mk=CYRILLIC ml=MALAYALAM mn=CYRILLIC,MONGOLIAN mr=DEVANAGARI ms=LATIN,ARABIC ne=DEVANAGARI
    pa=GURMUKHI,ARABIC ru=CYRILLIC si=SINHALA sr=CYRILLIC,LATIN ta=TAMIL te=TELUGU th=THAI uk=CYRILLIC
    ur=ARABIC uz=LATIN,CYRILLIC,ARABIC yi=HEBREW zh=CJK,BOPOMOFO
"""
SCRIPTS: dict[str, frozenset[str]] = {code: frozenset(["LATIN"]) for code in NAMES} | {
    code: frozenset(names.split(",")) for code, names in re.findall(r"(\w+)=([A-Z,]+)", _SCRIPTS)
}
# Of scripts that put no space between words: Thai, Lao, Tibetan, Burmese, Khmer, kana, Han.
UNSPACED = (
    "\u0e00-\u0eff\u0f00-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
# As the identifier calls them.
_SAME = {"nb": "no"}
# More than enough to know a language by.
_CHARACTERS = 2000


class Detection(NamedTuple):
    """A language that a text may be in."""

    language: str
    confidence: float  # percent; those of all languages sum to 100


def name_of(code: str) -> str:
    """Return a language's English name, with the rest of its code, such as Chinese (Hant); or the code."""
    base, _, rest = code.replace("_", "-").partition("-")
    name = NAMES.get(base.lower())
    return code if name is None else f"{name} ({rest})" if rest else name


def base_of(code: str) -> str:
    """Return the language of a code without its region or script: zh for zh-Hant."""
    return code.replace("_", "-").partition("-")[0].lower()


def count_scripts(text: str) -> Counter[str]:
    """Count the letters of a text by script."""
    return Counter(map(_script_of, filter(str.isalpha, text)))


@lru_cache(maxsize=20_000)
def _script_of(letter: str) -> str:
    words = re.split("[ -]", unicodedata.name(letter, ""))
    return words[1] if words[0] in ("FULLWIDTH", "HALFWIDTH") else words[0]


class Identifier:
    """Says which of some languages a text is in (langid, Lui & Baldwin 2012, as py3langid has it).

    Args:
        codes: the languages; one that py3langid does not know is never found.
    """

    def __init__(self, codes: Sequence[str]) -> None:
        identifier = copy.copy(_everything())
        known = set(identifier.labels)
        self._codes: dict[str, str] = {}  # theirs -> ours; of several variants of a language, the first
        for code in codes:
            base = base_of(code)
            if _SAME.get(base, base) in known:
                self._codes.setdefault(_SAME.get(base, base), code)
        if self._codes:
            identifier.set_languages(list(self._codes))
        self._identifier = identifier

    def detect(self, text: str) -> list[Detection]:
        """Return all languages, the likeliest first; none for a text that says nothing, such as a number."""
        text = text[:_CHARACTERS]
        if not self._codes or not any(character.isalpha() for character in text):
            return []
        found = self._identifier.rank(text)
        return [Detection(self._codes[label], round(100 * share, 1)) for label, share in found]


@cache
def _everything() -> "LanguageIdentifier":
    """Load the model, which takes a second or two."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
