import gzip
import html
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tiny import tiny_export, tiny_run

from translate import Translator
from translate.alignment.words import word_links
from translate.cli import main
from translate.commands.translate import text_is_waiting
from translate.config.search import SearchConfig
from translate.documents.html import read_html
from translate.model import Seq2Seq

ROOT = Path(__file__).parents[1]
ENGINE = "translating with torch in float32 on cpu\n"  # on stderr, always
LINES = ["Ein Hund läuft.", "", "Zwei Kinder", "Guten Morgen!"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return str(tiny_run(tmp_path_factory.mktemp("translate"), max_length=20))


@pytest.fixture(scope="module")
def expected(run):
    return [translation.text for translation in Translator(run, "cpu").translate(LINES)]


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.txt").write_bytes(joined(LINES).encode())


def joined(lines):
    return "".join(f"{line}\n" for line in lines)


def translate(*arguments):
    return main(["translate", *map(str, arguments), "--threads", "1"])


class Terminal(io.BytesIO):
    """What a person types: each read gives one line."""

    def read1(self, _size=-1):
        return self.readline()


def feed(monkeypatch, content, *, terminal=False):
    stream = io.TextIOWrapper(Terminal(content) if terminal else io.BytesIO(content), encoding="utf-8")
    stream.isatty = lambda: terminal
    monkeypatch.setattr(sys, "stdin", stream)


# Where text comes from and goes to


def test_each_line_of_standard_input_becomes_a_line_of_standard_output(run, expected, monkeypatch, capsys):
    feed(monkeypatch, joined(LINES).encode())
    assert translate(run) == 0
    assert capsys.readouterr() == (joined(expected), ENGINE)


@pytest.mark.parametrize("source", ["in.txt", "-"])
def test_src_is_a_file_or_standard_input(source, run, expected, monkeypatch, capsys):
    feed(monkeypatch, joined(LINES).encode())
    assert translate(run, "--src", source) == 0
    assert capsys.readouterr().out == joined(expected)


def test_a_packed_file_is_read_as_is(run, expected, capsys):
    Path("in.gz").write_bytes(gzip.compress(joined(LINES).encode()))
    translate(run, "--src", "in.gz")
    assert capsys.readouterr().out == joined(expected)


def test_sentences_may_stand_on_the_command_line(run, expected, capsys):
    assert translate(run, LINES[0], LINES[2]) == 0
    assert capsys.readouterr().out == joined([expected[0], expected[2]])


def test_a_sentence_is_taken_as_it_is(run, capsys):
    texts = ["null", "[1, 2]", "a: b", "[" * 9999]
    assert translate(run, *texts, "--json") == 0
    assert [json.loads(line)["src"] for line in capsys.readouterr().out.splitlines()] == texts


def test_a_last_line_may_lack_its_end_and_lines_may_end_as_on_windows(run, expected, monkeypatch, capsys):
    feed(monkeypatch, "\r\n".join(LINES).encode())
    translate(run)
    assert capsys.readouterr().out == joined(expected)


def test_no_lines_give_no_lines(run, monkeypatch, capsys):
    feed(monkeypatch, b"")
    assert translate(run) == 0
    assert capsys.readouterr() == ("", ENGINE)


def test_more_lines_than_one_read_holds_come_out_in_order(run, expected, monkeypatch, capsys):
    monkeypatch.setattr("translate.commands.translate.CHUNK_BYTES", 7)
    feed(monkeypatch, joined(LINES).encode())
    translate(run)
    assert capsys.readouterr().out == joined(expected)
    monkeypatch.setattr("translate.commands.translate.CHUNK_LINES", 3)
    translate(run, "--src", "in.txt")
    assert capsys.readouterr().out == joined(expected)


def test_several_processes_translate_what_one_does(run, expected, monkeypatch, capsys):
    monkeypatch.setattr("translate.commands.translate.CHUNK_LINES", 1)
    assert translate(run, "--src", "in.txt", "--processes", 2, "--json") == 0
    out, err = capsys.readouterr()
    assert [json.loads(line)["translation"] for line in out.splitlines()] == expected
    assert err == ENGINE


@pytest.mark.skipif(os.name != "posix", reason="elsewhere nobody can ask a pipe")
def test_text_is_waiting_where_a_pipe_or_a_file_has_more(monkeypatch):
    reading, writing = os.pipe()
    with os.fdopen(reading) as pipe, Path("in.txt").open() as file:
        monkeypatch.setattr(sys, "stdin", pipe)
        assert not text_is_waiting()
        os.write(writing, b"Hund\n")
        assert text_is_waiting()
        pipe.isatty = lambda: True
        assert not text_is_waiting()  # a person is answered line by line
        monkeypatch.setattr(sys, "stdin", file)
        assert text_is_waiting()
        feed(monkeypatch, b"Hund\n")  # nobody knows
        assert not text_is_waiting()
        os.close(writing)


def test_a_person_is_prompted_on_stderr(run, expected, monkeypatch, capsys):
    feed(monkeypatch, joined(LINES).encode(), terminal=True)
    translate(run)
    assert capsys.readouterr() == (joined(expected), ENGINE + "> " * 5 + "\n")


def test_a_line_that_comes_down_a_pipe_is_answered_at_once(run, expected):
    command = [sys.executable, "-m", "seq2see", "translate", run, "--threads", "1"]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"
    ) as process:
        for line, answer in zip(LINES, expected, strict=True):
            process.stdin.write(f"{line}\n")
            process.stdin.flush()
            assert process.stdout.readline() == f"{answer}\n"
        process.stdin.close()
    assert process.returncode == 0


