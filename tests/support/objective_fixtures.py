"""One small objective of each kind, on the sentences of `model_fixtures`."""

from dataclasses import dataclass

import numpy as np
import pytest


@pytest.fixture(scope="session")
def token_lists(sentences, tokenizer):
    from pipeline.core.model.tokenizer import encode

    return encode(tokenizer, [text for text, _ in sentences])


@dataclass
class Words:
    """Hold what objectives without labels share."""

    start: object
    masking: object
    train: object
    valid: object
    batch_size: int
    seed: int


@pytest.fixture(scope="session")
def words(start, tokenizer, token_lists):
    from pipeline.core.model.pieces import continuations
    from pipeline.core.model.special_tokens import special_ids
    from pipeline.core.train.masking import WholeWordMasking

    special = special_ids(tokenizer)
    masking = WholeWordMasking(
        0.15, special["[MASK]"], tuple(special.values()), np.asarray(continuations(tokenizer))
    )
    return Words(start, masking, token_lists, token_lists[:16], 16, 7)


@pytest.fixture
def masked_words(words):
    from pipeline.core.train.objectives import MaskedWordObjective

    return MaskedWordObjective(**vars(words))


@pytest.fixture
def packed_words(words):
    from pipeline.core.train.objectives.masked_words import PackedWordObjective
    from pipeline.core.train.packing import TokenBudget

    return PackedWordObjective(**vars(words), budget=TokenBudget(row_tokens=32, batch_tokens=160))


def _pairs(words, tokenizer, question):
    from pipeline.core.model.special_tokens import special_ids
    from pipeline.core.train.objectives.sentence_pairs import SentenceIds, SentencePairObjective

    special = special_ids(tokenizer)
    ids = SentenceIds(special["[CLS]"], special["[SEP]"], (), 32)
    return SentencePairObjective(**vars(words), question=question, sentences=ids)


@pytest.fixture
def next_sentence(words, tokenizer):
    return _pairs(words, tokenizer, "next_sentence")


@pytest.fixture
def sentence_order(words, tokenizer):
    return _pairs(words, tokenizer, "sentence_order")


@pytest.fixture
def causal(words):
    from pipeline.core.train.objectives.causal import CausalObjective
    from pipeline.core.train.packing import TokenBudget

    shared = {name: value for name, value in vars(words).items() if name != "masking"}
    return CausalObjective(**shared, budget=TokenBudget(row_tokens=32, batch_tokens=160))


@pytest.fixture
def labels(objective):
    return objective


@pytest.fixture
def soft_labels(objective):
    from pipeline.core.train.objectives.soft_labels import SoftLabelledTokens, SoftLabelObjective

    labels_N = objective.train.labels
    share_N = np.random.default_rng(5).uniform(0.6, 1.0, len(labels_N)).astype(np.float32)
    probabilities = np.stack([np.where(labels_N == label, share_N, 1 - share_N) for label in (0, 1)], axis=1)
    shared = {name: getattr(objective, name) for name in objective.__dataclass_fields__}
    texts = SoftLabelledTokens(objective.train.tokens, labels_N, probabilities)
    return SoftLabelObjective(**{**shared, "train": texts})


@pytest.fixture
def several_labels(objective, token_lists):
    from pipeline.core.train.objectives.several_labels import LabelSetTexts, SeveralLabelObjective

    long = np.array([len(ids) > 9 for ids in token_lists])
    sets = np.stack([objective.train.labels == 1, long, long & (objective.train.labels == 0)], axis=1)
    texts = LabelSetTexts(token_lists, sets)
    return SeveralLabelObjective(
        objective.start, texts, texts, 16, lambda truth, predicted: float((truth == predicted).mean()), 7
    )


@pytest.fixture
def token_labels(objective, token_lists):
    from pipeline.core.train.objectives.token_labels import TaggedTokens, TokenLabelObjective

    tags = [[-100, *(int(number) % 3 for number in ids[1:-1]), -100] for ids in token_lists]
    texts = TaggedTokens(token_lists, tags)

    def share(truth, predicted):
        return float(np.mean([one == other for one, other in zip(truth, predicted, strict=True)]))

    return TokenLabelObjective(objective.start, texts, texts, 3, 16, share, 7)


@pytest.fixture
def answers(objective, token_lists):
    from pipeline.core.train.objectives.answers import AnswerObjective
    from pipeline.core.train.objectives.token_labels import TaggedTokens

    # The answer begins behind the third token.
    tags = [[-100, -100, *ids[3:], -100] for ids in token_lists]
    texts = TaggedTokens(token_lists, tags)
    return AnswerObjective(objective.start, texts, texts, 16, 7)


@pytest.fixture
def teacher(objective, score_function):
    import torch

    from pipeline.core.train.objectives.teacher import DistillationObjective

    torch.manual_seed(3)
    return DistillationObjective(
        student=objective.build_model(),
        teacher_NL=torch.randn(len(objective.train.tokens), 2),
        train=objective.train,
        valid=objective.valid,
        batch_size=16,
        temperature=2.0,
        label_weight=0.3,
        score=score_function,
        seed=7,
    )
