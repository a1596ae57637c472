"""What tokenizers of any kind have in common when they are trained."""

from tokenizers import Tokenizer

NO_LETTER = (
    "No training text has a letter, a digit or a sign, so there is nothing to train a tokenizer on. "
    "Look at the texts that `collect.sources` of params.yaml reads, and correct `columns.text`."
)


def put_ends_around_texts(tokenizer: Tokenizer) -> None:
    """Let a tokenizer put [CLS] before a text, and [SEP] behind it and behind its target."""
    from tokenizers import processors

    ends = [(name, tokenizer.token_to_id(name)) for name in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=ends
    )