def test_out_is_written_whole(run, expected, capsys):
    assert translate(run, "--src", "in.txt", "--out", "out.txt") == 0
    assert Path("out.txt").read_bytes() == joined(expected).encode()
    assert {path.name for path in Path().iterdir()} == {"in.txt", "out.txt"}
    assert capsys.readouterr().out == ""


def test_out_is_not_written_at_all_when_something_fails(run):
    Path("out.txt").write_text("old")
    Path("in.txt").write_text("Hund\n" * 3 + "Zwei Kinder spielen im Park und im Wald und auf der Wiese.\n")
    assert translate(run, "--src", "in.txt", "--out", "out.txt", "--on-long", "error") == 3
    assert Path("out.txt").read_text() == "old"
    assert {path.name for path in Path().iterdir()} == {"in.txt", "out.txt"}


def test_out_may_be_what_is_no_file(run):
    if not Path("/dev/null").exists():
        pytest.skip("a system without /dev/null")
    assert translate(run, "Hund", "--out", "/dev/null") == 0
    assert not Path("/dev/null").is_file()


# What is shown


def test_json_has_source_translation_and_score(run, expected, capsys):
    translate(run, "--src", "in.txt", "--json")
    objects = [json.loads(line) for line in capsys.readouterr().out.split("\n")[:-1]]
    assert [list(each) for each in objects] == [["src", "translation", "score"]] * 4
    assert [each["src"] for each in objects] == LINES
    assert [each["translation"] for each in objects] == expected
    assert [each["score"] < 0 for each in objects] == [True, False, True, True]


def test_json_has_the_n_best_as_alternatives(run, expected, capsys):
    translate(run, LINES[0], "--json", "--n-best", 2)
    (line,) = capsys.readouterr().out.splitlines()
    alternatives = json.loads(line)["alternatives"]
    assert alternatives[0]["translation"] == expected[0]
    assert [list(each) for each in alternatives] == [["translation", "score"]] * 2


def test_n_best_lines_are_numbered_from_0(run, expected, capsys):
    translate(run, *LINES, "--n-best", 2)
    lines = [line.split(" ||| ") for line in capsys.readouterr().out.split("\n")[:-1]]
    assert [number for number, _, _ in lines] == ["0", "0", "1", "2", "2", "3", "3"]
    assert lines[0][1] == expected[0]
    assert lines[2][1:] == ["", "0.0000"]
    assert float(lines[0][2]) >= float(lines[1][2])


