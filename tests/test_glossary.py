import pytest
from tiny import tiny_tokenizers

from translate.errors import InputError
from translate.glossary import Glossary, Term, count_kept, goes_on_word, phrase, read_glossary


def glossary(*pairs):
    return Glossary(Term(*pair) for pair in pairs)


def found(text, *pairs):
    return [term.src for term in glossary(*pairs).find(text)]


def test_terms_are_found_as_whole_words_in_any_case():
    assert found("Der Hund, hund und Hunde.", ("Hund", "dog")) == ["Hund", "Hund"]


def test_the_longest_term_goes_first_and_terms_do_not_overlap():
    pairs = ("neue", "new"), ("neue Welt", "new world"), ("Welt", "world")
    assert found("die neue Welt und die Welt", *pairs) == ["neue Welt", "Welt"]


def test_terms_may_begin_and_end_with_any_character():
    assert found("C++ und .NET", ("C++", "C++"), (".NET", ".NET")) == ["C++", ".NET"]


def test_a_script_without_spaces_has_no_ends_of_words():
    assert found("我喜欢狗和猫", ("狗", "dog"), ("猫", "cat")) == ["狗", "猫"]


def test_a_file_of_terms(tmp_path):
    (tmp_path / "terms.tsv").write_text(
        "Hund\tdog\n\n neue Welt \tnew world\r\nhund\tdog\n", encoding="utf-8"
    )
    terms = read_glossary(tmp_path / "terms.tsv").terms
    assert terms == {"hund": Term("Hund", "dog"), "neue welt": Term("neue Welt", "new world")}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", " has no terms: needed are lines of a source term, a tab and a target term"),
        ("a\tb\nHund dog\n", ": line 2 is 'Hund dog': needed is a source term, a tab and a target term"),
        ("a\t\n", ": line 1 is 'a\\\\t': needed is a source term"),
        ("a\tb\tc\n", ": line 1 is 'a\\\\tb\\\\tc': needed is a source term"),
        ("Hund\tdog\nhund\thound\n", ": line 2: 'hund' is to become 'hound', but a line before says 'dog'"),
    ],
)
def test_a_file_that_is_none_is_refused(content, message, tmp_path):
    (tmp_path / "terms.tsv").write_text(content)
    with pytest.raises(InputError, match=f"terms.tsv{message}"):
        read_glossary(tmp_path / "terms.tsv")


@pytest.mark.parametrize(
    ("translation", "kept"), [("a dog and a dog", 2), ("a dog", 1), ("Dogs dogged", 0), ("dog dog dog", 2)]
)
def test_a_term_counts_as_often_as_the_source_has_it(translation, kept):
    assert count_kept([Term("Hund", "dog")] * 2, translation) == (kept, 2)


def test_a_word_has_the_space_before_it_and_what_is_none_may_do_without():
    tokenizer = tiny_tokenizers().tgt
    assert phrase(tokenizer, "dog") == tokenizer.encode("dog")
    assert tokenizer.pieces(tokenizer.encode("{x}"))[0] == "▁"
    assert tokenizer.decode(phrase(tokenizer, "{x}")) == "{x}"
    assert phrase(tokenizer, "{x}") == tokenizer.encode("{x}")[1:]
    assert tokenizer.pieces(phrase(tokenizer, "狗")) == ["<0xE7>", "<0x8B>", "<0x97>"]


def test_pieces_that_go_on_with_a_word():
    tokenizer = tiny_tokenizers().tgt
    joins = dict(zip(tokenizer.vocabulary(), goes_on_word(tokenizer), strict=True))
    assert joins["e"]
    assert not any(joins[piece] for piece in ("▁", ".", "</s>", "<0x41>", "<0xC3>"))
