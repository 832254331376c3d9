"""What goes in and comes out, as the OpenAPI description has it."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

Texts = Annotated[str | list[str], Field(description="A text, or several.", examples=["Guten Morgen!"])]
Text = Annotated[str, Field(min_length=1, examples=["Guten Morgen!"])]
Source = Annotated[str, Field(min_length=1, description="Language code, or auto.", examples=["de"])]
Target = Annotated[str, Field(min_length=1, description="Language code.", examples=["en"])]
Key = Annotated[str | None, Field(description="Needed if the server has keys.")]


class Keyed(BaseModel):
    """What every request may bring."""

    api_key: Key = None


class TranslateRequest(Keyed):
    """Texts to translate."""

    q: Texts
    source: Source
    target: Target
    format: Annotated[
        Literal["text", "html"], Field(description="html: tags are kept, and placed by the alignment.")
    ] = "text"
    alternatives: Annotated[int, Field(ge=0, description="How many other translations are wanted.")] = 0


class DetectRequest(Keyed):
    """A text whose language is asked for."""

    q: Texts


class AlignRequest(Keyed):
    """A text and its translation; without one, the model's own is aligned."""

    src: Text
    tgt: Annotated[str | None, Field(min_length=1, description="Its translation.")] = None
    source: Source
    target: Target
    level: Annotated[Literal["word", "token", "subword"], Field(description="What a token is.")] = "word"


class Detected(BaseModel):
    """A language that a text may be in."""

    language: str
    confidence: Annotated[float, Field(ge=0, le=100, description="Percent.")]


class Translated(BaseModel):
    """Translations: one, or a list of as many as there were texts; and the rest likewise."""

    translatedText: str | list[str]  # noqa: N815  (LibreTranslate's names)
    detectedLanguage: Detected | list[Detected] | None = None  # noqa: N815
    alternatives: list[str] | list[list[str]] | None = None


class Aligned(BaseModel):
    """An aligned pair; the last token of either side is the end of sentence."""

    src: str
    tgt: str
    src_tokens: list[str]
    tgt_tokens: list[str]
    src_offsets: Annotated[list[tuple[int, int]], Field(description="Characters, begin and end.")]
    tgt_offsets: list[tuple[int, int]]
    weights: Annotated[list[list[float]], Field(description="A row for each target token.")]
    links: Annotated[list[tuple[int, int]], Field(description="Positions of tokens, source and target.")]
    scores: Annotated[list[float], Field(description="Log-probabilities of the target tokens.")]
    end_mass: Annotated[float | None, Field(description="Mean weight on the source's end of sentence.")]
    attention: Annotated[str, Field(description="Which attention was read.")]
    level: str


class Language(BaseModel):
    """A language, and those that it can be translated to."""

    code: str
    name: str
    targets: list[str]


class Named(BaseModel):
    """A language."""

    code: str
    name: str


class Languages(BaseModel):
    """The languages to begin with."""

    source: Named
    target: Named


class FrontendSettings(BaseModel):
    """What a page in front of the API wants to know."""

    charLimit: int  # noqa: N815
    frontendTimeout: Annotated[int, Field(description="Milliseconds to wait while someone types.")]  # noqa: N815
    apiKeys: bool  # noqa: N815
    keyRequired: bool  # noqa: N815
    suggestions: bool
    filesTranslation: bool  # noqa: N815
    supportedFilesFormat: list[str]  # noqa: N815
    language: Languages


class State(BaseModel):
    """How the server is."""

    status: Literal["ok", "stopping"]


class Problem(BaseModel):
    """Why there is no answer."""

    error: str


PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": why}
    for status, why in {
        400: "The request makes no sense, asks for too much, or lacks an API key.",
        403: "The API key is none.",
        408: "The body came too slowly.",
        413: "The body is too large.",
        429: "Too much is waiting, or one has asked too often; Retry-After says when to try again.",
        500: "A bug.",
        503: "The server is stopping.",
        504: "It took too long.",
    }.items()
}


def described(request: type[BaseModel]) -> dict[str, Any]:
    """Return how an endpoint is called, for OpenAPI: as JSON, as a form, or by query parameters."""
    schema = request.model_json_schema()
    forms = ("application/json", "application/x-www-form-urlencoded", "multipart/form-data")
    needed = schema.get("required", [])
    parameters = [
        {
            "name": name,
            "in": "query",
            "required": False,
            "schema": about,
            "description": "Instead of a body's.",
        }
        for name, about in schema["properties"].items()
    ]
    body = {"required": False, "content": {form: {"schema": schema} for form in forms}}
    what = f"{', '.join(needed)} are needed, in the body or the query; the body's win."
    return {"requestBody": body, "parameters": parameters, "description": what}