def test_other_fields_of_json_input_pass_through(run, expected, monkeypatch, capsys):
    given = [{"id": 7, "src": LINES[0], "é": [None]}, {"src": "", "translation": "old"}]
    feed(monkeypatch, joined(json.dumps(each) for each in given).encode() + b"\n")
    translate(run, "--json", "--json-input")
    first, second, third = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert list(first) == ["id", "src", "é", "translation", "score"]
    assert (first["id"], first["é"], first["translation"]) == (7, [None], expected[0])
    assert second["translation"] == ""  # ours
    assert third == {"src": "", "translation": "", "score": 0.0}  # the blank line


def test_json_input_without_json_gives_plain_lines(run, expected, capsys):
    translate(run, json.dumps({"src": LINES[0]}), "--json-input")
    assert capsys.readouterr().out == f"{expected[0]}\n"


def test_json_that_holds_what_is_no_text_comes_back_as_json(run, capsys):
    given = '{"src": "Hund \\ud800", "other": "\\udfff"}'
    assert translate(run, given, "--json", "--json-input") == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["src"] == "Hund \ud800"
    assert json.loads(line)["other"] == "\udfff"


# How is searched


def test_flags_go_before_the_runs_search(run, capsys):
    search = SearchConfig(
        beam_size=3,
        length_penalty=0.5,
        max_length_ratio=0.0,
        max_length_offset=5,
        min_length=4,
        no_repeat_ngram=1,
    )
    (wanted,) = Translator(run, "cpu").translate(LINES[:1], search)
    flags = "--beam-size 3 --length-penalty 0.5 --max-length 5 --min-length 4 --no-repeat-ngram 1"
    translate(run, LINES[0], *flags.split())
    assert capsys.readouterr().out == f"{wanted.text}\n"
    translate(
        run, LINES[0], *flags.replace("--max-length 5", "--max-length-ratio 0 --max-length-offset 5").split()
    )
    assert capsys.readouterr().out == f"{wanted.text}\n"


def test_the_size_of_batches_changes_nothing(run, expected, capsys):
    translate(run, *LINES, "--batch-tokens", 1)
    assert capsys.readouterr().out == joined(expected)


@pytest.mark.parametrize("how", ["split", "truncate"])
def test_a_long_line_is_one_line_out_and_said_on_stderr(how, run, capsys):
    assert translate(run, "Hund", "Zwei Kinder spielen im Park. " * 3, "Hund", "--on-long", how) == 0
    out, err = capsys.readouterr()
    assert out.count("\n") == 3
    assert err.startswith(ENGINE + "warning: longer than the 20 pieces the model takes at once, ")
    assert ": line 2 (" in err


def test_lines_are_counted_across_chunks(run, monkeypatch, capsys):
    monkeypatch.setattr("translate.commands.translate.CHUNK_LINES", 2)
    Path("in.txt").write_text("Hund\n" * 5 + "Zwei Kinder spielen im Park. " * 3 + "\n")
    assert translate(run, "--src", "in.txt", "--on-long", "error") == 3
    out, err = capsys.readouterr()
    assert out.count("\n") == 4  # what was done before
    assert "error: line 6 has " in err


