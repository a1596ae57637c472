"""A tiny encoder and tokenizer, trained from the sentences in this file."""

import itertools

import pytest

GOOD, BAD = ("good", "great", "lovely", "superb"), ("bad", "awful", "dreadful", "poor")
THINGS = ("film", "book", "phone", "meal", "song", "train ride", "hotel room", "garden in the early spring")


@pytest.fixture(scope="session")
def sentences():
    """Return (text, label) pairs of several lengths: 0 bad, 1 good."""
    pairs = []
    for label, words in enumerate((BAD, GOOD)):
        pairs += [(f"a {word} {thing}", label) for word, thing in itertools.product(words, THINGS)]
        pairs += [
            (f"what a {word} {thing} that was for all of us", label)
            for word, thing in itertools.product(words, THINGS)
        ]
    return pairs


@pytest.fixture(scope="session")
def tokenizer_json(sentences):
    from pipeline.core.vocabulary import train_wordpiece

    return train_wordpiece([text for text, _ in sentences], vocabulary=200)


@pytest.fixture(scope="session")
def tokenizer(tokenizer_json):
    from pipeline.core.model.tokenizer import load_tokenizer

    return load_tokenizer(tokenizer_json, 32)


@pytest.fixture(scope="session")
def start(tokenizer_json):
    from pipeline.core.model.encoder import scratch_config
    from pipeline.core.model.tokenizer import vocabulary_size
    from pipeline.core.train.objectives import EncoderStart

    config = scratch_config(
        vocabulary=vocabulary_size(tokenizer_json),
        width=32,
        layers=2,
        heads=2,
        feed_forward=64,
        max_tokens=32,
    )
    return EncoderStart(config, None, dropout=0.0)


@pytest.fixture(scope="session")
def objective(sentences, tokenizer, start):
    """Return the objective of the sentences' labels; it validates on the training texts."""
    import numpy as np

    from pipeline.core.evaluate.metrics import score
    from pipeline.core.model.tokenizer import encode
    from pipeline.core.train.objectives import LabelledTokens, LabelObjective

    tokens = encode(tokenizer, [text for text, _ in sentences])
    labelled = LabelledTokens(tokens, np.array([label for _, label in sentences]))
    return LabelObjective(
        start=start,
        train=labelled,
        valid=labelled,
        labels=2,
        batch_size=16,
        class_weights=0.0,
        score=score,
        seed=7,
    )


@pytest.fixture(scope="session")
def classifier(objective):
    """Return a classifier trained on the sentences' labels."""
    from pipeline.core.train.loop import Schedule, WorkerShard, fit
    from pipeline.core.train.optimizer import make_optimizer

    model = objective.build_model()
    for _ in fit(
        model,
        objective,
        make_optimizer(model, weight_decay=0.0),
        Schedule(60, 3e-3, 0.1, 1.0),
        WorkerShard(0, 1, 64),
    ):
        pass
    return model.eval()


@pytest.fixture(scope="session")
def score_function():
    from pipeline.core.evaluate.metrics import score

    return score


@pytest.fixture(scope="session")
def swaps(start, tokenizer):
    """Return a language model that expects `great` everywhere, and next to it `bad`."""
    import torch

    from pipeline.core.methods.word_swaps import WordSwaps
    from pipeline.core.model.heads import MaskedLanguageModel

    model = MaskedLanguageModel(start.encoder(3))
    with torch.no_grad():
        model.bias.fill_(-100.0)
        model.bias[tokenizer.token_to_id("great")] = 100.0
        model.bias[tokenizer.token_to_id("bad")] = 50.0
    return WordSwaps(model, tokenizer)
