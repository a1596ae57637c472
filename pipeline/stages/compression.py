"""From a classifier to a candidate: a measured menu of variants, and the one that the written rule chooses."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.config import CompressConfig, EvaluateConfig
from pipeline.schema import Receipt, Record
from pipeline.storage import files, tables

if TYPE_CHECKING:
    from pipeline.compress.budget import Variant
    from pipeline.model.predictor import Predictor
    from pipeline.stages.training import Bench
    from pipeline.stages.variants import Made, Workshop

# Until a variant is chosen: its logits as they are, and no answer is uncertain.
UNFITTED = {"temperature": 1.0, "uncertain": 0.0}


def compress(
    classifier: Path,
    splits: Path,
    out: Path,
    *,
    labels: Sequence[str],
    max_tokens: int,
    cfg: CompressConfig,
    judging: EvaluateConfig,
    bench: "Bench",
) -> Receipt:
    """Make the menu's variants, measure each against its parent on the validation split, and keep the one the rule chooses."""
    from pipeline.compress.budget import choose, menu
    from pipeline.stages.variants import Workshop

    parent, texts = files.trusted(classifier, made_by="finetune"), files.trusted(splits, made_by="split")
    sides = {side: tables.read_texts(splits / f"{side}.parquet") for side in ("train", "valid")}
    told: dict[str, Any] = {"labels": list(labels), "max_tokens": max_tokens, "parent": parent.files["model.safetensors"]}
    shop = Workshop(
        parent=_read_classifier(classifier, len(labels)),
        tokenizer=(classifier / "tokenizer.json").read_text("utf-8"),
        settings={**told, **UNFITTED},
        sides=sides,
        digests=[dict(parent.files), dict(texts.files)],
        cfg=cfg,
        bench=bench,
    )
    made = {recipe.name: shop.make(recipe) for recipe in cfg.menu}
    predictors = {name: _predictor(one, {**shop.settings, "variant": name}, bench.profile.threads) for name, one in made.items()}
    variants, logits = _measured(shop, made, predictors, judging)
    whole = next(variant for variant in variants if variant.name == cfg.parent)
    choice = choose(variants, cfg.budget, whole=cfg.parent)
    fitted = _fitted(logits[choice.chosen], shop.numbers(sides["valid"]), cfg)
    with files.whole(out) as desk:
        _write_served(desk, made[choice.chosen], {**told, **fitted, "variant": choice.chosen}, bench.seed)
        figures = {name: getattr(whole, name) for name in ("macro_f1", "parameters", "megabytes")}
        files.write_json(desk / "menu.json", menu(variants, choice, parent=figures, threads=bench.profile.threads))
        receipt = files.write_receipt(desk, _receipt(variants, choice.chosen, sides))
    shop.forget()
    return receipt


def _read_classifier(folder: Path, labels: int) -> Any:
    from safetensors.torch import load

    from pipeline.model.encoder import build_encoder
    from pipeline.model.heads import Classifier

    encoder = build_encoder(files.read_json(folder / "config.json"), dropout=0.0, seed=0)
    model = Classifier(encoder, labels, dropout=0.0, seed=0)
    model.load_state_dict(load((folder / "model.safetensors").read_bytes()))
    return model.eval()


def _predictor(made: "Made", settings: Mapping[str, Any], threads: int) -> "Predictor":
    from pipeline.model.predictor import Predictor

    return Predictor.of(made.model, made.tokenizer, settings, threads=threads)


def _measured(
    shop: "Workshop", made: "Mapping[str, Made]", predictors: "Mapping[str, Predictor]", judging: EvaluateConfig
) -> "tuple[list[Variant], dict[str, Any]]":
    """Measure every variant beside its parent; gives the validation logits of each as well."""
    import dataclasses

    from pipeline.compress.budget import Fall, Variant
    from pipeline.evaluate.metrics import score
    from pipeline.evaluate.slices import memberships
    from pipeline.stages.timing import speeds

    valid = shop.sides["valid"]
    texts, truth, labels = [record.text for record in valid], shop.numbers(valid), len(shop.settings["labels"])
    slices = memberships(texts, [record.source for record in valid], [record.lang for record in valid], judging)
    logits = {name: predictor.logits(texts) for name, predictor in predictors.items()}
    speed = speeds(predictors, texts[: shop.cfg.timed_texts])
    parents = logits[shop.cfg.parent].argmax(1)

    def falls(guesses: Any, rows: Any = slice(None)) -> float:
        return score(truth[rows], parents[rows], labels) - score(truth[rows], guesses[rows], labels)

    variants = []
    for name, one in made.items():
        guesses = logits[name].argmax(1)
        worst = max(((falls(guesses, rows), slice_) for slice_, rows in slices.items()), default=(falls(guesses), "all texts"))
        variants.append(
            Variant(
                name=name,
                recipe=one.recipe.model_dump(exclude={"name"}),
                parameters=one.parameters,
                megabytes=(len(one.model) + len(one.tokenizer.encode())) / 1e6,
                macro_f1=score(truth, guesses, labels),
                macro_f1_fall=falls(guesses),
                worst_slice=Fall(worst[1], worst[0]),
                agreement=float((guesses == parents).mean()),
                **dataclasses.asdict(speed[name]),
            )
        )
    return variants, logits


def _fitted(logits_NL: Any, truth_N: Any, cfg: CompressConfig) -> dict[str, float]:
    """Fit to the validation split by what the logits are divided, and below which probability an answer is uncertain."""
    import numpy as np

    from pipeline.evaluate.calibration import fit_temperature
    from pipeline.model.predictor import softmax

    temperature = fit_temperature(logits_NL, truth_N)
    confidence_N = softmax(logits_NL / temperature).max(axis=1)
    return {"temperature": temperature, "uncertain": float(np.quantile(confidence_N, cfg.uncertain_share))}


def _write_served(desk: Path, made: "Made", settings: Mapping[str, Any], seed: int) -> None:
    from pipeline.compress.golden import golden_texts

    texts = golden_texts(made.tokenizer, seed)
    probabilities = _predictor(made, settings, threads=1).predict(texts).probabilities
    files.write_bytes(desk / "model.onnx", made.model)
    files.write_bytes(desk / "tokenizer.json", made.tokenizer.encode())
    files.write_json(desk / "model.json", settings)
    files.write_json(desk / "golden.json", {"texts": texts, "probabilities": probabilities.tolist()})


def _receipt(variants: "Sequence[Variant]", chosen: str, sides: Mapping[str, Sequence[Record]]) -> Receipt:
    # No time: equal work leaves an equal receipt, but for the digest of the menu.
    told = ("macro_f1", "macro_f1_fall", "agreement", "megabytes")
    figures = {f"{variant.name}_{name}": getattr(variant, name) for variant in variants for name in told}
    return Receipt("compress", {side: len(records) for side, records in sides.items()}, figures, {"variant": chosen})
