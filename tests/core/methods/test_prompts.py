"""A prompt around a text has one blank, and the words of a label fill it."""

import pytest
import torch
from training_methods import method

from pipeline.base.config import PromptConfig
from pipeline.base.errors import ConfigError
from pipeline.core.methods.prompts import PromptClassifier, read_prompt
from pipeline.core.model.heads import MaskedLanguageModel
from pipeline.core.model.tokenizer import load_tokenizer
from pipeline.core.vocabulary import train_byte_pairs

WORDS = {"bad": ("bad", "awful"), "good": ("good",)}
LABELS = ("bad", "good")


def config(template="a {text} that was [MASK] for us", words=None):
    return PromptConfig(template=template, words=words or WORDS, zero_shot=False)


def test_a_text_stands_in_its_prompt(tokenizer_json, tokenizer):
    prompt = read_prompt(tokenizer_json, config(), LABELS, 32)

    ids = prompt.around(tokenizer.encode("lovely film").ids)

    wanted = tokenizer.encode("a lovely film that was [MASK] for us").ids
    assert ids == wanted
    assert ids.count(prompt.mask) == 1


def test_a_prompt_of_bytes_is_read_as_a_text_is():
    texts = ["a lovely film that was good for us", "a lovely film that was bad for us"]
    document = train_byte_pairs([*texts, "awful"] * 9, vocabulary=400)
    tokenizer = load_tokenizer(document, 32)

    prompt = read_prompt(document, config(), LABELS, 32)

    good, bad = (tokenizer.encode(text).ids for text in texts)
    around = prompt.around(tokenizer.encode("lovely film").ids)
    assert around == [prompt.mask if one != other else one for one, other in zip(good, bad, strict=True)]
    assert prompt.words[1] == (next(one for one, other in zip(good, bad, strict=True) if one != other),)


def test_a_long_text_is_cut_and_a_blank_of_its_own_left_out(tokenizer_json, tokenizer):
    prompt = read_prompt(tokenizer_json, config(), LABELS, 32)

    ids = prompt.around([*tokenizer.encode("film [MASK] book").ids[:-1], *[40] * 50, 3])

    assert len(ids) == 32
    assert ids.count(prompt.mask) == 1
    assert ids[-len(prompt.after) :] == list(prompt.after)


def test_a_target_behind_a_long_text_stays(tokenizer_json, tokenizer):
    prompt = read_prompt(tokenizer_json, config(), LABELS, 32)
    target = tokenizer.encode("film book").ids[1:-1]

    ids = prompt.around([2, *[40] * 27, 3, *target, 3])

    assert len(ids) == 32
    behind = ids[: -len(prompt.after)]
    assert behind[-len(target) - 1 :] == [3, *target]
    assert behind[len(prompt.before)] == 40


def test_of_a_text_in_windows_the_first_is_read(tokenizer_json, tokenizer):
    prompt = read_prompt(tokenizer_json, config(), LABELS, 32)
    first = [2, *[40] * 30, 3]

    assert prompt.around([*first, 2, *[50] * 9, 3]) == prompt.around(first)
    assert 50 not in prompt.around([*first, 2, *[50] * 9, 3])


def test_the_logit_of_a_label_is_the_mean_of_its_words(tokenizer_json, tokenizer, start):
    prompt = read_prompt(tokenizer_json, config(), LABELS, 32)
    words = MaskedLanguageModel(start.encoder(3)).eval()
    words.bias.data.uniform_(-1, 1, generator=torch.Generator().manual_seed(2))
    head = {name: value for name, value in words.state_dict().items() if not name.startswith("encoder.")}
    labels = PromptClassifier(words.encoder, head, prompt).eval()
    tokens = torch.tensor([prompt.around(tokenizer.encode(text).ids) for text in ("lovely film", "bad book")])

    with torch.inference_mode():
        found = labels(tokens, torch.ones_like(tokens))
        everything = words(tokens, torch.ones_like(tokens), tokens == prompt.mask)

    bad, awful, good = (tokenizer.token_to_id(word) for word in ("bad", "awful", "good"))
    expected = torch.stack([everything[:, [bad, awful]].mean(1), everything[:, good]], dim=1)
    assert torch.allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"words": {"bad": ("bad",)}}, r"the label good has no word. Write `good: \[a word, another\]`"),
        ({"words": {**WORDS, "good": ()}}, "the label good has no word"),
        ({"words": {**WORDS, "good": ("filmgood",)}}, "`filmgood` of the label good is no single piece"),
        ({"words": {**WORDS, "good": ("Ω",)}}, "is no single piece"),
        ({"words": {**WORDS, "good": ("bad",)}}, "`bad` is a word of the label bad, and again of good"),
        ({"words": {**WORDS, "good": ("good", "good")}}, "`good` is a word of the label good, and again of"),
        ({"words": {**WORDS, "good": ("[SEP]",)}}, r"`\[SEP\]` of the label good is no single piece"),
        ({"words": {**WORDS, "good": ("",)}}, "`` of the label good is no single piece"),
        ({"template": "{text} " + "was good for us " * 6 + "[MASK]"}, "leaves fewer than 8 of 32 tokens"),
    ],
)
def test_a_prompt_that_does_not_fit_is_refused(changes, message, tokenizer_json):
    with pytest.raises(ConfigError, match=message):
        read_prompt(tokenizer_json, config(**changes), LABELS, 32)


def test_a_tokenizer_that_begins_no_text_has_no_prompt(tokenizer_json):
    with pytest.raises(ConfigError, match="tokens that begin and end a text, and that of this encoder lacks"):
        read_prompt(tokenizer_json.replace("[CLS]", "[START]"), config(), LABELS, 32)


def test_the_words_of_params_yaml_are_those_of_its_labels(root):
    assert set(method(root).prompt.words) == {"negative", "neutral", "positive"}
