"""Serve translations over HTTP: the LibreTranslate API, and alignments, from one or more models.

POST /translate, /detect and /align, GET /languages, /frontend/settings, /health, /ready, /metrics and
/openapi.json. Requests are translated together in batches. A run that has changed is opened anew. On SIGTERM
or Ctrl-C no more is accepted, and what was accepted is answered. API keys come from --api-keys or, with
commas between, from the environment variable SEQ2SEE_API_KEYS. Logs are lines of JSON on stderr, without the
texts. Needs the extra [serve].
"""

import os
from pathlib import Path

from jsonargparse import ArgumentParser, Namespace

from translate.commands.engine_options import add_engine
from translate.errors import UsageError
from translate.serve import need_serve


def add_arguments(parser: ArgumentParser) -> None:
    """Declare which runs, where, for whom, and how much."""
    parser.add_argument(
        "run",
        type=str,
        nargs="+",
        help="Run directories of the models, or user/name of the Hugging Face hub.",
    )
    parser.add_argument(
        "--languages",
        type=str,
        nargs="+",
        default=[],
        help="Languages of each run, source and target, such as de-en. Default: as the run's config says "
        "(data.src_lang, data.tgt_lang). A run trained with data.directions both serves both directions.",
    )
    parser.add_argument(
        "--host", type=str, default="127.0.0.1", help="Address to listen on; 0.0.0.0: every address."
    )
    parser.add_argument("--port", type=int, default=5000, help="Port to listen on; 0: any that is free.")
    parser.add_argument(
        "--cors",
        type=str,
        nargs="+",
        default=[],
        help="Origins whose pages may ask, such as https://a.example.",
    )
    parser.add_argument("--api_keys", type=str, help="File with API keys, one a line; then one is needed.")
    parser.add_argument(
        "--requests_per_minute", type=int, default=0, help="Of each key, or else address; 0: any number."
    )
    parser.add_argument("--max_characters", type=int, default=20_000, help="Of all texts of a request.")
    parser.add_argument("--max_texts", type=int, default=256, help="Of a request.")
    parser.add_argument(
        "--queue_tokens",
        type=int,
        default=4096,
        help="Pieces of texts that may wait for a model, in at most 250 requests; who comes then is told "
        "when to try again.",
    )
    parser.add_argument("--seconds", type=float, default=60.0, help="Time limit of a request.")
    parser.add_argument(
        "--refresh_seconds",
        type=float,
        default=5.0,
        help="How often to look whether a run has changed; 0: never.",
    )
    add_engine(parser)
    parser.add_argument("--threads", type=int, default=0, help="Processor threads; 0: one per core.")


def run(options: Namespace) -> None:
    """Open the runs, listen, and answer until a signal comes."""
    _check_usage(options)
    need_serve()
    from translate.platforms import keep_freed_memory
    from translate.serve.answers import Service  # from here on it takes time
    from translate.serve.app import create_app
    from translate.serve.limits import Limits, read_keys
    from translate.serve.models import Settings, open_models
    from translate.serve.observing import Metrics
    from translate.serve.server import json_logs, listen, serve

    keys = read_keys(Path(options.api_keys) if options.api_keys else None, os.environ.get("SEQ2SEE_API_KEYS"))
    limits = Limits(
        characters=options.max_characters,
        texts=options.max_texts,
        seconds=options.seconds,
        requests_per_minute=options.requests_per_minute,
    )
    settings = Settings(options.device, options.engine, options.threads, options.queue_tokens)
    keep_freed_memory()
    metrics = Metrics()
    with listen(options.host, options.port) as listening:
        models = open_models(options.run, options.languages, settings, metrics.batch_texts.observe)
        app = create_app(Service(models, limits, keys, metrics), options.cors, options.refresh_seconds)
        with json_logs():
            serve(app, listening, options.seconds)


def _check_usage(options: Namespace) -> None:
    for name, least in (
        ("requests_per_minute", 0),
        ("max_characters", 1),
        ("max_texts", 1),
        ("queue_tokens", 1),
        ("refresh_seconds", 0),
        ("threads", 0),
        ("port", 0),
    ):
        if getattr(options, name) < least:
            flag = name.replace("_", "-")
            raise UsageError(f"--{flag} is {getattr(options, name)}: it must be at least {least}")
    if options.port > 65_535:
        raise UsageError(f"--port is {options.port}: it must be at most 65535")
    if options.seconds <= 0:
        raise UsageError(f"--seconds is {options.seconds}: it must be more than 0")
