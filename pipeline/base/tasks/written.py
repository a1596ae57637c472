"""Answers that are texts of their own, as the summary of a review."""

from collections.abc import Collection, Hashable, Sequence

from pipeline.base.data_account import UNKNOWN_LABEL


class WrittenText:
    """A text that somebody wrote about another, as a summary; "" where a text stands alone."""

    one_label = False
    has_places = False
    is_written = True

    def answer(self, label: str, more_labels: str, known: Sequence[str]) -> str:
        """Return the text."""
        assert not more_labels
        assert not known
        return label

    def fault(self, label: str, more_labels: str, known: Collection[str]) -> str | None:
        """Return the reason of a record of several labels."""
        return UNKNOWN_LABEL if more_labels or label in known else None

    def read(self, written: str, known: Sequence[str]) -> str | None:
        """Return the text without blanks around it, None where nothing is left."""
        return (written.strip() or None) if not known else None

    def labels_of(self, answer: str) -> tuple[str, ...]:
        """Return nothing: a text is made of no labels."""
        assert isinstance(answer, str)
        return ()

    def items_of(self, answer: str) -> tuple[tuple[str, Hashable], ...]:
        """Return nothing."""
        assert isinstance(answer, str)
        return ()

    def content(self, answer: str) -> str:
        """Return nothing: no text is counted by what it says."""
        assert isinstance(answer, str)
        return ""

    def set_fault(self, known: Sequence[str]) -> str | None:
        """Return why there can be no labels, None where there are none."""
        return "it writes texts, and no labels: write `labels: []` under `collect`" if known else None