# What is refused


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["Hund", "--src", "in.txt"], "sentences are given, and --src too: leave one out"),
        (["Hund", "--n-best", "9"], "search.n_best is 9, more than search.beam_size 2"),
        (["Hund", "--mbr", "9"], "search.mbr is 9, more than search.beam_size 2"),
        (
            ["Hund", "--mbr", "2", "--n-best", "2"],
            "search.mbr is 2, which chooses one translation, but search.n_best is 2: leave one at its "
            "default (mbr 0, n_best 1)",
        ),
        (["Hund", "--beam-size", "0"], "search.beam_size is 0: it must be at least 1"),
        (["Hund", "--max-length", "0"], "--max-length is 0: it must be at least 1"),
        (["Hund", "--batch-tokens", "0"], "--batch-tokens is 0: it must be at least 1"),
        (["Hund", "--threads=-1"], "--threads is -1: it must be at least 0"),
        (["Hund", "--processes=-1"], "--processes is -1: it must be at least 0"),
        (
            ["Hund", "--max-length", "9", "--max-length-ratio", "2"],
            "--max-length and --max-length-ratio are both given: leave one out",
        ),
        (["Hund", "--beam", "3"], "unknown flag --beam; did you mean --beam-size?"),
    ],
)
def test_what_makes_no_sense_is_a_usage_error(arguments, message, run, capsys):
    assert main(["translate", run, *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert f"seq2see translate: error: {message}\n" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--src", "none.txt"], "none.txt: no such file"),
        (["Hund", "--out", "none/out.txt"], "none/out.txt cannot be written: its folder does not exist"),
        (["Hund", "--out", "."], ". is a folder: --out must be a file"),
        (
            ["[1]", "--json-input"],
            "the texts given: line 1 is '[1]'; with --json-input it must be a JSON object",
        ),
        (
            ['{"src": 1}', "--json-input"],
            "the texts given: line 1 is '{\"src\": 1}'; with --json-input it must",
        ),
        (["[" * 99999, "--json-input"], "the texts given: line 1 is '[[[["),
        (
            ["--src", "in.txt", "--json-input"],
            "in.txt: line 1 is 'Ein Hund läuft.'; with --json-input it must",
        ),
    ],
)
def test_what_is_missing_or_bad_is_an_input_error(arguments, message, run, capsys):
    assert translate(run, *arguments) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert f"seq2see translate: error: {message}" in err


def test_a_run_that_is_none_is_an_input_error(capsys):
    assert translate("nothing", "Hund") == 3
    assert "nothing: no such run directory" in capsys.readouterr().err


def test_text_that_is_no_utf8_is_read_with_one_warning_or_refused(run, monkeypatch, capsys):
    for arguments in ([], ["--src", "bad.txt"]):
        Path("bad.txt").write_bytes(b"Hund\nZwei\xff\nDrei\xfe\n")
        feed(monkeypatch, Path("bad.txt").read_bytes())
        name = "bad.txt" if arguments else "standard input"
        assert translate(run, *arguments) == 0
        out, err = capsys.readouterr()
        assert out.count("\n") == 3
        assert err.replace(ENGINE, "") == (
            f"warning: {name}: line 2, byte 5 (0xff) is not valid UTF-8; "
            "such bytes are read as U+FFFD from here on\n"
        )
        feed(monkeypatch, Path("bad.txt").read_bytes())
        assert translate(run, *arguments, "--strict") == 3
        assert f"error: {name}: line 2, byte 5 (0xff) is not valid UTF-8" in capsys.readouterr().err


@pytest.mark.skipif(os.name != "posix", reason="how a reader that goes away is told is for POSIX systems")
def test_a_reader_that_goes_away_is_no_error(run):
    command = f"yes Hund | {sys.executable} -m seq2see translate {run} --threads 1 | head -n 1"
    result = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, check=False)
    assert result.stdout.count(b"\n") == 1
    assert result.stderr.decode() == ENGINE


def test_backwards(tmp_path, capsys):
    run = tiny_run(tmp_path, directions="both")
    wanted = Translator(run, "cpu", backwards=True).translate(LINES)
    assert translate(run, "--src", "in.txt", "--backwards", "--json") == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [each["score"] for each in found] == [round(each.score, 4) for each in wanted]
    assert found[0]["score"] != round(Translator(run, "cpu").translate(LINES)[0].score, 4)


def test_backwards_is_refused_for_a_run_that_only_goes_forward(run, capsys):
    assert translate(run, "--src", "in.txt", "--backwards") == 2
    assert "was trained to translate forward only" in capsys.readouterr().err


def test_an_ensemble_translates_and_is_named(run, tmp_path, capsys):
    other = str(tiny_run(tmp_path, max_length=20, seed=1))
    wanted = Translator(run, "cpu", ensemble=[other]).translate(LINES)
    assert translate(run, "--src", "in.txt", "--json", "--ensemble", other) == 0
    out, err = capsys.readouterr()
    objects = [json.loads(line) for line in out.splitlines()]
    assert [each["translation"] for each in objects] == [each.text for each in wanted]
    assert [each["score"] for each in objects] == [round(each.score, 4) for each in wanted]
    assert all(each["ensemble"] == [run, other] for each in objects)
    assert err == f"translating with an ensemble of {run} and {other} by torch in float32 on cpu\n"


