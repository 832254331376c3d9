"""What the endpoints answer, without a network."""

import dataclasses
import re
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from serving import DE_EN, TEXT, client_of, error_of, post
from tiny import tiny_run

from translate.documents.html import read_html
from translate.run_directory import RunDirectory
from translate.serve.limits import Limits
from translate.translator import Translator


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return tiny_run(tmp_path_factory.mktemp("runs"), directions="both")


@pytest.fixture(scope="module")
def client(run):
    with client_of([run], limits=Limits(characters=2000, texts=20)) as client:
        yield client


@pytest.fixture(scope="module")
def expected(run):
    """The translation of a text, alone."""
    translators = {backwards: Translator(run, backwards=backwards) for backwards in (False, True)}
    return lambda text, backwards=False: translators[backwards].translate([text])[0].text


# Translating


@pytest.mark.parametrize("how", ["json", "data", "params"])
def test_json_forms_and_query_parameters_are_one(client, expected, how):
    response = client.post("/translate", **{how: {"q": TEXT, **DE_EN}})
    assert response.status_code == 200
    assert response.json() == {"translatedText": expected(TEXT)}


def multipart(**fields):
    """Fields as a multipart form; a list is a field for each of its values."""
    values = {name: value if isinstance(value, list) else [value] for name, value in fields.items()}
    return [(name, (None, each)) for name, all_of_it in values.items() for each in all_of_it]


def test_a_multipart_form_is_read_too(client, expected):
    one = client.post("/translate", files=multipart(q=TEXT, **DE_EN))
    assert one.json() == {"translatedText": expected(TEXT)}
    several = client.post("/translate", files=multipart(q=[TEXT, "Hund"], **DE_EN))
    assert several.json() == {"translatedText": [expected(TEXT), expected("Hund")]}


def test_the_body_wins_over_the_query(client, expected):
    response = client.post("/translate?q=no&source=de", data={"q": TEXT, "target": "en"})
    assert response.json() == {"translatedText": expected(TEXT)}


@pytest.mark.parametrize("how", ["json", "data", "params"])
def test_several_texts_become_as_many(client, expected, how):
    texts = [TEXT, "Guten Morgen!", ""]
    response = client.post("/translate", **{how: {"q": texts, **DE_EN}})
    assert response.json() == {"translatedText": [expected(text) for text in texts[:2]] + [""]}


def test_either_direction_is_translated(client, expected):
    text = "Two children are playing."
    answer = post(client, q=text, source="en", target="de").json()
    assert answer == {"translatedText": expected(text, backwards=True)}


def test_alternatives_are_the_next_best(client, run):
    answer = post(client, q=TEXT, **DE_EN, alternatives=3).json()
    translator = Translator(run)
    search = dataclasses.replace(translator.config.search, n_best=4, beam_size=4)
    four = translator.translate([TEXT], search)
    texts = list(dict.fromkeys(text for text, _ in four[0].alternatives))
    assert answer == {"translatedText": texts[0], "alternatives": texts[1:]}
    assert len(texts) > 2


def test_every_field_means_the_same_however_it_comes(client):
    fields = {"q": f"<b>{TEXT}</b>", "source": "auto", "target": "en", "format": "html", "alternatives": "2"}
    answers = [client.post("/translate", **{how: fields}).json() for how in ("json", "data", "params")]
    answers.append(client.post("/translate", files=multipart(**fields)).json())
    assert answers == [answers[0]] * 4
    assert len(answers[0]["alternatives"]) == 2
    assert answers[0]["detectedLanguage"]["language"] == "de"
    texts = [answers[0]["translatedText"], *answers[0]["alternatives"]]
    assert all(text.startswith("<b>") and text.endswith("</b>") for text in texts)


def test_alternatives_of_several_texts_are_several_lists(client):
    answer = post(client, q=[TEXT, "Guten Morgen!"], **DE_EN, alternatives=1).json()
    single = post(client, q=TEXT, **DE_EN, alternatives=1).json()
    assert answer["alternatives"][0] == single["alternatives"]
    assert len(answer["alternatives"]) == 2


def test_lines_are_translated_one_by_one(client, expected):
    answer = post(client, q=f"{TEXT}\n\n  Guten Morgen!\r\n", **DE_EN).json()
    assert answer["translatedText"] == f"{expected(TEXT)}\n\n  {expected('Guten Morgen!')}\r\n"


