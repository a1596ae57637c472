"""Human agreement in sentences: the mean of how many raters a release is as good as."""

from pipeline.base.documents.evaluation import HumanAgreement


def agreement_sentences(human: HumanAgreement) -> list[str]:
    """Say which panels the release is better and worse than, by the paired intervals, and what the limit is.

    An older record has no panels, and no sentence.
    """
    panels = human["panels"]
    if not panels:
        return []
    better = [row["raters"] for row in panels if row["low"] > 0]
    worse = [row["raters"] for row in panels if row["high"] < 0]
    parts = [f"better than {_mean(max(better))}"] if better else []
    parts += [f"worse than {_mean(min(worse))}"] if worse else []
    equal = [row["raters"] for row in panels if row["low"] <= 0 <= row["high"]]
    if equal:
        parts.append(f"not distinguishable from the mean of {', '.join(map(str, equal))}")
    return [
        f"The release is {' and '.join(parts)}. A random half of the raters gives the label that both are "
        "measured against, and the panel is drawn from the other half.",
        "The limit is extrapolated: somebody who knew the mean of infinitely many raters would differ from "
        "the label half as often as two halves of the raters do from each other.",
    ]


def _mean(raters: int) -> str:
    return f"the mean of {raters} raters" if raters > 1 else "one rater"