def test_an_ensemble_is_for_torch(run, capsys):
    assert translate(run, "Hund", "--engine", "ctranslate2", "--ensemble", run) == 2
    assert "error: engine ctranslate2 translates with one model: an ens" in capsys.readouterr().err


# What is wanted beyond the best


def test_prefix(run, capsys):
    assert translate(run, *LINES, "--prefix", "A dog") == 0
    out, err = capsys.readouterr()
    assert [line.startswith("A dog") for line in out.split("\n")[:-1]] == [True, False, True, True]
    assert err == ENGINE


def test_samples_are_drawn_by_the_seed(run, capsys):
    drawing = ["--sample", "--top-k", "50", "--top-p", "0.9", "--temperature", "1.5"]
    for seed in (1, 1, 2):
        assert translate(run, *LINES, *drawing, "--seed", seed) == 0
    outs = capsys.readouterr().out.split("\n")
    assert outs[:4] == outs[4:8] != outs[8:12]


def test_greedy_translation_takes_a_softmax_only_to_say_how_probable_it_is(run, capsys, monkeypatch):
    translate(run, *LINES, "--beam-size", "1", "--json")
    greedy = [json.loads(line)["translation"] for line in capsys.readouterr().out.splitlines()]
    monkeypatch.setattr(Seq2Seq, "step", None)
    assert translate(run, *LINES, "--beam-size", "1") == 0
    assert capsys.readouterr().out == joined(greedy)


def test_several_samples_of_each_line(run, capsys):
    assert translate(run, LINES[0], LINES[2], "--sample", "--n-best", "3") == 0
    several = [line.split(" ||| ") for line in capsys.readouterr().out.split("\n")[:-1]]
    assert [fields[0] for fields in several] == ["0"] * 3 + ["1"] * 3
    translate(run, LINES[0], LINES[2], "--sample")
    assert capsys.readouterr().out == joined([several[0][1], several[3][1]])


def test_drawing_from_one_piece_is_greedy(run, capsys):
    translate(run, *LINES, "--beam-size", "1")
    greedy = capsys.readouterr().out
    translate(run, *LINES, "--sample", "--top-k", "1")
    assert capsys.readouterr().out == greedy


def test_a_glossary_is_kept_to_and_its_rate_is_said(run, capsys):
    Path("terms.tsv").write_text("Hund\tdog\nKinder\tchildren\nPark\tpark\n", encoding="utf-8")
    assert translate(run, *LINES, "--glossary", "terms.tsv", "--beam-size", "4") == 0
    out, err = capsys.readouterr()
    assert "dog" in out.split("\n")[0]
    assert "children" in out.split("\n")[2]
    assert err == f"{ENGINE}glossary: 2 of 2 terms (100.0%) are in the translations\n"
    translate(run, LINES[3], "--glossary", "terms.tsv")
    assert capsys.readouterr().err == f"{ENGINE}glossary: the text has none of its terms\n"