@pytest.mark.parametrize("backwards", [False, True])
def test_tags_of_html_are_placed_by_the_alignment(client, run, backwards):
    translator = Translator(run, backwards=backwards)
    text = "<p>Guten Morgen, <b>ein Hund</b> läuft!</p>"
    way = {"source": "en", "target": "de"} if backwards else DE_EN
    answer = post(client, q=[text, "<i>Hund</i>"], **way, format="html", alternatives=1).json()
    document = read_html(text)
    search = dataclasses.replace(translator.config.search, n_best=2, beam_size=2)
    [found] = translator.translate(document.texts(), search)
    own = [[text] for text, _ in found.alternatives]
    expected = [document.join(each, translator.link_marked(document, each)) for each in own]
    assert [answer["translatedText"][0], *answer["alternatives"][0]] == list(dict.fromkeys(expected))
    assert all(each.startswith("<p>") and each.endswith("</p>") for each in expected)
    assert all(each.count("<b>") == each.count("</b>") == 1 for each in expected)
    assert answer["translatedText"][1].startswith("<i>")


def test_a_script_in_a_text_is_a_text(client):
    response = post(client, q="<script>alert(1)</script>", **DE_EN)
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["content-security-policy"] == "default-src 'self'"


def test_the_source_language_is_detected(client, expected):
    answer = post(client, q=TEXT, source="auto", target="en").json()
    assert answer["translatedText"] == expected(TEXT)
    assert answer["detectedLanguage"] == {"language": "de", "confidence": 100.0}
    both = post(client, q=[TEXT, "12"], source="auto", target="en").json()
    assert [found["language"] for found in both["detectedLanguage"]] == ["de", "de"]


def test_a_text_without_letters_has_some_language(client):
    assert post(client, q="12", source="auto", target="en").json()["detectedLanguage"] == {
        "language": "de",
        "confidence": 0.0,
    }


