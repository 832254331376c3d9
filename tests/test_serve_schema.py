"""The OpenAPI description, tried out by schemathesis: no answer but those it describes, and no bug."""

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from serving import make_app
from tiny import tiny_run

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


@pytest.fixture(scope="module")
def described(tmp_path_factory):
    app = make_app([tiny_run(tmp_path_factory.mktemp("runs"))])
    # Each call starts and stops the application, which is to go on translating.
    app.state.service.models[0].batcher.close = lambda: None
    return schemathesis.openapi.from_asgi("/openapi.json", app)


@pytest.mark.parametrize(
    ("path", "method"),
    [
        ("/translate", "POST"),
        ("/detect", "POST"),
        ("/align", "POST"),
        ("/languages", "GET"),
        ("/frontend/settings", "GET"),
        ("/health", "GET"),
        ("/ready", "GET"),
        ("/metrics", "GET"),
    ],
)
def test_no_answer_is_other_than_described(described, path, method):
    @given(case=described[path][method].as_strategy())
    @settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    def check(case):
        case.call_and_validate(checks=CHECKS)

    check()