def test_several_processes_draw_and_keep_to_terms_as_one_does(run, monkeypatch, capsys):
    monkeypatch.setattr("translate.commands.translate.CHUNK_LINES", 1)
    Path("terms.tsv").write_text("Hund\tdog\n", encoding="utf-8")
    for wanted in (["--sample"], ["--glossary", "terms.tsv"]):
        translate(run, "--src", "in.txt", *wanted, "--processes", 1)
        alone = capsys.readouterr()
        translate(run, "--src", "in.txt", *wanted, "--processes", 2)
        assert capsys.readouterr() == alone


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--seed", "1"], "--seed is about drawing: give --sample too"),
        (["--top-k", "1"], "--top-k is about drawing: give --sample too"),
        (["--sample", "--temperature", "0"], "--temperature is 0.0: it must be greater than 0"),
        (["--sample", "--top-k", "0"], "--top-k is 0: it must be at least 1"),
        (["--sample", "--top-p", "0"], "--top-p is 0.0: it must be greater than 0 and at most 1"),
        (["--sample", "--top-p", "1.1"], "--top-p is 1.1: it must be greater than 0 and at most 1"),
        (["--sample", "--seed=-1"], "--seed is -1: it must be at least 0"),
        (["--sample", "--n-best", "0"], "search.n_best is 0: it must be at least 1"),
        (["--sample", "--mbr", "2"], "--mbr looks for the best, --sample draws: leave one out"),
        (["--sample", "--beam-size", "2"], "--beam-size looks for the best, --sample draws: leave one out"),
        (["--sample", "--glossary", "a"], "--glossary looks for the best, --sample draws: leave one out"),
        (["--prefix", "A", "--engine", "ctranslate2"], "--prefix is not for engine ctranslate2: choose"),
        (["--sample", "--engine", "ctranslate2"], "--sample is not for engine ctranslate2: choose"),
        (["--glossary", "a", "--engine", "ctranslate2"], "--glossary is not for engine ctranslate2: choose"),
    ],
)
def test_what_cannot_be_wanted_together_is_a_usage_error(arguments, message, run, capsys):
    assert main(["translate", run, "Hund", *arguments]) == 2
    assert f"seq2see translate: error: {message}" in capsys.readouterr().err


def test_placeholders_are_kept_and_it_is_said_how(run, capsys):
    lines = ["{name} ist da", "Hund", "<b>%s</b>"]
    assert translate(run, *lines, "--keep-placeholders", "--beam-size", "4") == 0
    out, err = capsys.readouterr()
    first, _, third, _ = out.split("\n")
    assert "{name}" in first
    assert all(each in third for each in ("<b>", "%s", "</b>"))
    assert err.startswith(f"{ENGINE}placeholders: kept in 2 of 2 lines that have some (0 at once, ")
    translate(run, "Hund", "--keep-placeholders")
    assert capsys.readouterr().err == f"{ENGINE}placeholders: the text has none\n"


def test_what_is_a_placeholder_can_be_said(run, capsys):
    assert translate(run, "der @x {name}", "--keep-placeholders", "--placeholder-pattern", r"@\w+") == 0
    out, err = capsys.readouterr()
    assert "@x" in out
    assert "{name}" not in out
    assert "kept in 1 of 1 lines" in err


def test_a_file_of_terms_that_is_missing_is_found_out_at_once(run, capsys):
    assert translate(run, "Hund", "--glossary", "none.tsv") == 3
    assert capsys.readouterr().err.endswith("error: none.tsv: no such file\n")


# Documents


def test_a_document_keeps_its_structure(run, expected, capsys):
    Path("a.json").write_bytes(f'{{\r\n "a" :"{LINES[0]}",\t"b": {{"c": "{LINES[2]}"}}, "d": 1}}'.encode())
    assert translate(run, "--format", "json", "a.json", "--out", "b.json") == 0
    done = Path("b.json").read_bytes().decode()
    shown = [json.dumps(expected[n], ensure_ascii=False) for n in (0, 2)]
    assert done == f'{{\r\n "a" :{shown[0]},\t"b": {{"c": {shown[1]}}}, "d": 1}}'
    assert translate(run, "--format", "json", "a.json", "--keys", "c") == 0
    assert capsys.readouterr().out == Path("a.json").read_bytes().decode().replace(f'"{LINES[2]}"', shown[1])


def test_a_document_may_come_from_standard_input(run, expected, monkeypatch, capsys):
    feed(monkeypatch, f"<p>{LINES[0]}</p>\n".encode())
    assert translate(run, "--format", "html", "-") == 0
    assert html.unescape(capsys.readouterr().out) == f"<p>{expected[0]}</p>\n"


