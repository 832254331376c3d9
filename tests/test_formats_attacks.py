"""Files made to fill the memory, to read other files or to run code: each is refused, or harmless."""

import gzip
import io
import json
import subprocess
import sys

import pytest

from translate.corpora.corpus import load_corpus
from translate.corpora.formats import Wanted
from translate.corpora.formats.catalogs import LARGEST, read_catalog
from translate.corpora.formats.tmx import read_tmx
from translate.corpora.formats.xliff import read_xliff
from translate.corpora.pairs import Sources, stream_pairs
from translate.errors import InputError
from translate.text_files import LONGEST, read_lines

DE_EN = Wanted("de", "en")
GOOD = '<tu><tuv xml:lang="de"><seg>eins</seg></tuv><tuv xml:lang="en"><seg>one</seg></tuv></tu>'


class Endless(io.BufferedIOBase):
    """A file without an end, as a bomb unpacks to: a beginning, and then the same again and again."""

    def __init__(self, beginning: bytes, again: bytes) -> None:
        self.beginning, self.again, self.given = beginning, again, 0

    def read(self, size=-1):
        assert size >= 0, "all of it is asked for"
        piece = self.beginning or self.again * (size // len(self.again))
        self.beginning = b""
        self.given += len(piece)
        return piece

    def readline(self, size=-1):
        return self.read(size)


def memory(doctype, text, attribute=""):
    return (
        f"<!DOCTYPE tmx [{doctype}]><tmx><body>{GOOD}<tu {attribute}>"
        f'<tuv xml:lang="de"><seg>{text}</seg></tuv><tuv xml:lang="en"><seg>x</seg></tuv></tu></body></tmx>'
    ).encode()


LAUGHS = '<!ENTITY a0 "ha">' + "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12))
QUADRATIC = f'<!ENTITY a11 "{"ha" * 50_000}">'


def test_a_text_with_an_entity_is_broken():
    records = list(read_tmx(io.BytesIO(memory('<!ENTITY a "ha">', "x &a; y")), "a", DE_EN))
    assert [record.src for record in records] == ["eins", ""]
    assert records[1].broken == "has an entity (&a;), which is not resolved"


@pytest.mark.parametrize("doctype", [LAUGHS, QUADRATIC])
@pytest.mark.parametrize("where", ["text", "attribute"])
def test_entities_that_grow_without_end_are_refused(doctype, where):
    many = "&a11;" * 1000
    content = memory(doctype, many) if where == "text" else memory(doctype, "x", f'note="{many}"')
    with pytest.raises(InputError, match=r"^a: line 1: Maximum entity amplification factor exceeded"):
        list(read_tmx(io.BytesIO(content), "a", DE_EN))


def test_other_files_are_not_read_through_entities(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("told")
    records = list(read_tmx(io.BytesIO(memory(f'<!ENTITY x SYSTEM "{secret.as_uri()}">', "&x;")), "a", DE_EN))
    assert records[1].broken == "has an entity (&x;), which is not resolved"
    parameter = f'<!ENTITY % x SYSTEM "{secret.as_uri()}"> %x;'
    records = list(read_tmx(io.BytesIO(memory(parameter, "x")), "a", DE_EN))
    assert [record.src for record in records] == ["eins", "x"]
    text = (
        f'<!DOCTYPE xliff [<!ENTITY x SYSTEM "{secret.as_uri()}">]><xliff srcLang="de" trgLang="en">'
        "<unit><segment><source>&x;</source><target>y</target></segment></unit></xliff>"
    )
    assert next(read_xliff(io.BytesIO(text.encode()), "a", DE_EN)).broken.startswith("has an entity (&x;)")


def test_elements_within_elements_without_end_are_refused():
    with pytest.raises(InputError, match="a: line 1: Excessive depth in document"):
        list(read_tmx(io.BytesIO(b"<tmx>" + b"<hi>" * 100_000), "a", DE_EN))


@pytest.mark.parametrize("again", [b"<x/>", b"<!-- x -->", b"<?x?>"])
def test_xml_without_units_is_refused_before_it_fills_the_memory(again):
    file = Endless(b"<tmx><body>", again)
    with pytest.raises(
        InputError, match=f"a: {LONGEST:,} bytes without the end of a unit: needed is text in"
    ):
        list(read_tmx(file, "a", DE_EN))
    assert file.given < LONGEST + 2**20


def test_a_text_of_xml_without_end_is_refused():
    with pytest.raises(InputError, match=r"^a: "):
        list(read_tmx(Endless(b"<tmx><body><tu><tuv><seg>", b"x" * 4096), "a", DE_EN))


@pytest.mark.parametrize("name", ["a.tsv", "a.csv", "a.jsonl", "a.po", "a.txt"])
def test_a_packed_line_of_any_length_is_refused(name, tmp_path):
    path = tmp_path / f"{name}.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(b'"')
        for _ in range(LONGEST // 2**20 + 1):
            file.write(b"a" * 2**20)
    with pytest.raises(InputError, match=rf"line 1 has more than {LONGEST:,} bytes: needed is text in lines"):
        read_lines(path) if "txt" in name else list(stream_pairs(Sources([str(path)], DE_EN)))


@pytest.mark.parametrize("kind", ["po", "mo"])
def test_a_catalog_of_any_size_is_refused(kind):
    file = Endless(b"", b"# comment\n" if kind == "po" else b"\0")
    if kind == "po":
        file.readline = lambda _size: b"#" + b"x" * 2**20 + b"\n"
    with pytest.raises(InputError, match=f"a has more than {LARGEST:,} bytes: a catalog of that size is not"):
        list(read_catalog(file, "a", kind))


def test_a_catalog_cannot_ask_for_any_number_of_plural_forms():
    text = (
        'msgid ""\nmsgstr "Plural-Forms: nplurals=99999999999;\\n"\n\n'
        'msgid "a"\nmsgid_plural "b"\nmsgstr[0] "c"\nmsgstr[1] "d"\n'
    )
    records = [record for record in read_catalog(io.BytesIO(text.encode()), "a", "po") if not record.left_out]
    assert [(record.src, record.tgt) for record in records] == [("a", "c"), ("b", "d")]


@pytest.mark.parametrize(
    "change",
    [
        {"sha256": {"../secret": "x"}},
        {"splits": {"../../train": 1}},
        {"tgt_lang": "x/../../secret"},
        {"links": ["/etc/passwd"]},
    ],
)
def test_a_corpus_folder_cannot_name_files_outside(change, tmp_path):
    about = dict.fromkeys(["name", "src_lang", "tgt_lang", "licence", "citation", "url"], "x")
    about |= {"splits": {}, "links": [], "sha256": {}, "dropped": {}, "settings": {}, "seed": None} | change
    (tmp_path / "corpus.json").write_text(json.dumps(about))
    with pytest.raises(
        InputError, match=r"corpus\.json has the name '.*': files of a corpus lie in its folder"
    ):
        load_corpus(tmp_path)


SIZED = """
import io, resource, sys
from translate.corpora.formats import Wanted
from translate.corpora.formats.tmx import read_tmx

class Units(io.BufferedIOBase):
    left = int(sys.argv[1])
    begun = False
    def read(self, size=-1):
        if not self.begun:
            self.begun = True
            return b"<tmx><body>"
        self.left -= 1
        if self.left < 0:
            return b"</body></tmx>" if self.left == -1 else b""
        texts = b"<seg>" + b"eins " * 400 + b"</seg></tuv><tuv xml:lang='en'><seg>one</seg>"
        return (b"<tu><tuv xml:lang='de'>" + texts + b"</tuv></tu>\\n") * 10

assert sum(1 for _ in read_tmx(Units(), "a", Wanted("de", "en"))) == 10 * int(sys.argv[1])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is counted in other units elsewhere")
def test_memory_does_not_grow_with_a_translation_memory():
    kilobytes = [
        int(subprocess.run([sys.executable, "-c", SIZED, str(size)], capture_output=True, check=True).stdout)
        for size in (50, 1550)  # 1 MB and 32 MB of XML
    ]
    assert kilobytes[1] - kilobytes[0] < 8_000
