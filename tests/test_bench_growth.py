"""What the benchmark of growth draws and watches is what its page says."""

import importlib
import os
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
