import hashlib
import json
import logging
import sys
import zipfile
from pathlib import Path

import pytest

from translate.corpora.home_assistant import (
    PIP_DOWNLOAD,
    SHA256,
    WHEEL,
    download_wheel,
    make_home_assistant,
    read_texts,
)
from translate.corpora.split import source_group
from translate.errors import InputError

DATA = Path(__file__).parents[1] / "data"
ROOMS = ["attic", "kitchen", "garden", "garage", "cellar", "bath", "hall", "porch", "study", "lounge"]
TEXTS = {
    "light": {
        "en": {
            "title": "Light",
            "state": {"on": "On", "off": " Off\n now "},
            "rooms": {r: f"The {r}" for r in ROOMS},
        },
        "de": {
            "title": "Licht",
            "state": {"on": "An", "off": "Jetzt\r\n  aus"},
            "rooms": {r: f"DE {r}" for r in ROOMS},
        },
        "es": {"title": "Light", "state": {"on": "Sí", "off": "No"}, "rooms": {r: f"ES {r}" for r in ROOMS}},
    },
    "switch": {
        "en": {
            "on": "On",
            "wifi": "Wi-Fi",
            "ref": "See [%key:x::y%]",
            "blank": " ",
            "only": "Only English",
            "n": 3,
        },
        "de": {
            "on": "An",
            "wifi": "Wi-Fi",
            "ref": "Siehe [%key:x::y%]",
            "blank": "leer",
            "extra": "Nur Deutsch",
        },
        "es": {"on": "Sí", "wifi": "Wifi"},
    },
    "fan": {"en": {"on": "On"}, "de": {"on": "Ein"}},
}


@pytest.fixture
def data_dir(tmp_path):
    """A folder with a tiny wheel in it."""
    with zipfile.ZipFile(tmp_path / WHEEL, "w") as archive:
        for component, languages in TEXTS.items():
            for language, texts in languages.items():
                name = f"homeassistant/components/{component}/translations/{language}.json"
                archive.writestr(name, json.dumps(texts, ensure_ascii=False))
        archive.writestr("homeassistant/components/light/strings.json", '{"title": "Not a translation"}')
        archive.writestr(
            "homeassistant/components/light/sub/translations/fr.json", '{"title": "Trop profond"}'
        )
    return tmp_path


