"""A tiny encoder and tokenizer, trained on the spot from sentences written here."""

import itertools

import pytest

GOOD, BAD = ("good", "great", "lovely", "superb"), ("bad", "awful", "dreadful", "poor")
THINGS = ("film", "book", "phone", "meal", "song", "train ride", "hotel room", "garden in the early spring")


@pytest.fixture(scope="session")
def sentences():
    """Give (text, label) pairs of several lengths: 0 bad, 1 good."""
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
    from pipeline.core.model.tokenizer import train_tokenizer

    return train_tokenizer((text for text, _ in sentences), vocabulary=200)


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
def method(sentences, tokenizer, start):
    """Give the method that learns the sentences' labels; held out are the training texts themselves."""
    import numpy as np

    from pipeline.core.evaluate.metrics import score
    from pipeline.core.model.tokenizer import encode
    from pipeline.core.train.objectives import LabelObjective

    tokens, targets = (
        encode(tokenizer, [text for text, _ in sentences]),
        np.array([label for _, label in sentences]),
    )
    return LabelObjective(
        start=start,
        train=tokens,
        targets=targets,
        held_out=tokens,
        held_out_targets=targets,
        labels=2,
        batch_size=16,
        class_weights=0.0,
        score=score,
        seed=7,
    )


@pytest.fixture(scope="session")
def taught(method):
    """Give a classifier that has learnt the sentences' labels."""
    from pipeline.core.train.loop import Schedule, WorkerShard, fit
    from pipeline.core.train.optimizer import make_optimizer

    model = method.model()
    for _ in fit(
        model,
        method,
        make_optimizer(model, weight_decay=0.0),
        Schedule(60, 3e-3, 0.1, 1.0),
        WorkerShard(0, 1, 64),
    ):
        pass
    return model.eval()


@pytest.fixture(scope="session")
def score_of():
    from pipeline.core.evaluate.metrics import score

    return score
