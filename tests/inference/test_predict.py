"""The command and the service give one prediction for one text, and both say when it was cut."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import running_service
import toy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from running_service import RunningService

from pipeline.__main__ import run_command
from pipeline.base.errors import UsageError
from pipeline.inference.load import load_predictor
from pipeline.inference.predict import predict
from pipeline.inference.prediction import UNCERTAIN

MAX_TOKENS = 8  # of the toy model
WORDS = st.sampled_from(
    [*running_service.WORDS[:3], "unheard", "<b>", "&amp;", "\u200b", "caf\u00c3\u00a9", "😀"]
)
TEXTS = st.one_of(
    st.lists(WORDS, max_size=2 * MAX_TOKENS + 2).map(" ".join),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=300),
)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    workspace = running_service.make_workspace(
        tmp_path_factory.mktemp("one") / "w", requests_per_minute=100_000
    )
    with running_service.running(workspace) as running:
        yield running


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(texts=st.lists(TEXTS, min_size=1, max_size=8))
def test_the_record_of_the_command_is_the_response_of_the_service(
    service: RunningService, texts: list[str]
) -> None:
    response = service.predict(*texts).json()
    lineage = {name: response[name] for name in ("release", "data_version")}

    records = predict(service.workspace, texts).records()

    assert records == [prediction | lineage for prediction in response["predictions"]]


def test_a_text_of_equal_probabilities_is_uncertain_at_both_doors(service: RunningService) -> None:
    (record,) = predict(service.workspace, ["unheard"]).records()

    assert (record["label"], record["best"], record["uncertain"]) == (UNCERTAIN, "negative", True)
    assert service.predict("unheard").json()["predictions"][0]["label"] == UNCERTAIN


@pytest.mark.parametrize(
    ("words", "cut"), [(0, False), (1, False), (7, False), (8, False), (9, True), (16, True), (500, True)]
)
def test_a_text_of_more_tokens_than_the_model_reads_is_cut(
    service: RunningService, words: int, cut: bool
) -> None:
    text = "word1 " * words

    assert predict(service.workspace, [text]).predictions[0].cut is cut
    assert service.predict(text).json()["predictions"][0]["cut"] is cut


def test_special_tokens_count_as_the_model_counts_them(tokenizer_json: str, tmp_path: Path) -> None:
    from pipeline.core.model.tokenizer import encode, encode_and_mark_cut, load_tokenizer

    tokenizer = load_tokenizer(tokenizer_json, 6)  # [CLS], four tokens, [SEP]
    texts = ["a film", "a film a film", "a film a film a", "a film " * 500]

    tokens, cut = encode_and_mark_cut(tokenizer, texts)

    assert cut == [False, False, True, True]
    assert tokens == encode(tokenizer, texts)


def test_a_cut_text_is_predicted_from_its_first_tokens(tmp_path: Path) -> None:
    toy.candidate(tmp_path / "candidate", {"good": "positive", "bad": "negative"})
    predictor = load_predictor(tmp_path / "candidate")

    cut, whole = (predictor.predict([text]) for text in ("good " * 8 + "bad " * 30, "good " * 8))

    assert (cut.cut, whole.cut) == ((True,), (False,))
    assert cut.probabilities.tolist() == whole.probabilities.tolist()


def test_the_terminal_says_which_text_was_cut(
    service: RunningService, capsys: pytest.CaptureFixture[str]
) -> None:
    place = ["--workspace", str(service.workspace.root)]

    code = run_command(["predict", "word1 " * 9, "word1", *place])
    lines = capsys.readouterr().out.splitlines()

    assert code == 0
    assert lines[0].endswith("cut after 8 tokens")
    assert "cut" not in lines[1]
    run_command(["predict", "word1 " * 9, "word1", "--json", *place])
    assert [one["cut"] for one in json.loads(capsys.readouterr().out)] == [True, False]


def test_an_argument_that_is_not_utf8_is_wrong_use(service: RunningService) -> None:
    with pytest.raises(UsageError, match="Text 2 is not UTF-8"):
        predict(service.workspace, ["word1", "caf\udce9"])


def test_openapi_documents_the_mark(service: RunningService) -> None:
    schemas = service.client.get("/openapi.json").json()["components"]["schemas"]

    assert schemas["Prediction"]["properties"]["cut"]["type"] == "boolean"
    assert "cut" in schemas["Prediction"]["required"]
    assert schemas["PredictResponse"]["examples"][0]["predictions"][0]["cut"] is False


def test_texts_on_the_command_line_share_a_target(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = {"soup": "negative", "waiter": "positive"}
    settings = {"task": "aspect", "preparation": "2-targets"}
    workspace = running_service.serve_toy(tmp_path / "w", words, settings)

    def run(*arguments: str) -> str:
        run_command(["predict", *arguments, "--json", "--workspace", str(workspace.root)])
        return capsys.readouterr().out

    found = json.loads(run("a visit", "a stay", "--target", "waiter"))
    explained = json.loads(run("a visit", "--target", "waiter", "--explain", "occlusion"))

    assert [one["best"] for one in found] == ["positive", "positive"]
    assert [one["word"] for one in explained["explanations"][0]["words"]] == ["a", "visit"]
    assert "Name it with `--target`" in run("a visit")
    assert "Name it with `--target`" in run("a visit", "--explain", "occlusion")


def test_a_target_is_refused_where_whole_texts_are_labelled(service: RunningService) -> None:
    with pytest.raises(UsageError, match="labels texts as a whole"):
        predict(service.workspace, ["word1"], target="word2")
