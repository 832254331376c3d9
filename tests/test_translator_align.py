"""Translator.align, and one translator in the hands of several threads."""

from threading import Barrier, Thread

import numpy as np
import pytest
import torch
from tiny import SENTENCES, TRANSFORMER, tiny_export, tiny_run

from translate import Translator
from translate.alignment.choose import Choice, save_choice
from translate.alignment.extract import END, choose_attention, read, read_maps
from translate.alignment.words import at_level, links
from translate.documents.html import read_html
from translate.platforms import set_threads

SRC, TGT = "Ein Hund läuft.", "A dog runs."


def test_a_pair_has_words_weights_and_links(tmp_path):
    aligned = Translator(tiny_run(tmp_path)).align(SRC, TGT)
    alignment = aligned.alignment
    assert alignment.src_tokens == ("Ein", "Hund", "läuft.", END)
    assert alignment.tgt_tokens == ("A", "dog", "runs.", END)
    assert alignment.weights.shape == (4, 4)
    np.testing.assert_allclose(alignment.weights.sum(axis=1), 1, rtol=1e-5)
    best = alignment.weights[:-1].argmax(axis=1)
    assert aligned.links == sorted((int(i), j) for j, i in enumerate(best) if i < 3)
    assert aligned.links


def test_without_a_target_the_translation_is_aligned(tmp_path):
    translator = Translator(tiny_run(tmp_path))
    own = translator.translate([SRC])[0].text
    assert translator.align(SRC).alignment.tgt == own != ""
    assert translator.align(SRC).links == translator.align(SRC, own).links


def test_pieces_can_be_aligned_and_a_blank_side_has_nothing(tmp_path):
    translator = Translator(tiny_run(tmp_path))
    pieces = translator.align(SRC, TGT, level="subword").alignment
    assert len(pieces.src_tokens) == len(translator.tokenizers.src.encode(SRC)) + 1 > 4
    assert translator.align(SRC, " ").links == []
    assert translator.align(SRC, " ").alignment.src_tokens == ()


def test_the_attention_that_was_chosen_for_the_run_is_read(tmp_path):
    run = tiny_run(tmp_path, model=TRANSFORMER)
    default = Translator(run).align(SRC, TGT)
    translator = Translator(run)
    reading = choose_attention(translator.config.model, layer=2, head=3, shift=1)
    save_choice(translator.directory, Choice(reading, 0.2, "a criterion", 0.5, 7))

    aligned = translator.align(SRC, TGT)
    [maps] = read_maps(translator.model, translator.tokenizers, [(SRC, TGT)])
    expected = at_level(read(maps, reading), "word")
    np.testing.assert_array_equal(aligned.alignment.weights, expected.weights)
    assert aligned.links == links(expected, 0.2) != default.links
    assert "layer 2 of 2, head 3 of 4, shifted (chosen on 7 pairs: a criterion" in aligned.alignment.choice


def test_many_pairs_are_aligned_as_each_alone(tmp_path, monkeypatch):
    monkeypatch.setattr("translate.translator.ALIGNED_AT_ONCE", 2)
    translator = Translator(tiny_run(tmp_path))
    pairs = [(SRC, TGT), ("Hund", "dog"), (SRC, " ")]
    found = translator.align_all(pairs)
    assert [each.links for each in found] == [translator.align(*pair).links for pair in pairs]
    assert found[0].links
    assert translator.align_all([]) == []


def test_only_texts_with_markup_are_linked(tmp_path):
    translator = Translator(tiny_run(tmp_path))
    document = read_html("<p>Hund</p><p>Ein <b>Hund</b></p><p>Das <i>Kind</i></p>")
    assert list(translator.link_marked(document, ["dog", "a dog", "Das Kind"])) == [1]
    assert translator.link_marked(read_html("Hund"), ["dog"]) == {}


def test_backwards_a_pair_is_one_of_the_other_direction(tmp_path):
    run = tiny_run(tmp_path, directions="both")
    aligned = Translator(run, backwards=True).align(TGT, SRC)
    assert aligned.alignment.src_tokens == ("A", "dog", "runs.", END)
    assert aligned.alignment.tgt_tokens == ("Ein", "Hund", "läuft.", END)
    there = Translator(run).align(TGT, SRC)
    assert not np.array_equal(aligned.alignment.weights, there.alignment.weights)


@pytest.fixture(params=["recurrent", "transformer", "ctranslate2"])
def translator(request, tmp_path):
    match request.param:
        case "recurrent":
            return Translator(tiny_run(tmp_path))
        case "transformer":
            return Translator(tiny_run(tmp_path, model=TRANSFORMER))
        case _:  # its model is loaded when the first pair is aligned
            return Translator(tiny_export(tmp_path).path, engine="ctranslate2")


def at_once(count, work):
    """Run `work(number)` in so many threads that begin together; return the results in order."""
    results, begin = [None] * count, Barrier(count)

    def run(number):
        begin.wait()
        results[number] = work(number)

    threads = [Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_threads_that_translate_and_align_at_once_get_what_one_alone_gets(translator):
    alone = Translator(translator.directory.path, engine=translator.engine.name)

    def work(translator, number):
        mine = [*SENTENCES[number:], *SENTENCES[:number]]
        texts = [found.text for found in translator.translate(mine)]
        aligned = [translator.align(src, tgt or TGT) for src, tgt in zip(mine, texts, strict=True)]
        return texts, [(each.links, each.alignment.weights.tolist()) for each in aligned]

    count = len(SENTENCES)
    expected = [work(alone, number) for number in range(count)]
    assert at_once(count, lambda number: work(translator, number)) == expected
    assert not translator.model.training


@pytest.mark.parametrize("engine", ["torch", "ctranslate2"])
def test_alignments_are_made_by_as_many_threads_as_are_given(tmp_path, engine):
    before = set_threads(0)
    try:
        Translator(tiny_export(tmp_path).path, engine=engine, threads=3).align(SRC, TGT)
        assert torch.get_num_threads() == 3
    finally:
        set_threads(before)


def test_threads_that_ask_first_at_once_share_one_model(tmp_path):
    translator = Translator(tiny_export(tmp_path).path, engine="ctranslate2")
    models = at_once(8, lambda _: translator.model)
    assert all(model is models[0] for model in models)
    assert models[0] is not None
