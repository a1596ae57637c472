"""Generated requests by the OpenAPI document: every response conforms to it, and none is a server error."""

from collections.abc import Iterator
from typing import Any

import pytest
import running_service
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
OPERATIONS = [(path, "POST", mode) for path in ("/v1/predict", "/v1/feedback") for mode in GenerationMode]
# Without a body or parameters there is no invalid request.
OPERATIONS += [("/v1/release", "GET", GenerationMode.POSITIVE)]
OPERATIONS += [("/v1/prevalence", "GET", mode) for mode in GenerationMode]
EXAMPLES = 40


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Serve one release and load its OpenAPI document."""
    with running_service.running(
        running_service.make_workspace(tmp_path_factory.mktemp("schema") / "w")
    ) as found:
        headers = running_service.client_headers(found.workspace)
        yield schemathesis.openapi.from_url(f"{found.client.base_url}/openapi.json", headers=headers), headers


@pytest.mark.parametrize(("path", "method", "mode"), OPERATIONS)
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
    database=None,
)
@given(data=st.data())
def test_generated_requests_get_documented_responses(
    document: tuple[Any, dict[str, str]],
    path: str,
    method: str,
    mode: GenerationMode,
    data: st.DataObject,
) -> None:
    schema, headers = document
    case = data.draw(schema[path][method].as_strategy(generation_mode=mode))

    case.call_and_validate(checks=CHECKS, headers=headers)


def test_the_examples_get_the_documented_response(document: tuple[Any, dict[str, str]]) -> None:
    schema, headers = document
    schemas = schema.raw_schema["components"]["schemas"]
    (example,) = schemas["PredictRequest"]["examples"]

    response = (
        schema["/v1/predict"]["POST"]
        .Case(body=example, media_type="application/json")
        .call_and_validate(checks=CHECKS, headers=headers)
    )

    assert response.status_code == 200
    assert set(response.json()) == set(schemas["PredictResponse"]["examples"][0])
