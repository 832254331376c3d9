"""How the words of the synthetic corpus inflect.

A person is an index into rows of five forms: 0 I, 1 you, 2 he, she or a noun, 3 we, 4 they or a plural.
A column is a German gender: 0 masculine, 1 feminine, 2 neuter, or 3 for the plural, which has none.
"""

from typing import Literal, NamedTuple

Case = Literal["nom", "acc", "dat", "gen"]
PLURAL = 3  # the column of all plurals

# German endings by case and column.
_ENDINGS: dict[str, dict[Case, str]] = {
    "definite": {
        "nom": "der die das die",
        "acc": "den die das die",
        "dat": "dem der dem den",
        "gen": "des der des der",
    },
    "relative": {"nom": "der die das die", "acc": "den die das die", "dat": "dem der dem denen"},
    "strong": {"nom": "er e es e", "acc": "en e es e", "dat": "em er em en", "gen": "es er es er"},
    "ein": {"nom": "- e - e", "acc": "en e - e", "dat": "em er em en", "gen": "es er es er"},
    "weak": {"nom": "e e e en", "acc": "en e e en", "dat": "en en en en", "gen": "en en en en"},
    "mixed": {"nom": "er e es en", "acc": "en e es en", "dat": "en en en en", "gen": "en en en en"},
    "number": {"nom": "- - - -", "acc": "- - - -", "dat": "- - - -"},
}


def ending(table: str, case: Case, column: int) -> str:
    """Return what a German article, pronoun or adjective of this declension ends in."""
    return _ENDINGS[table][case].split()[column].removeprefix("-")


class Noun(NamedTuple):
    """A noun with its dictionary forms."""

    en: str
    en_plural: str
    column: int
    de: str
    genitive: str
    plural: str

    def german(self, case: Case, column: int) -> str:
        """Return the form for a case, in the singular or the plural."""
        if column == PLURAL:
            return self.plural + ("n" if case == "dat" and self.plural[-1] not in "ns" else "")
        weak = self.column == 0 and self.genitive.endswith("n")  # der Junge, den Jungen
        return self.genitive if case == "gen" or (weak and case != "nom") else self.de


class Verb(NamedTuple):
    """A verb with its principal parts, and the objects it takes."""

    en: tuple[str, ...]  # base, third person, past, participle, -ing form or "-"
    particle: tuple[str, ...]  # English: pick UP
    infinitive: str  # German, without prefix
    third: str
    past: str
    participle: str
    perfect: str  # the auxiliary: haben or sein
    prefix: str  # German: holt AB
    reflexive: bool
    slots: tuple["Slot", ...]

    def present(self, person: int) -> str:
        """Return the German present of a person."""
        if person == 0:
            return self.infinitive.removesuffix("n").removesuffix("e") + "e"
        if person == 1:  # the -s of -st melts into a sibilant: er tanzt, du tanzt
            stem = self.third.removesuffix("t")
            return stem + ("t" if stem[-1] in "sßz" else "st")
        return self.third if person == 2 else self.infinitive

    def preterite(self, person: int) -> str:
        """Return the German simple past of a person (not of du, which nobody says)."""
        assert person != 1
        return self.past + ("" if person in (0, 2) else "n" if self.past.endswith("e") else "en")


class Slot(NamedTuple):
    """An object of a verb: the prepositions if any, the German case, and the kinds of nouns."""

    en: str
    de: str
    case: Case
    kinds: tuple[str, ...]


class Adjective(NamedTuple):
    """An adjective: base and comparative, which is "-" where we do not compare."""

    en: str
    en_comparative: str
    de: str
    comparative: str


class Pronoun(NamedTuple):
    """A personal pronoun; "-" where a form is not used: "her" is left to the possessive."""

    person: int
    en: str
    en_object: str
    nom: str
    acc: str
    dat: str


class Determiner(NamedTuple):
    """A determiner: its own German declension and the one of the adjective behind it."""

    en: str
    en_plural: str
    de: str
    declension: str
    adjective: str
    weight: int
