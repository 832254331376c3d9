"""What a teacher translates is kept as it is made, chosen by reference if there is one, and never lost."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from tiny import SENTENCES, tiny_run

from translate import teaching
from translate.errors import InputError, UsageError
from translate.evaluation import sentence_chrf
from translate.run_directory import RunDirectory
from translate.teaching import Device, Lesson, kept_beside, open_teacher, read_monolingual, teach

TEXTS = [*SENTENCES, "", "Ein Hund."]
DEVICE = Device("cpu", "torch", 1, 1)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return str(tiny_run(tmp_path_factory.mktemp("forward")))


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    return str(tiny_run(tmp_path_factory.mktemp("both"), directions="both"))


@pytest.fixture
def translator(run):
    return open_teacher(run, None, DEVICE, reverse=False)


def own(translator, **search):
    return translator.translate(TEXTS, replace(translator.config.search, **search))


def test_as_many_lines_come_out_as_go_in_and_are_the_translators(translator, tmp_path):
    found = teach(translator, Lesson(TEXTS), translator.config.search, tmp_path / "kept")
    assert found == [translation.text for translation in own(translator)]
    assert (tmp_path / "kept").read_text(encoding="utf-8").split("\n")[1:-1] == found


def test_the_translation_most_like_the_reference_is_chosen(translator, tmp_path):
    search = replace(translator.config.search, beam_size=3, n_best=3)
    candidates = [[text for text, _ in one.alternatives] for one in own(translator, beam_size=3, n_best=3)]
    assert len({*candidates[0]}) > 1
    references = [texts[-1] for texts in candidates]  # what the model thinks least of
    found = teach(translator, Lesson(TEXTS, references), search, tmp_path / "kept")
    assert found == references
    assert found != [texts[0] for texts in candidates]


def test_chrf_of_a_sentence_tells_the_nearer_one():
    assert sentence_chrf("a dog runs", "a dog runs") == 100
    assert sentence_chrf("a dog ran", "a dog runs") > sentence_chrf("two cats", "a dog runs")


@pytest.mark.parametrize("out", ["new", "new/", "./new"])
def test_translations_are_kept_beside_what_is_made_of_them(out, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert kept_beside(out) == tmp_path.resolve() / "new.translations"


def interrupted(translator, lesson, search, path, monkeypatch) -> int:
    """Translate two texts at a time, and stop before the third two; return what was translated."""
    seen = []
    translate = translator.translate

    def stop(texts, *args, **kwargs):
        if len(seen) == 4:
            raise KeyboardInterrupt
        seen.extend(texts)
        return translate(texts, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(translator, "translate", stop)
        with pytest.raises(KeyboardInterrupt):
            teach(translator, lesson, search, path)
    return len(seen)


@pytest.mark.parametrize("with_references", [False, True])
def test_what_was_translated_before_an_interruption_is_not_again(
    with_references, translator, tmp_path, monkeypatch
):
    monkeypatch.setattr(teaching, "TOGETHER", 2)
    references = list(reversed(TEXTS)) if with_references else None
    lesson = Lesson(TEXTS, references)
    search = replace(translator.config.search, n_best=2 if with_references else 1)
    whole = teach(translator, lesson, search, tmp_path / "whole")
    kept = tmp_path / "kept"
    assert interrupted(translator, lesson, search, kept, monkeypatch) == 4
    with kept.open("ab") as file:
        file.write(b"half a l")  # as a kill leaves it
    again = []
    translate = translator.translate
    monkeypatch.setattr(
        translator, "translate", lambda texts, *a, **k: again.extend(texts) or translate(texts, *a, **k)
    )
    assert teach(translator, lesson, search, kept) == whole
    assert again == TEXTS[4:]
    assert kept.read_bytes() == (tmp_path / "whole").read_bytes()


@pytest.mark.parametrize("content", [b"", b'{"weigh'])
def test_a_file_that_was_hardly_begun_is_begun_anew(content, translator, tmp_path):
    (tmp_path / "kept").write_bytes(content)
    assert len(teach(translator, Lesson(TEXTS), translator.config.search, tmp_path / "kept")) == len(TEXTS)


@pytest.mark.parametrize(
    "other",
    [
        {"texts": ["Hund"]},
        {"references": ["Hund"] * len(TEXTS)},
        {"beam_size": 1},
    ],
)
def test_translations_of_something_else_are_not_gone_on_with(other, translator, tmp_path):
    search = translator.config.search
    teach(translator, Lesson(TEXTS), search, tmp_path / "kept")
    lesson = Lesson(other.get("texts", TEXTS), other.get("references"))
    search = replace(search, beam_size=other.get("beam_size", search.beam_size))
    with pytest.raises(InputError, match=r"kept holds translations that were interrupted, of other text, by"):
        teach(translator, lesson, search, tmp_path / "kept")


def say_language(run: str, folder: Path, language: str | None) -> str:
    """Make a run like this one, which says what it translates into."""
    copy = folder / f"into_{language}"
    shutil.copytree(run, copy)
    directory = RunDirectory.open(copy)
    config = directory.config
    directory.save_config(replace(config, data=replace(config.data, tgt_lang=language)))
    return str(copy)


@pytest.mark.parametrize(
    ("into", "text", "reverse", "backwards"),
    [
        ("de", "en", True, False),  # the run is of the other direction already
        ("de", "de", False, True),
        (None, "de", True, True),
        (None, None, False, False),
        ("de", None, True, True),
    ],
)
def test_a_run_of_both_directions_goes_the_way_that_is_needed(into, text, reverse, backwards, both, tmp_path):
    run = say_language(both, tmp_path, into)
    assert open_teacher(run, text, DEVICE, reverse=reverse).backwards == backwards


def test_a_run_of_the_wrong_direction_is_refused(run, tmp_path):
    german = say_language(run, tmp_path, "de")
    assert not open_teacher(german, "en", DEVICE, reverse=True).backwards
    with pytest.raises(
        UsageError, match="into_de translates into de, which the text is in already: needed is"
    ):
        open_teacher(german, "de", DEVICE, reverse=True)


def test_monolingual_text_is_read_without_what_is_blank_repeated_or_held_out(tmp_path, caplog):
    caplog.set_level("INFO")
    path = tmp_path / "mono.de"
    path.write_text("Hund\n\nKatze!\nHund\n \nMaus\n", encoding="utf-8")
    assert read_monolingual(str(path), ["katze 1"]) == ["Hund", "Maus"]
    assert f"left out 4 of 6 lines of {path}: blank, there before, or in a held-out part" in caplog.text
    with pytest.raises(
        InputError, match=r"mono\.de has no text \(of 6 lines\) that is not in a held-out part"
    ):
        read_monolingual(str(path), ["Hund", "Katze", "Maus"])
