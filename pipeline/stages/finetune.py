"""Fine-tune: train encoder and head on the labels."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.base import logs
from pipeline.base.config import FinetuneConfig, ReplayConfig
from pipeline.base.config.table_section import RatingRule
from pipeline.base.errors import DataRejected
from pipeline.base.records import Receipt
from pipeline.base.tasks import SINGLE_LABEL, TaskName
from pipeline.base.tasks.scores import valid_score
from pipeline.io import files, parquet
from pipeline.io.model_folder import WORD_HEAD, WORD_HEAD_FILE, read_word_head, write_model
from pipeline.io.models.champion_start import ChampionStart, open_start, require_numbers
from pipeline.io.models.published_folder import WEIGHTS
from pipeline.io.training.token_shards import in_batches
from pipeline.stages.training.finetuning_tokens import FinetuningTokens
from pipeline.stages.training.text_ids import TextIds

if TYPE_CHECKING:
    from pipeline.core.methods.prompts import Prompt
    from pipeline.core.methods.replay import TrainedRows
    from pipeline.core.tasks.protocol import TaskObjective
    from pipeline.core.train.checkpoints import CheckpointStore
    from pipeline.core.train.finetuning import FinetuningRounds, Trained
    from pipeline.core.train.objectives import EncoderStart
    from pipeline.stages.context import StageContext, TrainingContext

log = logs.get("finetune")
TRAIN = "train.parquet"
# What the objectives of the tasks measure beside the score.
FIGURES = ("accuracy", "exact", "mean_absolute_error", "weighted_kappa", "perplexity")


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
    answer_tokens: int = 0,
    rules: Mapping[str, RatingRule] | None = None,
    task: TaskName = SINGLE_LABEL,
    champion: ChampionStart | None = None,
) -> Receipt:
    """Train encoder and head on the labels; write the classifier that is best on the validation split.

    `rules` turn the single ratings of a source's texts into the probability of each label, where `cfg` asks
    for them. With a `champion` training goes on from its weights, on the texts that are new to it and a
    replay of others; DataRejected is raised where none is new.
    """
    from pipeline.core.tasks import task_named
    from pipeline.core.tasks.protocol import Training

    start = champion.folder if champion else encoder
    rules = _rules(rules or {}, cfg)
    reading = (list(labels), max_tokens, long_texts, answer_tokens, cfg.model_dump(), dict(rules), task)
    store = partial(training.checkpoint_store, "finetune", _inputs(splits, start, champion), *reading)
    _require_fit(start, cfg)
    prompt = _prompt(start, cfg, labels, max_tokens) if cfg.method == "prompt" else None
    targets = Training(labels, rules, cfg, training.seed, long_texts, answer_tokens)
    made_for, begun = task_named(task), partial(_start, start, cfg, champion)
    tokens = FinetuningTokens(start, max_tokens, made_for, targets, begun)
    rows = _rows(splits / TRAIN, champion, cfg.replay) if champion else None
    train = store().texts("train", tokens.with_copies(splits / TRAIN, rows))
    valid = store().texts("valid", tokens.of(splits / "valid.parquet"))
    objective = made_for.objective(train, valid, begun(), targets)
    rounds = replace(_rounds(objective, cfg, training, store, prompt), ids=TextIds(train, splits / TRAIN))
    counts = {"train": len(train), "valid": len(valid), "steps": rounds.steps}
    counts |= _copies(len(train), splits / TRAIN, rows) if cfg.augment.any else {}
    before = _begin(objective, cfg, counts)
    before = _gone_on(before, champion, rows) if champion and rows else before
    receipt = _write(out, rounds.run(), start, before, valid_score(task))
    rounds.delete_checkpoints()
    return receipt


def _inputs(splits: Path, start: Path, champion: ChampionStart | None) -> list[object]:
    """Verify what is read, and return what identifies it."""
    made_by = {"split": splits, "finetune" if champion else "pretrain": start}
    digests = [dict(files.verified_receipt(path, made_by=stage).files) for stage, path in made_by.items()]
    return [*digests, champion.data_version] if champion else [*digests]


def _require_fit(start: Path, cfg: FinetuneConfig) -> None:
    """Raise ConfigError where the encoder does not go with the method."""
    from pipeline.core.methods.trained_weights import require_method

    require_method(files.read_json(start / "config.json"), cfg)


def _copies(texts: int, train: Path, rows: "TrainedRows | None") -> dict[str, int]:
    """Return how many of the texts that are trained on are changed copies of others."""
    own = sum(rows.is_trained_N) if rows else len(parquet.TextColumn(train))
    return {"copies": texts - int(own)}


def _gone_on(before: Receipt, champion: ChampionStart, rows: "TrainedRows") -> Receipt:
    """Add the release that training goes on from, and how many texts are new or replayed."""
    counts, notes = {**before.counts, **rows.counts}, {**before.notes, "start": champion.release}
    return replace(before, counts=counts, notes=notes)


def _rounds(
    objective: "TaskObjective",
    cfg: FinetuneConfig,
    training: "TrainingContext",
    store: "Callable[..., CheckpointStore]",
    prompt: "Prompt | None",
) -> "FinetuningRounds":
    from pipeline.core.methods.recipe import Recipe, finetuning_steps
    from pipeline.core.train.finetuning import FinetuningRounds

    steps = finetuning_steps(cfg, steps_per_epoch=objective.sampler.steps_per_epoch)
    recipe = Recipe.of(cfg)
    recipe.require_steps(steps)
    return FinetuningRounds(training.train, store, cfg, objective, recipe, steps, prompt)


def _begin(objective: "TaskObjective", cfg: FinetuneConfig, counts: Mapping[str, int]) -> Receipt:
    """Say how many weights the method trains, and begin the receipt with them."""
    from pipeline.core.methods.trained_weights import count_weights

    weights = count_weights(objective.build_model())
    share = round(weights.share, 4)
    log.info("method.chosen", method=cfg.method, trained=weights.trained, of=weights.saved, share=share)
    parameters = {"trained_parameters": weights.trained, "parameters": weights.saved}
    figures = {"trained_share": weights.share}
    return Receipt("finetune", {**counts, **parameters}, figures, {"method": cfg.method})


def _write(out: Path, trained: "Trained", encoder: Path, before: Receipt, score: str) -> Receipt:
    """Write the classifier, and complete the receipt that was begun before; `score` names what was best."""
    best = trained.best
    scores = {f"{score}/{name}": value for name, value in trained.scores.items()}
    figures = {score: best["score"], **scores}
    figures |= {f"valid_{name}": best[name] for name in FIGURES if name in best}
    config = files.read_json(encoder / "config.json")
    tokenizer = (encoder / "tokenizer.json").read_text("utf-8")
    with files.staging_dir(out) as staging:
        write_model(staging, trained.weights, config, tokenizer, trained.history)
        counts = {**before.counts, "best_step": int(best["step"])}
        receipt = replace(before, counts=counts, figures={**figures, **before.figures})
        return files.write_receipt(staging, receipt)


def _rows(train: Path, champion: ChampionStart, cfg: ReplayConfig) -> "TrainedRows":
    """Choose the training texts of a start from the champion: the new ones and a replay."""
    from pipeline.core.methods.replay import choose_rows

    table = parquet.stream_rows(train, "text", "label", "source", "id")
    rows = choose_rows(in_batches(champion.learnt), in_batches(table), cfg.share)
    log.info("champion.goes_on", release=champion.release, **rows.counts)
    if not rows.counts["new"]:
        raise DataRejected(
            f"finetune.start is `champion`, and {champion.release} has learnt from each of the "
            f"{len(rows.is_trained_N):,} training texts. Collect new ones, or write `start: encoder` under "
            "`finetune` in params.yaml."
        )
    return rows


def _rules(rules: Mapping[str, RatingRule], cfg: FinetuneConfig) -> Mapping[str, RatingRule]:
    """Return the rating rules where they are asked for; without any, labels are learnt."""
    if cfg.targets == "labels":
        return {}
    if not rules:
        log.info("targets.labels", why="no source has single ratings")
    return rules


def _prompt(encoder: Path, cfg: FinetuneConfig, labels: Sequence[str], max_tokens: int) -> "Prompt":
    """Read the prompt; refuse an encoder that cannot fill a blank."""
    from pipeline.core.methods.prompts import read_prompt, require_word_head

    model_type = files.read_json(encoder / "config.json")["model_type"]
    require_word_head(model_type, (encoder / WORD_HEAD_FILE).exists())
    return read_prompt((encoder / "tokenizer.json").read_text("utf-8"), cfg.prompt, labels, max_tokens)


def _start(folder: Path, cfg: FinetuneConfig, champion: ChampionStart | None) -> "EncoderStart":
    from safetensors.torch import load

    from pipeline.core.train.objectives import EncoderStart

    weights, config = load((folder / WEIGHTS).read_bytes()), files.read_json(folder / "config.json")
    if champion:
        require_numbers(champion, weights)
        of_encoder, head = (
            {name.removeprefix(part): value for name, value in weights.items() if name.startswith(part)}
            for part in ("encoder.", "head.")
        )
        words = {name: value for name, value in weights.items() if name.startswith(WORD_HEAD)}
        return EncoderStart(config, of_encoder, cfg.dropout, words or None, method=cfg, head=head)
    return EncoderStart(config, weights, cfg.dropout, read_word_head(folder), method=cfg)


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
        answer_tokens=params.answer_tokens,
        cfg=params.finetune,
        training=context.training_context("finetune"),
        task=params.task,
        champion=open_start(context.workspace, params),
        rules={source.name: source.ratings for source in params.collect.tables if source.ratings},
    )
