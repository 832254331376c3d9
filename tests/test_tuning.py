from dataclasses import replace

import pytest
import torch
from tiny import MODEL, TRANSFORMER, decided, tiny_run

from translate import Translator
from translate.config.search import SearchConfig
from translate.errors import InputError, UsageError
from translate.evaluation import Score, bleu_score
from translate.run_directory import RunDirectory
from translate.tokenizer import EOS_ID
from translate.tuning import Trial, choose, grid, rank, save, try_searches

PAIRS = [
    ("Ein Hund läuft.", "A dog runs."),
    ("Zwei Kinder", "Two children"),
    ("Guten Morgen! Wie geht es dir?", "Good morning! How are you?"),  # in parts
    ("Hund", "dog"),
]
# So that some hypotheses end, and some do not.
SEARCH = SearchConfig(beam_size=4, n_best=2, length_penalty=0.7, max_length_ratio=0.6, max_length_offset=2)


PENALTIES = [-0.5, 0.0, 0.4, 1.0, 2.5]


def tunable(folder, model):
    """A run whose translations end now and then, with a validation text."""
    directory = RunDirectory.open(tiny_run(folder, model, SEARCH, max_length=14))
    weights = directory.load_model()
    with torch.no_grad():
        if model is TRANSFORMER:
            decided(weights).decoder.norm.weight.mul_(0.5)  # less sure, or the same wins with every penalty
        else:
            weights.output.bias[EOS_ID] = 3
    directory.save_weights(weights, directory.tokenizers())
    directory.save_valid(PAIRS)
    return directory


@pytest.fixture(scope="module", params=[MODEL, TRANSFORMER], ids=["recurrent", "transformer"])
def directory(request, tmp_path_factory):
    return tunable(tmp_path_factory.mktemp("tuning"), request.param)


@pytest.fixture(scope="module")
def translator(directory):
    return Translator(directory.path, "cpu")


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("settings", [{"beam_size": 1}, {"beam_size": 4}, {"beam_size": 7, "mbr": 3}])
def test_ranking_anew_what_a_beam_found_equals_searching_anew(translator, penalty, settings):
    search = replace(SEARCH, n_best=1, length_penalty=penalty, **settings)
    (trial,) = try_searches(translator, [search])
    texts = [each.text for each in translator.translate([src for src, _ in PAIRS], search)]
    wanted = bleu_score(texts, [tgt for _, tgt in PAIRS])
    assert trial == (search.beam_size, penalty, wanted)

    found = translator.search([src for src, _ in PAIRS], replace(search, n_best=search.beam_size, mbr=0))
    others = translator.search([src for src, _ in PAIRS], replace(search, n_best=search.mbr or 1, mbr=0))
    for those, again in zip(found, others, strict=True):
        for (_, ranked), (_, wanted) in zip(rank(those, search), again, strict=True):
            assert [each.tokens for each in ranked] == [each.tokens for each in wanted]


def test_the_penalty_matters_here(translator):
    searches = [replace(SEARCH, n_best=1, length_penalty=penalty) for penalty in PENALTIES]
    texts = [[each.text for each in translator.translate([src for src, _ in PAIRS], it)] for it in searches]
    assert any(each != texts[0] for each in texts)


def test_every_search_is_tried_once_and_each_beam_is_searched_once(translator, monkeypatch):
    searched = []
    search = Translator.search
    monkeypatch.setattr(
        Translator, "search", lambda self, texts, how: searched.append(how) or search(self, texts, how)
    )
    trials = list(try_searches(translator, grid(SEARCH, [2, 1], [1.0, 0.0])))
    assert [trial[:2] for trial in trials] == [(k, p) for k in (1, 2, 4) for p in (0.0, 0.7, 1.0)]
    assert [(how.beam_size, how.n_best) for how in searched] == [(1, 1), (2, 2), (4, 4)]


def trial(beam_size, penalty, bleu):
    return Trial(beam_size, penalty, Score("BLEU", bleu, "signature"))


def test_the_best_is_chosen_and_among_equals_the_smallest_beam_and_the_nearest_penalty():
    trials = [trial(3, 0.0, 20.0), trial(5, 0.0, 30.0), trial(4, 0.0, 30.0), trial(4, 0.6, 30.0)]
    assert choose(trials, SEARCH) == trials[3]
    assert choose([*trials, trial(9, 2.0, 30.1)], SEARCH).beam_size == 9


def test_what_was_chosen_is_how_the_run_searches(tmp_path):
    run = tunable(tmp_path, MODEL)
    before = run.config
    save(run, trial(1, 0.2, 30.0), {"chosen": "so"})
    again = RunDirectory.open(run.path)
    assert again.config == replace(before, search=replace(SEARCH, beam_size=1, length_penalty=0.2, n_best=1))
    first = again.config_path.read_text(encoding="utf-8").partition("\n")[0]
    assert first == "# search.beam_size and search.length_penalty were chosen by `seq2see tune` (tuning.json)"
    assert again.read_json(again.tuning_path) == {"chosen": "so"}
    wanted = Translator(run.path, "cpu").translate(["Hund"], again.config.search)
    assert Translator(run.path, "cpu").translate(["Hund"]) == wanted


def test_a_run_without_validation_text_is_refused(tmp_path):
    translator = Translator(tiny_run(tmp_path), "cpu")
    with pytest.raises(InputError, match=r"valid\.src is missing: search is tuned on the validation text"):
        list(try_searches(translator, [SEARCH]))


def test_a_beam_that_is_none_is_refused():
    with pytest.raises(UsageError, match=r"^search\.beam_size is 0: it must be at least 1$"):
        grid(SEARCH, [0], [1.0])
