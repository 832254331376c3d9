import pytest

from translate.languages import Identifier, name_of


@pytest.mark.parametrize(
    ("code", "name"),
    [("de", "German"), ("EN", "English"), ("zh_Hant", "Chinese (Hant)"), ("pt-BR", "Portuguese (BR)")],
)
def test_a_code_has_a_name(code, name):
    assert name_of(code) == name


def test_a_code_that_nobody_knows_is_its_own_name():
    assert name_of("tlh") == "tlh"


@pytest.mark.parametrize(
    ("text", "language"),
    [("Zwei Kinder spielen im Park.", "de"), ("Two children are playing.", "en_GB"), ("Два ребёнка", "ru")],
)
def test_a_text_is_in_one_of_the_languages(text, language):
    found = Identifier(["ru", "de", "en_GB", "tlh"]).detect(text)
    assert found[0].language == language
    assert found[0].confidence > 50
    assert {each.language for each in found} == {"ru", "de", "en_GB"}
    assert sum(each.confidence for each in found) == pytest.approx(100, abs=0.2)


@pytest.mark.parametrize("text", ["", " \n", "12 345", "…"])
def test_a_text_without_letters_is_in_none(text):
    assert Identifier(["de", "en"]).detect(text) == []


def test_identifiers_do_not_change_one_another():
    first = Identifier(["de", "en"])
    Identifier(["ru", "fr"])
    assert {each.language for each in first.detect("Guten Morgen")} == {"de", "en"}


def test_of_languages_nobody_knows_none_is_found():
    assert Identifier(["tlh"]).detect("nuqneH") == []


def test_bokmal_is_found_as_norwegian():
    assert Identifier(["nb", "de"]).detect("Jeg vet ikke hvor hun er i dag")[0].language == "nb"
