"""What the benchmark of growth draws and watches is what its page says."""

import argparse
import importlib
import json
import os
import re
import signal
import subprocess
import sys

import pytest


@pytest.fixture(scope="module")
def benchmark(pytestconfig):
    """Import a module of benchmarks/."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(pytestconfig.rootpath / "benchmarks")
        yield importlib.import_module


def lines(folder, name):
    return [folder.joinpath(f"{name}.{lang}").read_text().splitlines() for lang in ("en", "de")]


@pytest.fixture
def corpus(benchmark, monkeypatch):
    """Fewer nouns to invent, and fewer sentences to put long texts together from."""
    module = benchmark("growth_corpus")
    monkeypatch.setattr(module, "NOUNS_A_KIND", 200)
    monkeypatch.setattr(module, "STOCK", 1_000)
    return module


def test_a_smaller_corpus_is_the_beginning_of_a_larger_one_and_no_source_comes_twice(corpus, tmp_path):
    corpus.write_growing({300: tmp_path / "large", 40: tmp_path / "small"})

    large, small = (lines(tmp_path / name, "train") for name in ("large", "small"))
    assert [len(side) for side in (*large, *small)] == [300, 300, 40, 40]
    assert [side[:40] for side in large] == small
    valid = lines(tmp_path / "small", "valid")
    assert len(set(large[0]) | set(valid[0])) == 800
    mean = sum(len(line.split()) for line in large[0]) / 300
    assert 11 < mean < 14


def test_beyond_what_is_drawn_the_nouns_are_others(corpus, tmp_path, monkeypatch):
    """Each further sentence is a drawn one but for nouns, which are each other's translations."""
    monkeypatch.setattr(corpus, "DRAWN", 60)
    corpus.write_growing({150: tmp_path / "all"})

    src, tgt = lines(tmp_path / "all", "train")
    assert len(set(src)) == 150
    nouns = corpus.invent_nouns(corpus.Random(corpus.SEED))
    known = {noun.en: noun for kind in corpus.KINDS for noun in nouns[kind]}
    english = known | {noun.en_plural: noun for noun in known.values()}
    german = {form: noun for noun in known.values() for form in (noun.de, noun.genitive, noun.plural)}

    def differ(first, second):
        """The words of two sentences where they are not the same."""
        first, second = first.split(), second.split()
        if len(first) != len(second):
            return None
        return [pair for pair in zip(first, second, strict=True) if pair[0] != pair[1]]

    valid = zip(*lines(tmp_path / "all", "valid"), strict=True)
    drawn = [*valid, *zip(src[:60], tgt[:60], strict=True)]
    for new_src, new_tgt in zip(src[60:], tgt[60:], strict=True):
        changes = [(differ(old_src, new_src), differ(old_tgt, new_tgt)) for old_src, old_tgt in drawn]
        of_src, of_tgt = min(
            (each for each in changes if None not in each), key=lambda each: sum(map(len, each))
        )
        assert of_src
        assert {tuple(english[word] for word in pair) for pair in of_src} == {
            tuple(german[word] for word in pair) for pair in of_tgt
        }


def test_long_texts_have_just_so_many_words(corpus, tmp_path):
    words = 23
    corpus.write_long(tmp_path / "long", words, 30)

    src, tgt = lines(tmp_path / "long", "train")
    assert {len(line.split()) for line in src} == {words}
    assert len(set(src)) == len(tgt) == 30


def test_every_invented_noun_has_two_forms_of_its_own_in_each_language(benchmark):
    corpus = benchmark("growth_corpus")
    nouns = corpus.invent_nouns(corpus.Random(1))

    for kind in corpus.KINDS:
        assert nouns[kind].count(nouns[kind][0]) == corpus.NOUNS_A_KIND
        assert nouns[kind].count(nouns[kind][-1]) == 1
    invented = {noun for kind in corpus.KINDS for noun in nouns[kind]} - {
        noun for known in corpus.NOUNS.values() for noun in known
    }
    english = {form for noun in invented for form in (noun.en, noun.en_plural)}
    german = {
        noun.german(case, column)
        for noun in invented
        for column in (noun.column, 3)
        for case in ("nom", "acc", "dat", "gen")
    }
    assert len(english) == len(german) == 2 * len(invented) > 31_000


def test_memory_is_that_of_the_processes_we_started_and_without_mapped_files(benchmark, tmp_path):
    """A child's 64 MiB are seen, the 64 MiB that it maps are not; before the sign it is preparing."""
    memory = benchmark("memory")
    (tmp_path / "mapped").write_bytes(b"x" * 2**26)
    code = """if True:
        import mmap, pathlib, sys
        folder = pathlib.Path(sys.argv[1])
        file = (folder / "mapped").open("rb")
        mapped = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
        seen = sum(mapped[::4096])
        print("preparing", flush=True)
        sys.stdin.readline()
        (folder / "ready").touch()
        print("ready", flush=True)
        sys.stdin.readline()
        held = b"y" * 2**26
        print("running", flush=True)
        sys.stdin.readline()
    """
    with (
        memory.MemoryWatch(tmp_path / "ready", os.sched_getaffinity(0)) as watch,
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as child,
    ):
        assert child.stdin is not None
        assert child.stdout is not None
        for samples in (watch._preparing, watch._running, watch._running):
            child.stdout.readline()
            enough = 2 * len(samples) + 2  # so that most are later
            while len(samples) < enough:
                assert child.poll() is None
            child.stdin.write(b"\n")
            child.stdin.flush()
    seen = watch.result(60)
    assert seen["peak_preparing_kib"] < 32 * 1024
    assert 64 * 1024 < seen["steady_kib"] <= seen["peak_running_kib"] < 96 * 1024


def test_a_limited_program_gets_no_more_memory(benchmark):
    module = benchmark("memory_limit")
    if problem := module.why_no_limit():
        pytest.skip(problem)
    code = "print(len(bytearray(200 * 2**20)))"
    for size, returned in ((64, -signal.SIGKILL), (400, 0)):
        with module.memory_limit(size * 2**20) as prefix:
            done = subprocess.run([*prefix, sys.executable, "-c", code], capture_output=True)
        assert done.returncode == returned


def test_where_no_group_can_be_made_it_is_said_why(benchmark, tmp_path, monkeypatch):
    module = benchmark("memory_limit")
    monkeypatch.setattr(module, "ROOT", tmp_path)
    assert re.match(r"no cgroup with a limit of memory can be made here \(.*memory", module.why_no_limit())


def test_the_limit_is_what_the_smallest_corpus_takes_and_32_bytes_a_pair(benchmark, tmp_path):
    results = tmp_path / "growth.json"
    peaks = {"peak_preparing_kib": 500, "peak_running_kib": 700}
    row = {"pairs": 30, "from": "text", "words": 0, "measurements": [peaks]}
    results.write_text(json.dumps({"rows": [{**row, "from": "ids"}, {**row, "words": 5}, row]}))
    options = argparse.Namespace(results=results, sizes=[30, 1054])
    assert benchmark("growth").find_limit({"pairs": 1054}, options) == 700 * 1024 + 32 * 1024