def test_requests_at_once_get_what_each_gets_alone(client, expected):
    texts = [f"{'Hund ' * (n % 5)}Wiese {n}" for n in range(24)]
    answers = {}

    def ask(text):
        answers[text] = post(client, q=text, **DE_EN).json()["translatedText"]

    threads = [threading.Thread(target=ask, args=(text,)) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {text: expected(text) for text in texts}
    numbers = client.get("/metrics").text
    batches = float(numbers.split("seq2see_batch_texts_count ")[1].split()[0])
    assert batches < float(numbers.split("seq2see_batch_texts_sum ")[1].split()[0])


def test_requests_of_all_kinds_at_once_get_what_each_gets_alone(client):
    asked = [
        request
        for number in range(6)
        for request in (
            ("/translate", {"q": f"Hund {number}", **DE_EN}),
            ("/translate", {"q": f"dog {number}", "source": "en", "target": "de"}),
            ("/translate", {"q": [f"<i>Kind {number}</i>", "Park"], **DE_EN, "format": "html"}),
            ("/translate", {"q": f"Wiese {number}", **DE_EN, "alternatives": 2}),
            ("/align", {"src": f"Hund {number}", "tgt": f"dog {number}", **DE_EN}),
            ("/align", {"src": f"dog {number}", "source": "en", "target": "de", "level": "subword"}),
            ("/detect", {"q": f"Zwei Kinder {number}"}),
        )
    ]
    with ThreadPoolExecutor(len(asked)) as pool:
        together = list(pool.map(lambda request: client.post(request[0], json=request[1]).json(), asked))
    alone = [client.post(path, json=fields).json() for path, fields in asked]
    assert [rounded(answer) for answer in together] == [rounded(answer) for answer in alone]
    assert len({str(answer) for answer in alone}) > 24


def rounded(answer):
    """An answer whose numbers may differ by what a batch changes of them."""
    if isinstance(answer, dict):
        return {name: rounded(value) for name, value in answer.items()}
    if isinstance(answer, list):
        return [rounded(value) for value in answer]
    return pytest.approx(answer, abs=1e-4) if isinstance(answer, float) else answer


# The other endpoints


def test_languages_name_what_each_can_become(client):
    assert client.get("/languages").json() == [
        {"code": "de", "name": "German", "targets": ["en"]},
        {"code": "en", "name": "English", "targets": ["de"]},
    ]


def test_the_languages_of_a_text_are_detected(client):
    found = post(client, "/detect", q="Zwei Kinder\nspielen").json()
    assert [each["language"] for each in found] == ["de", "en"]
    assert found[0]["confidence"] > 90
    assert post(client, "/detect", q="12").json() == [{"language": "de", "confidence": 0.0}]
    assert post(client, "/detect", q=["Zwei Kinder", "spielen"]).json() == found
    for how in ("data", "params"):
        assert client.post("/detect", **{how: {"q": "Zwei Kinder\nspielen"}}).json() == found
    assert error_of(post(client, "/detect")) == "Invalid request: missing q parameter"


def test_the_settings_are_those_a_page_of_libretranslate_reads(client):
    assert client.get("/frontend/settings").json() == {
        "charLimit": 2000,
        "frontendTimeout": 250,
        "apiKeys": False,
        "keyRequired": False,
        "suggestions": False,
        "filesTranslation": False,
        "supportedFilesFormat": [],
        "language": {
            "source": {"code": "de", "name": "German"},
            "target": {"code": "en", "name": "English"},
        },
    }


@pytest.mark.parametrize(("source", "target"), [("de", "en"), ("en", "de")])
def test_a_pair_is_aligned_as_by_the_command(client, run, source, target):
    from translate.alignment.extract import align_pairs, choose_attention
    from translate.alignment.words import at_level, links

    pair = ("Ein Hund läuft.", "A dog runs.")
    answer = post(client, "/align", src=pair[0], tgt=pair[1], source=source, target=target).json()
    translator = Translator(run)
    backwards = source == "en"
    reading = choose_attention(translator.config.model)
    asked = [pair[::-1] if backwards else pair]
    [pieces] = align_pairs(translator.model, translator.tokenizers, asked, reading, backwards=backwards)
    words = at_level(pieces, "word")
    assert (answer["src"], answer["tgt"]) == pair
    assert answer["src_tokens"] == ["Ein", "Hund", "läuft.", "</s>"]
    assert answer["tgt_tokens"] == ["A", "dog", "runs.", "</s>"]
    torch.testing.assert_close(
        torch.tensor(answer["weights"]), torch.tensor(words.weights), atol=1e-5, rtol=0
    )
    assert [tuple(link) for link in answer["links"]] == links(words)
    assert answer["attention"] == "additive attention"


def test_without_a_translation_the_models_own_is_aligned(client, expected):
    answer = post(client, "/align", src=TEXT, **DE_EN, level="subword").json()
    assert answer["tgt"] == expected(TEXT)
    assert answer["level"] == "subword pieces"


def test_a_choice_that_was_made_for_a_run_is_kept(tmp_path):
    from translate.alignment.choose import Choice, save_choice
    from translate.alignment.extract import choose_attention

    run = RunDirectory.open(tiny_run(tmp_path))
    save_choice(run, Choice(choose_attention(run.config.model, shift=1), 0.9, "by hand", 0.5, 7))
    with client_of([run.path]) as client:
        answers = [post(client, "/align", src=TEXT, tgt="A dog.", **DE_EN).json() for _ in range(2)]
    assert answers[0] == answers[1]
    assert "shifted (chosen on 7 pairs: by hand, 50.0%)" in answers[0]["attention"]
    assert all(answers[0]["weights"][tgt][src] >= 0.9 for src, tgt in answers[0]["links"])


def test_what_is_too_long_to_align_is_refused(client):
    error = error_of(post(client, "/align", src="ä" * 600 + " b" * 300, tgt="b", **DE_EN))
    assert error.startswith("Invalid request: a text has ")
    assert error.endswith(" pieces, more than the 1024 that are aligned")


def test_the_description_says_how_each_endpoint_is_called(client):
    described = client.get("/openapi.json").json()
    assert set(described["paths"]) == {
        *(
            "/translate",
            "/detect",
            "/align",
            "/languages",
            "/frontend/settings",
            "/health",
            "/ready",
            "/metrics",
        )
    }
    operation = described["paths"]["/translate"]["post"]
    assert set(operation["requestBody"]["content"]) == {
        "application/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
    }
    assert "q" in {parameter["name"] for parameter in operation["parameters"]}
    assert set(operation["responses"]) == {"200", "400", "403", "408", "413", "429", "500", "503", "504"}


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
def test_no_page_is_served_that_loads_from_elsewhere(client, path):
    assert error_of(client.get(path), 404) == "Not Found"


def test_the_page_and_what_it_needs_are_served_and_nothing_else(client):
    page = client.get("/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["content-security-policy"] == "default-src 'self'"
    needed = set(re.findall(r'(?:src|href)="(page/[^"]+)"', page.text))
    assert needed == {"page/app.js", "page/style.css", "page/icon.svg"}
    kinds = [client.get(f"/{name}").headers["content-type"] for name in sorted(needed)]
    assert kinds == ["text/javascript; charset=utf-8", "image/svg+xml", "text/css; charset=utf-8"]
    for path in ("/page/../app.py", "/page/%2e%2e/app.py", "/page/none.js"):
        assert error_of(client.get(path), 404) == "Not Found"
