"""What the OpenAPI document promises, asked by a machine that makes up requests by it: no answer is a fault of ours or a surprise."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
import served
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

KEPT = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
ASKED = [(path, "POST", mode) for path in ("/v1/predict", "/v1/feedback") for mode in GenerationMode]
# Nothing can be sent along with this one, so nothing wrong can.
ASKED += [("/v1/release", "GET", GenerationMode.POSITIVE)]
EXAMPLES = 40


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Serve one release, and read what it says of itself."""
    with served.listening(served.world(tmp_path_factory.mktemp("schema") / "w")) as found:
        yield schemathesis.openapi.from_url(f"{found.client.base_url}/openapi.json")


@pytest.mark.parametrize(("path", "method", "mode"), ASKED)
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
    database=None,
)
@given(data=st.data())
def test_no_request_by_the_document_is_answered_beside_it(
    document: Any, path: str, method: str, mode: GenerationMode, data: st.DataObject
) -> None:
    case = data.draw(document[path][method].as_strategy(generation_mode=mode))

    case.call_and_validate(checks=KEPT)


def test_the_examples_of_the_document_are_answered_as_they_say(document: Any) -> None:
    schemas = document.raw_schema["components"]["schemas"]
    (example,) = schemas["PredictIn"]["examples"]

    answered = (
        document["/v1/predict"]["POST"]
        .Case(body=example, media_type="application/json")
        .call_and_validate(checks=KEPT)
    )

    assert answered.status_code == 200
    assert set(answered.json()) == set(schemas["PredictOut"]["examples"][0])
