"""Documents as people have them: their texts are translated, all else stays. One module a format."""

from typing import Literal, NamedTuple, assert_never

from translate.compression import open_stream
from translate.documents.document import Document
from translate.errors import InputError
from translate.text_files import describe_byte

DocumentFormat = Literal["po", "xliff", "tmx", "json", "md", "srt", "html"]


class Wanted(NamedTuple):
    """What of a document is translated, and how that is marked."""

    src_lang: str | None = None  # of a TMX
    tgt_lang: str | None = None  # of a TMX or an XLIFF
    overwrite: bool = False  # what has a translation is translated anew (po, xliff, tmx)
    fuzzy: bool = False  # translations are marked so (po)
    keys: tuple[str, ...] = ()  # of the values to be translated (json)


def read_document(path: str, format: DocumentFormat, wanted: Wanted) -> Document:
    """Read a file of UTF-8, unpacked on the way as its name says; "-" is standard input.

    Raises InputError when it is not there, no UTF-8 or not of the format; UsageError as `read_tmx` does.
    """
    with open_stream(path) as stream:
        content = stream.read()
    try:
        raw = content.decode()
    except UnicodeDecodeError as error:
        begin = content.rfind(b"\n", 0, error.start) + 1
        error.object, error.start = content[begin:], error.start - begin
        number = content.count(b"\n", 0, begin) + 1
        raise InputError(
            f"{path}: line {number}, {describe_byte(error)}; the document must be UTF-8 throughout"
        ) from None
    return _read(raw, path, format, wanted)


def _read(raw: str, name: str, format: DocumentFormat, wanted: Wanted) -> Document:
    # Each imports what it reads with.
    match format:
        case "po":
            from translate.documents.po import read_po

            return read_po(raw, name, overwrite=wanted.overwrite, fuzzy=wanted.fuzzy)
        case "xliff":
            from translate.documents.xliff import read_xliff

            return read_xliff(raw, name, wanted.tgt_lang, overwrite=wanted.overwrite)
        case "tmx":
            from translate.documents.tmx import read_tmx

            return read_tmx(raw, name, wanted.src_lang, wanted.tgt_lang, overwrite=wanted.overwrite)
        case "json":
            from translate.documents.json_texts import read_json

            return read_json(raw, name, wanted.keys)
        case "md":
            from translate.documents.markdown import read_markdown

            return read_markdown(raw)
        case "srt":
            from translate.documents.srt import read_srt

            return read_srt(raw, name)
        case "html":
            from translate.documents.html import read_html

            return read_html(raw)
        case _:
            assert_never(format)