def test_tags_in_a_sentence_are_placed_by_the_alignment(run, capsys):
    Path("a.html").write_text("<p>Ein <b>Hund</b> läuft.</p><p>Zwei Kinder</p>", encoding="utf-8")
    assert translate(run, "--format", "html", "a.html") == 0
    done = html.unescape(capsys.readouterr().out)
    translator = Translator(run, "cpu")
    first, second = (each.text for each in translator.translate(["Ein Hund läuft.", "Zwei Kinder"]))
    document = read_html("<p>Ein <b>Hund</b> läuft.</p><p>Zwei Kinder</p>")
    assert document.marked() == [True, False]
    links = word_links(translator.align("Ein Hund läuft.", first).alignment)
    assert done == html.unescape(document.join([first, second], {0: links}))
    assert done.count("<b>") == done.count("</b>") == 1
    assert done.replace("<b>", "").replace("</b>", "") == f"<p>{first}</p><p>{second}</p>"


def test_tags_are_placed_alike_whatever_engine_translates(tmp_path, capsys):
    exported = str(tiny_export(tmp_path).path)
    Path("a.html").write_text("Ein <b>Hund</b> läuft.", encoding="utf-8")
    done = []
    for engine in ("ctranslate2", "torch"):
        assert translate(exported, "--format", "html", "a.html", "--engine", engine) == 0
        done.append(capsys.readouterr().out)
    assert done[0] == done[1]
    assert done[0].count("<b>") == 1


def test_several_processes_translate_a_document_as_one_does(run, monkeypatch, capsys):
    monkeypatch.setattr("translate.commands.translate.CHUNK_LINES", 1)
    Path("a.html").write_text("".join(f"<p>{line} <i>hier</i></p>" for line in LINES), encoding="utf-8")
    assert translate(run, "--format", "html", "a.html", "--processes", 1) == 0
    alone = capsys.readouterr()
    assert translate(run, "--format", "html", "a.html", "--processes", 2) == 0
    assert capsys.readouterr() == alone


def test_formats_take_their_flags(run, capsys):
    Path("a.po").write_text('msgid ""\nmsgstr ""\n\nmsgid "Hund"\nmsgstr "dog"\n', encoding="utf-8")
    assert translate(run, "--format", "po", "a.po", "--overwrite", "--fuzzy") == 0
    assert "\n#, fuzzy\nmsgid" in capsys.readouterr().out
    Path("a.tmx").write_text(
        '<tmx><header srclang="de"/><tu><tuv xml:lang="de"><seg>Hund</seg></tuv></tu></tmx>', encoding="utf-8"
    )
    assert translate(run, "--format", "tmx", "a.tmx", "--tgt-lang", "en", "--src-lang", "de") == 0
    assert '<tuv xml:lang="en"><seg>' in capsys.readouterr().out
    assert translate(run, "--format", "tmx", "a.tmx") == 2
    assert "say with --tgt-lang into which one" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a", "--fuzzy"], "--fuzzy is for documents: give --format po too"),
        (["a", "--format", "po", "--keys", "b"], "--keys is for documents: give --format json too"),
        (["--src", "a", "--format", "md"], "--format translates one document, --src is for lines: leave one"),
        (["a", "--format", "md", "--json"], "--format translates one document, --json is for lines: leave"),
        (["a", "--format", "md", "--n-best", "2"], "--format writes one translation, but --n-best is 2"),
        (["a", "b", "--format", "md"], "--format translates one document, a file or - : 2 names are given"),
        (["--format", "md"], "--format translates one document, a file or - : 0 names are given"),
        (["a", "--placeholder-pattern", "b"], "--placeholder-pattern says what is kept: give --keep-placeh"),
        (
            ["a", "--keep-placeholders", "--placeholder-pattern", "("],
            "--placeholder-pattern is '(', no regular expression: missing ), unterminated subpattern",
        ),
        (["a", "--keep-placeholders", "--engine", "ctranslate2"], "--keep-placeholders is not for engine ct"),
    ],
)
def test_flags_of_documents_that_make_no_sense_are_usage_errors(arguments, message, run, capsys):
    assert main(["translate", run, *arguments]) == 2
    assert f"seq2see translate: error: {message}" in capsys.readouterr().err
