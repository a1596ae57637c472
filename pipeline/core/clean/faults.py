"""Why a text cannot be used: a reason, by which the quarantine counts it, or None."""

from collections.abc import Collection
from dataclasses import dataclass

from pipeline.base.config import CleanConfig
from pipeline.base.data_account import NO_TARGET, NO_TEXT, PLACEHOLDER, TOO_LONG, TOO_SHORT
from pipeline.base.records import TextRecord
from pipeline.base.tasks import SINGLE_LABEL, TaskName, answer_form, reads_targets, writes_texts
from pipeline.base.tasks.targets import split_target, with_target
from pipeline.core.clean.words import count_words

# What tables and platforms write where a text is missing or was removed, in any case.
PLACEHOLDERS = frozenset((
    "nan", "null", "none", "nil", "n/a", "n.a.", "na", "#n/a", "<na>", "nat", "undefined", "not available",
    "not applicable", "[deleted]", "[removed]", "[deleted by user]", "[removed by reddit]", "(null)",
    "[null]", "(empty)", "[empty]", "(blank)", "-", "--", "---", "\u2013", "\u2014", "?", "??", "???", ".",
    "..", "...",
))  # fmt: skip
LONGEST_PLACEHOLDER = 24  # characters, with quotes around


def find_fault(record: TextRecord, cfg: CleanConfig, labels: Collection[str]) -> str | None:
    """Return why a cleaned text cannot be used, None when it can."""
    return find_text_fault(record.text, record.label, record.more_labels, cfg=cfg, labels=labels)


def find_text_fault(
    text: str,
    label: str,
    more_labels: str,
    *,
    cfg: CleanConfig,
    labels: Collection[str],
    task: TaskName = SINGLE_LABEL,
) -> str | None:
    """Return why a text with these labels cannot be used, None when it can."""
    text, target = split_target(text)
    if not text:
        return NO_TEXT
    if is_placeholder(text):
        return PLACEHOLDER
    if reads_targets(task) and (not target or is_placeholder(target)):
        return NO_TARGET
    if fault := answer_form(task).fault(label, more_labels, labels):
        return fault
    words = count_words(text)
    if words < cfg.min_words:
        return TOO_SHORT
    if words > cfg.max_words:
        return TOO_LONG
    return None


@dataclass(frozen=True)
class UsableTexts:
    """Find out whether a text with its labels can be used."""

    cfg: CleanConfig
    labels: frozenset[str]
    task: TaskName

    def fault(self, text: str, label: str, more_labels: str) -> str | None:
        """Return why it cannot be used, None when it can."""
        return find_text_fault(text, label, more_labels, cfg=self.cfg, labels=self.labels, task=self.task)

    def compared(self, text: str, label: str) -> str:
        """Return what makes two records copies: the text, with its answer where a text may have several."""
        return with_target(text, label) if writes_texts(self.task) else text


def is_placeholder(text: str) -> bool:
    """Return whether a cleaned text only says that there is none."""
    return len(text) <= LONGEST_PLACEHOLDER and text.strip(" \"'").casefold() in PLACEHOLDERS
