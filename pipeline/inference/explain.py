"""Explain a prediction: how much each word of a text speaks for the predicted label."""

from typing import TYPE_CHECKING

from pipeline.base.config import Workspace
from pipeline.base.errors import UsageError
from pipeline.inference.champion import LoadedRelease

if TYPE_CHECKING:
    from pipeline.core.model.occlusion import Explanation, ExplanationMethod


def method_named(name: str) -> "ExplanationMethod":
    """Return the method of a name; raises UsageError for an unknown one."""
    if name == "occlusion" or name == "gradients":
        return name
    raise UsageError(f"There is no explanation by {name!r}. Write `occlusion` or `gradients`.")


def explain(
    workspace: Workspace, release: LoadedRelease, text: str, *, method: "ExplanationMethod", most: int
) -> "Explanation":
    """Predict a text with a release, and return the importance of its words.

    `occlusion` leaves out each of the first `most` words, with the model that serves; `gradients` divides the
    label's logit between all words, with the classifier that the release was compressed from. Raises
    UsageError where that is gone.
    """
    if method == "gradients":
        from pipeline.core.model.gradients import explain_by_gradients
        from pipeline.inference.twin import load_twin

        return explain_by_gradients(release.predictor, load_twin(workspace, release), text)
    from pipeline.core.model.occlusion import explain_by_occlusion

    return explain_by_occlusion(release.predictor, text, most=most)
