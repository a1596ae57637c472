"""Explain a prediction: how much each word of a text speaks for the predicted label."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.base.config import Workspace
from pipeline.base.errors import UsageError
from pipeline.base.tasks import reads_targets
from pipeline.base.tasks.targets import split_target
from pipeline.inference.champion import LoadedRelease, load_champion
from pipeline.inference.predict import about, require_texts
from pipeline.io.params_file import load_params

if TYPE_CHECKING:
    from pipeline.core.explain.occlusion import Explanation, ExplanationMethod


SECOND_LINE = "Write what the text speaks of in a second line, or with `--target`."


@dataclass(frozen=True)
class ChampionExplanations:
    """Hold the explained predictions of texts in their order, and the release that made them."""

    release: str
    data_version: str
    explanations: "tuple[Explanation, ...]"


def explain_texts(
    workspace: Workspace, texts: Sequence[str], method: str, target: str | None = None
) -> ChampionExplanations:
    """Predict texts with the champion, and return the importance of the words of each.

    Raises UsageError for an unknown method, and what `predict` raises.
    """
    require_texts(texts)
    known, most = method_named(method), load_params(workspace.params).serve.dashboard.explained_words
    release = load_champion(workspace)
    explained = (
        explain(workspace, release, text, method=known, most=most) for text in about(texts, target, release)
    )
    return ChampionExplanations(release.name, release.data_version, tuple(explained))


def method_named(name: str) -> "ExplanationMethod":
    """Return the method of a name; raises UsageError for an unknown one."""
    methods: tuple[ExplanationMethod, ...] = ("occlusion", "gradients")
    for method in methods:
        if method == name:
            return method
    raise UsageError(f"There is no explanation by {name!r}. Write `occlusion` or `gradients`.")


def explain(
    workspace: Workspace, release: LoadedRelease, text: str, *, method: "ExplanationMethod", most: int
) -> "Explanation":
    """Predict a text with a release, and return the importance of its words.

    `occlusion` leaves out each of the first `most` words, with the model that serves; `gradients` divides the
    label's logit between all words, with the classifier that the release was compressed from. Raises
    UsageError where that is gone.
    """
    if release.is_written:
        raise UsageError(
            f"{release.name} writes texts, and what is explained is the probability of a label. Leave out "
            "`--explain`."
        )
    if reads_targets(release.task) and not split_target(text)[1]:
        raise UsageError(f"{release.name} labels a target in a text. {SECOND_LINE}")
    if method == "gradients":
        from pipeline.core.explain.gradients import explain_by_gradients
        from pipeline.inference.twin import load_twin

        return explain_by_gradients(release.predictor, load_twin(workspace, release), text)
    from pipeline.core.explain.occlusion import explain_by_occlusion

    return explain_by_occlusion(release.predictor, text, most=most)
