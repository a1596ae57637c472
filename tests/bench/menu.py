"""The menu of a trained classifier beside its peer, transformers' own pipeline on the uncompressed parent: part of `make bench`.

Needs what `make run` leaves. Prints figures and judges none; peer and variants take turns, so that a slow minute is everybody's.
"""

import logging
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
THREADS = 2
# Wider than params.yaml: what a share less of one kind costs, and what it gives.
MORE = (
    {
        "name": "short-int8",
        "vocabulary_min_count": 1,
        "layers": 0.66,
        "heads": 1.0,
        "feed_forward": 1.0,
        "int8": True,
    },
    {
        "name": "slim-int8",
        "vocabulary_min_count": 1,
        "layers": 0.66,
        "heads": 0.83,
        "feed_forward": 0.66,
        "int8": True,
    },
    {
        "name": "tiny-int8",
        "vocabulary_min_count": 2,
        "layers": 0.5,
        "heads": 0.5,
        "feed_forward": 0.5,
        "int8": True,
    },
)
# fall: of macro F1 against the parent, on the validation split and on the test split; p50, p95: ms of one text and of 32.
HEADS = (
    *("variant", "MB", "parameters", "fall", "agrees", "worst slice", "test fall", "test agrees"),
    *("p50", "p95", "p50-32", "p95-32", "texts/s", "x peer"),
)
PEER_BATCHES = (1, 4, 8, 16, 32, 64)
PEER_TEXTS, OUR_TEXTS, ROUNDS = 192, 1536, 5


def main() -> None:
    """Make, measure and print the menu."""
    data = ROOT / "data"
    if not (data / "classifier" / "receipt.json").is_file():
        print("menu: no classifier yet; type `make run`")
        return
    from pipeline.base import logs
    from pipeline.base.config import CompressConfig, Profile
    from pipeline.io import parquet
    from pipeline.io.params_file import load_params
    from pipeline.stages.compress import workshop
    from pipeline.stages.context import TrainingContext

    logs.configure(json=False, debug=False)
    params = load_params(ROOT / "params.yaml")
    profile = Profile(device="cpu", workers=0, micro_batch=64, threads=THREADS, stage_minutes=30)
    told = params.compress.model_dump()
    cfg = CompressConfig.model_validate({**told, "menu": (*told["menu"], *MORE)})
    with tempfile.TemporaryDirectory(prefix="tonewatch-menu-") as folder:
        training = TrainingContext(params.seed, profile, Path(folder), Path(folder), "")
        settings = {"labels": list(params.collect.labels), "max_tokens": params.encoder.max_tokens}
        shop = workshop(data / "classifier", data / "splits", settings, cfg, training)
        made = {recipe.name: shop.make(recipe) for recipe in cfg.menu}
    test = parquet.read_texts(data / "splits" / "test.parquet")
    _show(shop, made, test, params.evaluate)


