"""Answers that are texts: they have no labels, and a text may have several of them."""

from pipeline.base.tasks import answer_form, are_comparable, writes_texts

FORM = answer_form("generation")


def test_a_text_is_its_own_answer_and_has_no_labels() -> None:
    assert FORM.answer("it was good", "", ()) == "it was good"
    assert FORM.labels_of("it was good") == ()
    assert FORM.items_of("it was good") == ()
    assert FORM.fault("", "", ()) is None


def test_what_somebody_wrote_is_read_without_blanks_around_it() -> None:
    assert FORM.read("  it was good ", ()) == "it was good"
    assert FORM.read("  ", ()) is None


def test_labels_are_refused() -> None:
    assert "write `labels: []` under `collect`" in (FORM.set_fault(["bad", "good"]) or "")
    assert FORM.set_fault([]) is None


def test_texts_are_compared_with_no_labels() -> None:
    assert writes_texts("generation")
    assert not writes_texts("aspect")
    assert are_comparable("generation", "generation")
    assert not are_comparable("generation", "single_label")