def sha256_of(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def make(data_dir, src_lang="en", tgt_lang="de", seed=1):
    return make_home_assistant(data_dir, src_lang, tgt_lang, seed, sha256=sha256_of(data_dir / WHEEL))


def pairs_of(corpus):
    return {pair for split in corpus.splits.values() for pair in zip(split["src"], split["tgt"], strict=True)}


def test_texts_are_joined_on_component_and_key(data_dir):
    pairs = pairs_of(make(data_dir))
    rooms = {(f"The {room}", f"DE {room}") for room in ROOMS}
    assert pairs - {("On", "Ein")} == rooms | {("Light", "Licht"), ("On", "An"), ("Off now", "Jetzt aus")}


def test_what_is_dropped_is_counted_by_reason(data_dir):
    assert make(data_dir).dropped == {
        "text in one language only": 2,
        "empty text": 1,
        "reference to another text ([%key:...])": 1,
        "not translated (texts are equal)": 1,
        "repeated pair": 1,
        "further translation of a held-out source": 0,
    }


def test_english_left_over_in_either_of_two_other_languages_is_not_translated(data_dir):
    corpus = make(data_dir, "es", "de")
    assert {"Light", "Wifi"}.isdisjoint(src for src, _ in pairs_of(corpus))
    assert corpus.dropped["not translated (texts are equal)"] == 2


def test_a_held_out_source_keeps_its_commonest_translation(data_dir):
    corpora = [make(data_dir, seed=seed) for seed in range(40)]
    held_out = [
        pair
        for corpus in corpora
        for name in ("valid", "test")
        for pair in zip(*corpus.splits[name][:].values(), strict=True)
    ]
    assert ("On", "An") in held_out
    assert ("On", "Ein") not in held_out


def test_no_source_group_is_in_two_parts(data_dir):
    groups = [{source_group(text) for text in split["src"]} for split in make(data_dir).splits.values()]
    assert len(groups) == 3
    assert groups[0] & groups[1] == groups[0] & groups[2] == groups[1] & groups[2] == set()


def test_the_same_seed_gives_the_same_corpus(data_dir):
    first, again, other = make(data_dir), make(data_dir), make(data_dir, seed=2)
    assert [split[:] for split in first.splits.values()] == [split[:] for split in again.splits.values()]
    assert [split[:] for split in first.splits.values()] != [split[:] for split in other.splits.values()]


def test_licence_citation_and_languages_are_stated(data_dir):
    corpus = make(data_dir, "de", "en")
    assert (corpus.licence, corpus.src_lang, corpus.tgt_lang) == ("Apache-2.0", "de", "en")
    assert "Home Assistant 2026.2.3" in corpus.citation
    assert corpus.url == "https://www.home-assistant.io"


def test_an_unknown_language_names_the_likely_one_and_all(data_dir):
    message = r"^home-assistant has no language 'dee': did you mean 'de'\? There are de, en, es$"
    with pytest.raises(InputError, match=message):
        make(data_dir, "en", "dee")


def test_an_unknown_language_unlike_any_names_all(data_dir):
    with pytest.raises(InputError, match=r"^home-assistant has no language 'zh-Hans': There are de, en, es$"):
        make(data_dir, "zh-Hans", "de")


def test_only_texts_of_components_are_read(data_dir):
    (texts,) = read_texts(data_dir / WHEEL, ["en"])
    assert texts["light", "state.on"] == "On"
    assert ("switch", "n") not in texts
    assert "Not a translation" not in texts.values()


def fake_pip(tmp_path, body):
    """A command that gets "-d FOLDER" added, as pip does."""
    script = tmp_path / "fake_pip.py"
    script.write_text(
        f"import pathlib, sys\nfolder = pathlib.Path(sys.argv[sys.argv.index('-d') + 1])\n{body}\n"
    )
    return [sys.executable, str(script)]


def test_the_wheel_is_downloaded_once(tmp_path, caplog):
    data_dir, log_file = tmp_path / "new" / "data", tmp_path / "calls"
    command = fake_pip(
        tmp_path, f"(folder / {WHEEL!r}).write_bytes(b'wheel')\nopen({str(log_file)!r}, 'a').write('called ')"
    )
    sha256 = hashlib.sha256(b"wheel").hexdigest()
    with caplog.at_level(logging.INFO, "translate"):
        for _ in range(2):
            assert download_wheel(data_dir, sha256=sha256, command=command) == data_dir / WHEEL
    assert (data_dir / WHEEL).read_bytes() == b"wheel"
    assert [path.name for path in data_dir.iterdir()] == [WHEEL]
    assert log_file.read_text() == "called "
    assert caplog.text.count(f"downloading {WHEEL} (51 MB) from PyPI") == 1


def test_a_download_with_another_checksum_is_deleted(tmp_path):
    command = fake_pip(tmp_path, f"(folder / {WHEEL!r}).write_bytes(b'other')")
    message = r"cannot download .*: the file pip delivered has another SHA-256 than .*, and was deleted\. "
    with pytest.raises(InputError, match=message):
        download_wheel(tmp_path / "data", command=command)
    assert list((tmp_path / "data").iterdir()) == []


def test_a_wheel_with_another_checksum_is_not_used(data_dir):
    message = r"\.whl is damaged or another file \(its SHA-256 is not 8167820c.*\): delete it, and it is"
    with pytest.raises(InputError, match=message):
        make_home_assistant(data_dir)


def test_a_failing_pip_is_quoted_with_another_way(tmp_path):
    command = fake_pip(tmp_path, "sys.exit('ERROR: No matching distribution')")
    message = (
        r"^cannot download homeassistant-2026\.2\.3-py3-none-any\.whl: pip stopped with exit code 1: "
        r"ERROR: No matching distribution\. pip and a way to PyPI are needed, or the file itself: "
        r"download it from PyPI elsewhere and put it into .*data$"
    )
    with pytest.raises(InputError, match=message):
        download_wheel(tmp_path / "data", command=command)
    assert list((tmp_path / "data").iterdir()) == []


def test_a_missing_pip_is_quoted(tmp_path):
    command = [sys.executable, "-m", "no_pip_here"]
    with pytest.raises(
        InputError, match=r"exit code 1: .*No module named no_pip_here\. pip and a way to PyPI"
    ):
        download_wheel(tmp_path, command=command)


def test_a_silent_failure_is_told(tmp_path):
    with pytest.raises(InputError, match="exit code 7: it said nothing"):
        download_wheel(tmp_path, command=fake_pip(tmp_path, "sys.exit(7)"))


def test_a_command_that_cannot_be_started_is_told(tmp_path):
    with pytest.raises(InputError, match=r"no-such-command cannot be started \(.+\)"):
        download_wheel(tmp_path, command=[str(tmp_path / "no-such-command")])


def test_a_download_of_nothing_is_told(tmp_path):
    with pytest.raises(InputError, match=r"pip delivered no file homeassistant-2026\.2\.3-py3-none-any\.whl"):
        download_wheel(tmp_path, command=fake_pip(tmp_path, ""))


def test_pip_is_asked_for_exactly_this_wheel():
    assert PIP_DOWNLOAD[:5] == (sys.executable, "-m", "pip", "download", "homeassistant==2026.2.3")
    assert {"--no-deps", "--ignore-requires-python", "--only-binary=:all:"} <= set(PIP_DOWNLOAD)


@pytest.mark.optional
@pytest.mark.skipif(
    not (DATA / WHEEL).is_file(), reason=f"{WHEEL} is not in data/ (`seq2see corpus home-assistant`)"
)
def test_the_real_wheel_has_the_known_pairs():
    corpus = make_home_assistant(DATA, "en", "de", sha256=SHA256)
    sizes = {name: len(split) for name, split in corpus.splits.items()}
    assert sizes["valid"] == sizes["test"] == len(set(corpus.splits["test"]["src"])) == 1000
    assert sum(sizes.values()) + corpus.dropped["further translation of a held-out source"] == 24_676
    groups = [{source_group(text) for text in split["src"]} for split in corpus.splits.values()]
    assert groups[0] & groups[1] == groups[0] & groups[2] == groups[1] & groups[2] == set()