def _show(shop: Any, made: Mapping[str, Any], test: Sequence[Any], judging: Any) -> None:
    from pipeline.core.model.predictor import Predictor
    from pipeline.stages.runner import compress

    predictors = {
        name: Predictor.of(one.model, one.tokenizer, shop.settings, threads=THREADS)
        for name, one in made.items()
    }
    logits = {
        name: one.logits([record.text for record in shop.sides["valid"]]) for name, one in predictors.items()
    }
    speed = compress.timed(predictors, shop)
    variants = compress.measured(shop, made, logits, speed, judging)
    tested = _tested(shop, predictors, test)
    rates, peer_batch = _rates(shop, predictors, [record.text for record in test])
    peer = statistics.median(rates["peer"])
    print(
        f"\nmenu, {THREADS} threads; the peer is pipeline('text-classification') on the parent at its best batch size, {peer_batch}:"
    )
    print(
        f"{peer:,.0f} texts/s. Ratios are medians over {ROUNDS} rounds in which all take turns on texts of the test split.\n"
    )
    rows = [list(HEADS)]
    for one in variants:
        ratio = statistics.median(
            ours / theirs for ours, theirs in zip(rates[one.name], rates["peer"], strict=True)
        )
        times = [f"{value:.1f}" for value in (one.p50_ms, one.p95_ms, one.p50_ms_32, one.p95_ms_32)]
        worst = f"{one.worst_slice.name} {one.worst_slice.fall:+.3f}"
        falls = [
            f"{one.macro_f1_fall:+.4f}",
            f"{one.agreement:.3f}",
            worst,
            f"{tested[one.name][0]:+.4f}",
            f"{tested[one.name][1]:.3f}",
        ]
        ends = [f"{statistics.median(rates[one.name]):,.0f}", f"{ratio:.1f}"]
        rows.append([one.name, f"{one.megabytes:.1f}", f"{one.parameters / 1e6:.1f}M", *falls, *times, *ends])
    widths = [max(len(row[place]) for row in rows) for place in range(len(HEADS))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _tested(shop: Any, predictors: Mapping[str, Any], test: Sequence[Any]) -> dict[str, tuple[float, float]]:
    """Give each variant's fall of macro F1 on the test split, and how often it agrees with the parent there."""
    from pipeline.core.evaluate.metrics import score

    labels, truth = len(shop.settings["labels"]), shop.numbers(test)
    guesses = {
        name: one.logits([record.text for record in test]).argmax(1) for name, one in predictors.items()
    }
    parents = guesses[shop.cfg.parent]
    whole = score(truth, parents, labels)
    return {
        name: (whole - score(truth, found, labels), float((found == parents).mean()))
        for name, found in guesses.items()
    }


def _rates(
    shop: Any, predictors: Mapping[str, Any], texts: Sequence[str]
) -> tuple[dict[str, list[float]], int]:
    """Let the peer and every variant answer in turn; gives texts a second of each round, and the peer's best batch size."""
    answer = _peer(shop)
    few, many = (list(texts[:: max(1, len(texts) // count)][:count]) for count in (PEER_TEXTS, OUR_TEXTS))
    tried = {
        size: max(_rate(lambda size=size: answer(few, size), len(few)) for _ in range(2))
        for size in PEER_BATCHES
    }
    best = max(tried, key=tried.__getitem__)
    rates: dict[str, list[float]] = {name: [] for name in ("peer", *predictors)}
    for _ in range(ROUNDS):
        rates["peer"].append(_rate(lambda: answer(few, best), len(few)))
        for name, predictor in predictors.items():
            rates[name].append(_rate(lambda predictor=predictor: predictor.predict(many), len(many)))
    return rates, best


def _rate(work: Callable[[], object], amount: int) -> float:
    start = time.perf_counter()
    work()
    return amount / (time.perf_counter() - start)


def _peer(shop: Any) -> Callable[[Sequence[str], int], object]:
    """Wrap the parent as transformers wants it: the same weights, the same mean over tokens."""
    import torch
    import transformers
    from transformers import PreTrainedModel, PreTrainedTokenizerFast, TextClassificationPipeline
    from transformers.modeling_outputs import SequenceClassifierOutput

    torch.set_num_threads(THREADS)
    # It says at length that it does not know our class, and then answers with it.
    transformers.utils.logging.set_verbosity(logging.CRITICAL)
    parent, longest = shop.parent, shop.settings["max_tokens"]

    class Wrapped(PreTrainedModel):  # type: ignore[misc]
        config_class = type(parent.encoder.config)
        # The encoder inside has chosen its own attention; this shell has none that could be asked.
        _supports_sdpa = True

        def __init__(self, config: Any) -> None:
            super().__init__(config)
            self.classifier = parent

        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            return SequenceClassifierOutput(logits=self.classifier(input_ids, attention_mask))

    from tokenizers import Tokenizer

    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(shop.tokenizer),
        pad_token="[PAD]",
        model_input_names=["input_ids", "attention_mask"],
    )
    config = parent.encoder.config
    config.id2label = dict(enumerate(shop.settings["labels"]))
    pipe = TextClassificationPipeline(model=Wrapped(config).eval(), tokenizer=tokenizer, device=-1)
    return lambda texts, size: pipe(list(texts), batch_size=size, truncation=True, max_length=longest)


if __name__ == "__main__":
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    main()
