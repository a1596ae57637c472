"""The score that a document holds: macro F1 of labels, log-likelihood where texts are written."""

import pytest

from pipeline.base.tasks.scores import (
    drop_of,
    score_head,
    score_interval,
    score_key,
    score_of,
    score_title,
    valid_score,
)

LABELS = {"macro_f1": 0.7, "intervals": {"macro_f1": [0.6, 0.8]}, "macro_f1_drop": 0.01}
TEXTS = {"log_likelihood": -1.5, "intervals": {"log_likelihood": [-1.6, -1.4]}, "log_likelihood_drop": 0.2}


def test_a_document_says_by_its_keys_what_its_score_is() -> None:
    assert (score_title(LABELS), score_of(LABELS), score_interval(LABELS)) == ("macro F1", 0.7, [0.6, 0.8])
    assert (score_title(TEXTS), score_of(TEXTS)) == ("log-likelihood per token", -1.5)
    assert score_head(TEXTS) == "Log-likelihood per token"
    assert (drop_of(LABELS), drop_of(TEXTS), drop_of(TEXTS, "drop_bound")) == (0.01, 0.2, None)


@pytest.mark.parametrize("document", [{}, None, {"macro_f1": None, "log_likelihood": None}])
def test_a_document_without_a_score_is_of_labels(document: object) -> None:
    assert score_key(document) == "macro_f1"


def test_a_training_names_its_figure_by_the_task() -> None:
    assert valid_score("aspect") == "valid_macro_f1"
    assert valid_score("generation") == "valid_log_likelihood"
