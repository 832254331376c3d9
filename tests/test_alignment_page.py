import base64
import hashlib
import json
import re
import zlib
from html.parser import HTMLParser

import numpy as np
import pytest
from pages import HEADS, LAYERS, READING, make_page, sentence

from translate.alignment import page as module
from translate.alignment.aer import Gold
from translate.alignment.extract import Reading

HOSTILE = "</script><img onerror=x> <script>1</script> &lt; \u2028 </textarea> <!--"


def elements(path):
    """Names of a page's elements, in their order."""
    names = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, _: names.append(tag)
    parser.feed(path.read_text(encoding="utf-8"))
    return names


def contents(path):
    (data,) = re.findall(r'id="data">([^<]*)<', path.read_text(encoding="utf-8"))
    unpacked = zlib.decompress(base64.b64decode(data))
    length = int.from_bytes(unpacked[:4], "big")
    return json.loads(unpacked[4 : 4 + length]), np.frombuffer(unpacked[4 + length :], dtype=np.uint8)


def test_weights_are_bytes_in_the_order_of_the_sentences(tmp_path):
    pairs = [sentence("eine Katze", "a cat"), sentence(" ", "x"), sentence("zwei", "two", "a pair")]
    make_page(tmp_path / "a.html", *pairs)
    expected = np.concatenate([it.maps.weights.ravel() for pair in pairs for it in pair.hypotheses])
    found = contents(tmp_path / "a.html")[1] / 255
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= 0.5 / 255 + 1e-6


@pytest.mark.parametrize("head", [None, 1])
def test_beyond_the_limit_only_the_chosen_map_is_kept(tmp_path, monkeypatch, head):
    pairs = [sentence("eine Katze", "a cat"), sentence("zwei", "two")]
    weights = sum(pair.hypotheses[0].maps.weights.size for pair in pairs)
    reading = Reading(1, head, 1, "")
    monkeypatch.setattr(module, "MOST_WEIGHTS", weights)
    assert make_page(tmp_path / "a.html", *pairs, reading=reading).maps == LAYERS * HEADS
    monkeypatch.setattr(module, "MOST_WEIGHTS", weights - 1)
    written = make_page(tmp_path / "a.html", *pairs, reading=reading)
    assert (written.maps, written.all_maps, written.sentences) == (1, LAYERS * HEADS, 2)
    assert written.size == (tmp_path / "a.html").stat().st_size
    layer = pairs[0].hypotheses[0].maps.weights[1]
    expected = (layer.mean(axis=0) if head is None else layer[head]).ravel()
    found = contents(tmp_path / "a.html")[1][: len(expected)] / 255
    assert np.abs(found - expected).max() <= 0.5 / 255 + 1e-6


def test_texts_never_become_html(tmp_path):
    make_page(tmp_path / "plain.html", sentence("eine Katze", "a cat"))
    make_page(tmp_path / "a.html", sentence(HOSTILE, HOSTILE), name=f"name {HOSTILE}")
    assert elements(tmp_path / "a.html") == elements(tmp_path / "plain.html")
    found = contents(tmp_path / "a.html")[0]["sentences"][0]
    assert found["src"] == found["hypotheses"][0]["tgt"] == HOSTILE.replace("\u2028", "\ufffd")


def test_the_policy_names_the_script_and_the_style_by_their_hashes(tmp_path):
    make_page(tmp_path / "a.html", sentence("eine Katze", "a cat"))
    text = (tmp_path / "a.html").read_text(encoding="utf-8")
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', text)
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    for kind, content in (("script", script), ("style", style)):
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}';" in policy
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert "innerHTML" not in script


def test_a_page_names_nothing_outside_itself(tmp_path):
    make_page(tmp_path / "a.html", sentence("eine Katze", "a cat"))
    text = (tmp_path / "a.html").read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?:|@import|url\(|fetch\(|XMLHttpRequest|sendBeacon", text)
    assert re.findall(r'(?:src|href)="([^"]*)"', text) == ["data:,"]


def test_a_blank_translation_leaves_the_source_of_the_others(tmp_path):
    make_page(tmp_path / "a.html", sentence("eine Katze", "", "a cat"), sentence("", "x"))
    first, second = contents(tmp_path / "a.html")[0]["sentences"]
    assert len(first["pieces"]) == 5
    assert [len(it["pieces"]) for it in first["hypotheses"]] == [0, 3]
    assert second["pieces"] == second["hypotheses"][0]["pieces"] == []


def test_the_settings_are_what_is_shown_first(tmp_path):
    gold = Gold(frozenset({(1, 0), (0, 1)}), frozenset({(1, 1)}))
    pair = sentence("eine Katze", "a cat", gold=gold)
    make_page(tmp_path / "a.html", pair, level="subword", threshold=0.25)
    found, _ = contents(tmp_path / "a.html")
    assert (found["level"], found["threshold"]) == ("subword", 0.25)
    assert found["reading"] == READING._asdict()
    assert found["sentences"][0]["gold"] == {"sure": [[0, 1], [1, 0]], "possible": [[1, 1]]}
    make_page(tmp_path / "a.html", pair, level="token")
    assert contents(tmp_path / "a.html")[0]["level"] == "word"


def test_the_same_sentences_give_the_same_bytes(tmp_path):
    for name in "ab":
        make_page(tmp_path / name, sentence("eine Katze", "a cat"))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
