"""Fine-tune: train encoder and head on the labels."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.base import logs
from pipeline.base.config import FinetuneConfig
from pipeline.base.config.table_section import RatingRule
from pipeline.base.errors import ConfigError
from pipeline.base.records import Receipt
from pipeline.io import files, parquet
from pipeline.io.model_folder import WORD_HEAD_FILE, write_model
from pipeline.io.training.token_shards import (
    LABEL,
    PROBABILITIES,
    TOKENS,
    Columns,
    TokenShards,
    in_batches,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pipeline.core.model.prompts import Prompt
    from pipeline.core.train.finetuning import Trained
    from pipeline.core.train.objectives import LabelObjective
    from pipeline.stages.context import StageContext, TrainingContext

log = logs.get("finetune")


def finetune(
    splits: Path,
    encoder: Path,
    out: Path,
    *,
    labels: Sequence[str],
    max_tokens: int,
    cfg: FinetuneConfig,
    training: "TrainingContext",
    long_texts: str = "head",
    rules: Mapping[str, RatingRule] | None = None,
) -> Receipt:
    """Train encoder and head on the labels; write the classifier that is best on the validation split.

    `rules` turn the single ratings of a source's texts into the probability of each label, where `cfg` asks
    for them.
    """
    from pipeline.core.methods.recipe import Recipe
    from pipeline.core.methods.trained_weights import require_method
    from pipeline.core.train.finetuning import FinetuningRounds

    sources = {"split": splits, "pretrain": encoder}
    inputs = [dict(files.verified_receipt(path, made_by=stage).files) for stage, path in sources.items()]
    rules = _rules(rules or {}, cfg)
    require_method(files.read_json(encoder / "config.json"), cfg)
    prompt = _prompt(encoder, cfg, labels, max_tokens) if cfg.method == "prompt" else None
    key = (inputs, list(labels), max_tokens, long_texts, cfg.model_dump(), dict(rules))
    store = partial(training.checkpoint_store, "finetune", *key)
    checkpoints = store()
    tokens = _Tokens(encoder, max_tokens, long_texts, labels, rules)
    train = checkpoints.texts("train", tokens.of(splits / "train.parquet"))
    valid = checkpoints.texts("valid", tokens.of(splits / "valid.parquet"))
    objective = _objective(train, valid, encoder, labels=len(labels), cfg=cfg, seed=training.seed)
    steps = max(cfg.min_steps, cfg.epochs * objective.sampler.steps_per_epoch)
    recipe = Recipe.of(cfg)
    recipe.require_steps(steps)
    rounds = FinetuningRounds(training.train, store, cfg, objective, recipe, steps, prompt)
    before = _begin(objective, cfg, {"train": len(train), "valid": len(valid), "steps": steps})
    receipt = _write(out, rounds.run(), encoder, before)
    rounds.delete_checkpoints()
    return receipt


def _begin(objective: "LabelObjective", cfg: FinetuneConfig, counts: Mapping[str, int]) -> Receipt:
    """Say how many weights the method trains, and begin the receipt with them."""
    from pipeline.core.methods.trained_weights import count_weights

    weights = count_weights(objective.build_model())
    share = round(weights.share, 4)
    log.info("method.chosen", method=cfg.method, trained=weights.trained, of=weights.saved, share=share)
    parameters = {"trained_parameters": weights.trained, "parameters": weights.saved}
    figures = {"trained_share": weights.share}
    return Receipt("finetune", {**counts, **parameters}, figures, {"method": cfg.method})


def _write(out: Path, trained: "Trained", encoder: Path, before: Receipt) -> Receipt:
    """Write the classifier, and complete the receipt that was begun before."""
    best = trained.best
    scores = {f"valid_macro_f1/{name}": score for name, score in trained.scores.items()}
    figures = {"valid_macro_f1": best["score"], "valid_accuracy": best["accuracy"], **scores}
    config = files.read_json(encoder / "config.json")
    tokenizer = (encoder / "tokenizer.json").read_text("utf-8")
    with files.staging_dir(out) as staging:
        write_model(staging, trained.weights, config, tokenizer, trained.history)
        counts = {**before.counts, "best_step": int(best["step"])}
        receipt = replace(before, counts=counts, figures={**figures, **before.figures})
        return files.write_receipt(staging, receipt)


def _rules(rules: Mapping[str, RatingRule], cfg: FinetuneConfig) -> Mapping[str, RatingRule]:
    """Return the rating rules where they are asked for; refuse where no source has any."""
    if cfg.targets == "labels":
        return {}
    if not rules:
        raise ConfigError(
            "finetune.targets is `ratings`, and no source has single ratings. Write `targets: labels` under "
            "`finetune` in params.yaml, or `ratings` and a column of `raters` under a source."
        )
    return rules


def _prompt(encoder: Path, cfg: FinetuneConfig, labels: Sequence[str], max_tokens: int) -> "Prompt":
    """Read the prompt; refuse an encoder that cannot fill a blank."""
    from pipeline.core.model.prompts import read_prompt

    model_type = files.read_json(encoder / "config.json")["model_type"]
    if model_type != "bert" or not (encoder / WORD_HEAD_FILE).exists():
        raise ConfigError(
            "finetune.method: `prompt` needs a BERT with a word head, and this encoder is "
            f"{'one without' if model_type == 'bert' else 'a ' + model_type}. Write "
            "`objective: masked_words` under `pretrain` and another `start` under `encoder` in "
            "params.yaml, or `method: full`."
        )
    return read_prompt((encoder / "tokenizer.json").read_text("utf-8"), cfg.prompt, labels, max_tokens)


def _objective(
    train: TokenShards, valid: TokenShards, encoder: Path, *, labels: int, cfg: FinetuneConfig, seed: int
) -> "LabelObjective":
    from safetensors.torch import load

    from pipeline.core.evaluate.metrics import score
    from pipeline.core.train.objectives import EncoderStart, LabelObjective
    from pipeline.core.train.objectives.labels import LossOptions
    from pipeline.core.train.objectives.soft_labels import SoftLabelObjective

    config = files.read_json(encoder / "config.json")
    weights = load((encoder / "model.safetensors").read_bytes())
    word_head = None
    if cfg.method == "prompt":
        word_head = load((encoder / WORD_HEAD_FILE).read_bytes())
    kind = SoftLabelObjective if cfg.targets == "ratings" else LabelObjective
    return kind(
        start=EncoderStart(config, weights, cfg.dropout, word_head, method=cfg),
        train=train,
        valid=valid,
        labels=labels,
        batch_size=cfg.batch_size,
        class_weights=cfg.class_weights,
        score=score,
        seed=seed,
        options=LossOptions(cfg.label_smoothing, cfg.r_drop),
    )


@dataclass(frozen=True)
class _Tokens:
    """Hold what makes tokens and targets of a split."""

    encoder: Path
    max_tokens: int
    long_texts: str
    labels: Sequence[str]
    rules: Mapping[str, RatingRule]

    def of(self, path: Path) -> Iterator[Columns]:
        """Yield the tokens, labels and their probabilities of a split, one batch of texts in memory."""
        from pipeline.core.model.tokenizer import encode, load_tokenizer

        document = (self.encoder / "tokenizer.json").read_text("utf-8")
        tokenizer = load_tokenizer(document, self.max_tokens)
        for rows in in_batches(parquet.stream_rows(path, "text", "label", "source", *self._raters(path))):
            targets = [self.labels.index(label) for _, label, *_ in rows]
            tokens = encode(tokenizer, [row[0] for row in rows], self.long_texts)
            columns: dict[str, Any] = {TOKENS: tokens, LABEL: targets}
            if self.rules:
                columns[PROBABILITIES] = self._probabilities(rows, targets)
            yield columns

    def _raters(self, path: Path) -> tuple[str, ...]:
        # A data version of before has no such column.
        return ("raters",) if self.rules and "raters" in parquet.column_names(path) else ()

    def _probabilities(
        self, rows: Sequence[tuple[str, ...]], targets: Sequence[int]
    ) -> "NDArray[np.float32]":
        import numpy as np

        from pipeline.core.train.rating_targets import label_probabilities

        probabilities_NL = np.eye(len(self.labels), dtype=np.float32)[targets]
        for row, (_, _, source, *raters) in enumerate(rows):
            ratings = [float(rating) for rating in " ".join(raters).split()]
            if len(ratings) >= 2 and source in self.rules:
                probabilities_NL[row] = label_probabilities(ratings, self.rules[source])
        return probabilities_NL


def run(context: "StageContext") -> Receipt:
    """Run the stage in a workspace."""
    params = context.params
    return finetune(
        context.folder("split"),
        context.folder("pretrain"),
        context.folder("finetune"),
        labels=params.collect.labels,
        max_tokens=params.encoder.max_tokens,
        long_texts=params.encoder.long_texts,
        cfg=params.finetune,
        training=context.training_context("finetune"),
        rules={source.name: source.ratings for source in params.collect.tables if source.ratings},
    )
