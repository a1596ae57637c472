"""The trainings of a fine-tuning: one, or one for each seed and what is made of them.

Shapes: N training texts, L labels.
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from pipeline.base.config import FinetuneConfig
from pipeline.core.methods.adapters import merged_weights
from pipeline.core.methods.prompts import Prompt
from pipeline.core.methods.recipe import Recipe
from pipeline.core.train.checkpoints import CheckpointStore
from pipeline.core.train.jobs import TrainingJob, TrainingResult
from pipeline.core.train.loop import FindIds
from pipeline.core.train.objectives import LabelObjective, Metrics, Objective
from pipeline.core.train.objectives.contrastive import ContrastiveObjective, fit_head
from pipeline.core.train.objectives.labels import predict_outputs
from pipeline.core.train.objectives.prompt import prompted
from pipeline.core.train.objectives.teacher import TaughtObjective


def with_seed(objective: Objective, seed: int) -> Objective:
    """Return an objective with another seed; what it computed from the first one is computed anew."""
    changed = copy.copy(objective)
    changed.seed = seed
    return changed


@dataclass(frozen=True)
class Trained:
    """Hold the weights of a classifier, without adapters, and their metrics on the validation split.

    `scores` are those of the models it was made of, by name.
    """

    weights: Mapping[str, Tensor]
    best: Metrics
    history: tuple[Metrics, ...]
    scores: Mapping[str, float]


@dataclass(frozen=True)
class FinetuningRounds:
    """Train a classifier for each seed by the method of `cfg`.

    `store` returns the checkpoints of a training by its name; without one, those of the only training.
    """

    train: Callable[[TrainingJob], TrainingResult]
    store: Callable[..., CheckpointStore]
    cfg: FinetuneConfig
    objective: Objective
    recipe: Recipe
    steps: int
    prompt: Prompt | None = None
    ids: FindIds | None = None

    def run(self) -> Trained:
        """Return the classifier of the one seed, of the median score, or one that learnt from all of them."""
        if not self.cfg.seeds:
            return self._classifier("finetune", self.objective)
        names = {f"seed-{seed}": seed for seed in self.cfg.seeds}
        trained = {
            name: self._classifier(f"finetune-{name}", with_seed(self.objective, seed), name)
            for name, seed in names.items()
        }
        scores = {name: one.best["score"] for name, one in trained.items()}
        if self.cfg.combine == "ensemble" and isinstance(self.objective, LabelObjective):
            return replace(self._student(self.objective, list(trained.values())), scores=scores)
        # Of two in the middle the lower one: a promise that is kept.
        by_score = sorted(trained, key=lambda name: scores[name])
        return replace(trained[by_score[(len(by_score) - 1) // 2]], scores=scores)

    def delete_checkpoints(self) -> None:
        """Delete the checkpoints of every training."""
        names = [(f"seed-{seed}",) for seed in self.cfg.seeds]
        for name in ((), *names, ("student",)):
            for part in ((), ("prompt",)):
                self.store(*name, *part).delete()

    def _classifier(self, job: str, objective: Objective, *name: str) -> Trained:
        if isinstance(objective, LabelObjective) and self.cfg.method == "contrastive":
            return self._contrastive(job, objective, *name)
        if isinstance(objective, LabelObjective) and self.prompt:
            return self._prompted(job, objective, self.prompt, *name)
        return self._plain(objective, self._train(job, objective, *name))

    def _contrastive(self, job: str, objective: LabelObjective, *name: str) -> Trained:
        """Train the encoder on pairs, then fit the head; the metrics are those of both together."""
        shared = ("start", "train", "valid", "labels", "batch_size", "score", "seed")
        pairs = ContrastiveObjective(**{one: getattr(objective, one) for one in shared})
        result = self._train(job, pairs, *name)
        sentences: Any = pairs.build_model()
        sentences.load_state_dict(dict(result.weights))
        classifier = fit_head(objective, sentences)
        best = {"step": _best(result.history)["step"], **objective.evaluate(classifier)}
        return Trained(classifier.state_dict(), best, (*result.history, best), {})

    def _prompted(self, job: str, objective: LabelObjective, prompt: Prompt, *name: str) -> Trained:
        """Train the encoder to fill the blank, unless zero-shot, and a classifier on what it fills in."""
        teacher = prompted(objective, prompt)
        model = teacher.build_model()
        if not self.cfg.prompt.zero_shot:
            model.load_state_dict(dict(self._train(f"{job}-prompt", teacher, *name, "prompt").weights))
        score = teacher.evaluate(model)["score"]
        learning = self._distillation(objective, predict_outputs(model, teacher.train.tokens))
        return replace(self._plain(learning, self._train(job, learning, *name)), scores={"prompt": score})

    def _student(self, objective: LabelObjective, teachers: Sequence[Trained]) -> Trained:
        """Train one classifier on the mean of the logits of several.

        The mean of their weights is no model that learnt anything, and that of their logits none to export.
        """
        plain = replace(objective, start=replace(objective.start, method=None)).build_model()
        mean_NL = torch.zeros(len(objective.train.labels), objective.labels)
        for teacher in teachers:
            plain.load_state_dict(dict(teacher.weights))
            mean_NL += predict_outputs(plain, objective.train.tokens) / len(teachers)
        learning = self._distillation(objective, mean_NL)
        return self._plain(learning, self._train("finetune-student", learning, "student"))

    def _distillation(self, objective: LabelObjective, teacher_NL: Tensor) -> TaughtObjective:
        shared = ("train", "valid", "batch_size", "score", "seed")
        zero_shot = self.cfg.method == "prompt" and self.cfg.prompt.zero_shot
        return TaughtObjective(
            student=objective.build_model(),
            teacher_NL=teacher_NL,
            temperature=self.cfg.student.temperature,
            label_weight=0.0 if zero_shot else self.cfg.student.label_weight,
            # The weights that it starts from are in the student: no worker needs them twice.
            taught=replace(objective, start=replace(objective.start, weights=None, word_head=None)),
            **{one: getattr(objective, one) for one in shared},
        )

    def _plain(self, objective: Objective, result: TrainingResult) -> Trained:
        """Return what was trained, its adapters merged."""
        weights = result.weights
        if self.cfg.has_adapters:
            weights = merged_weights(objective.build_model(), weights)
        return Trained(weights, _best(result.history), result.history, {})

    def _train(self, job: str, objective: Objective, *name: str) -> TrainingResult:
        steps, every = self.steps, self.cfg.eval_every
        return self.train(
            TrainingJob(
                job,
                objective,
                self.cfg,
                steps=steps,
                eval_steps=frozenset({*range(every, steps, every), steps}),
                patience=self.cfg.patience,
                checkpoints=self.store(*name),
                recipe=self.recipe,
                ids=self.ids,
            )
        )


def _best(history: Sequence[Metrics]) -> Metrics:
    """Return the metrics of the weights that a training keeps."""
    return max(history, key=lambda metrics: metrics["score"])
