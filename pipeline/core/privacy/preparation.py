"""Prepare a text as a model reads it: the same in training, on the command line and in the service.

A release names its preparation in its settings, so that it goes on reading texts as it learnt them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.base.tasks.targets import split_target, with_target
from pipeline.core.clean.rules import EARLIER_RULES, RULES, Rules, clean_text
from pipeline.core.privacy.masking import PLACEHOLDER, UNREAD, mask_pii

PREPARATION = "preparation"  # its key in the notes of receipts
# A text that still changes then is hostile and masked as a whole.
MAX_PASSES = 4


@dataclass(frozen=True)
class Preparation:
    """Hold the rules that clean a text, and whether personal data in it are masked.

    Preparing a prepared text changes nothing. With `targets` a second line is the target of the text, which
    is prepared by itself (base/tasks/targets.py).
    """

    name: str
    rules: Rules
    mask: bool
    targets: bool = False

    def apply(self, text: str) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
        """Return the prepared text, the rules that changed it, and the kinds of data that were masked."""
        if not self.targets:
            return self._apply(text)
        (first, rules, kinds), (second, more_rules, more_kinds) = map(self._apply, split_target(text))
        changed = tuple(dict.fromkeys((*rules, *more_rules)))
        return with_target(first, second), changed, tuple(dict.fromkeys((*kinds, *more_kinds)))

    def _apply(self, text: str) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
        cleaned, rules = clean_text(text, self.rules)
        if not self.mask:
            return cleaned, rules, ()
        masked, kinds = mask_pii(cleaned)
        if masked == cleaned:
            return cleaned, rules, ()
        # What is masked may have kept a rule or a recognizer from what is beside it.
        for _ in range(MAX_PASSES):
            before, masked = masked, mask_pii(clean_text(masked, self.rules)[0])[0]
            if masked == before:
                return masked, rules, kinds
        return PLACEHOLDER.format(UNREAD), rules, (*kinds, UNREAD)

    def __call__(self, text: str) -> str:
        """Return the prepared text."""
        return self.apply(text)[0]


# Releases that name none were trained on texts that were cleaned by fewer rules, and not masked.
EARLIER = Preparation("1", EARLIER_RULES, mask=False)
PLAIN = Preparation("2", RULES, mask=False)
MASKED = Preparation("2-masked", RULES, mask=True)
PLAIN_TARGETS = Preparation("2-targets", RULES, mask=False, targets=True)
MASKED_TARGETS = Preparation("2-masked-targets", RULES, mask=True, targets=True)
BY_NAME = {one.name: one for one in (EARLIER, PLAIN, MASKED, PLAIN_TARGETS, MASKED_TARGETS)}


def preparation(*, mask: bool, targets: bool = False) -> Preparation:
    """Return the preparation of new data; with `targets` a second line of a text is its target."""
    if targets:
        return MASKED_TARGETS if mask else PLAIN_TARGETS
    return MASKED if mask else PLAIN


def preparation_named(name: str) -> Preparation:
    """Return the preparation that a release or a data version names; of none, that of earlier versions.

    Raises ValueError for one of a later version.
    """
    if name and name not in BY_NAME:
        raise ValueError(f"this version does not know the preparation {name!r} of texts. Update Tonewatch.")
    return BY_NAME[name or EARLIER.name]


@dataclass(frozen=True)
class PreparedBatch:
    """Hold the texts that preparing changed, by their places, and what changed each.

    `rules` and `kinds` are as Preparation.apply returns them, for those places whose text or count changed.
    """

    texts: dict[int, str]
    rules: dict[int, tuple[str, ...]]
    kinds: dict[int, tuple[str, ...]]


def prepare_batch(name: str, texts: Sequence[str]) -> PreparedBatch:
    """Prepare many texts by the preparation of this name; it can be called in another process."""
    prepare, prepared = preparation_named(name), PreparedBatch({}, {}, {})
    for place, text in enumerate(texts):
        changed, rules, kinds = prepare.apply(text)
        if changed != text:
            prepared.texts[place] = changed
        if rules:
            prepared.rules[place] = rules
        if kinds:
            prepared.kinds[place] = kinds
    return prepared
