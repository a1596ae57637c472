"""The release record: what the ledger stores of a judged candidate, and the moves of the champion."""

from typing import Literal, NotRequired, TypedDict

from pipeline.base.documents.comparison import Comparison, SplitDescription
from pipeline.base.documents.evaluation import EvaluationReport, ModelScores, SubsetScores
from pipeline.base.documents.menu import CompressionMenu, MenuVariant


class DataCheckRecord(TypedDict):
    """One check of the data and its outcome in a sentence."""

    name: str
    passed: bool
    sentence: str


class GateCheckRecord(TypedDict):
    """One check of the gate.

    `shortfall` is by how much the figure in `unit` misses the limit; None where it passed or is unknown.
    """

    name: str
    passed: bool
    figures: dict[str, float | None]
    sentence: str
    shortfall: float | None
    unit: str


class GateDecisionRecord(TypedDict):
    """The gate's decision; `reasons` are the sentences of the failed checks, or of all where none failed."""

    accepted: bool
    reasons: list[str]
    checks: list[GateCheckRecord]


class HeadlineMetrics(TypedDict):
    """The metrics that MLflow shows of a version."""

    macro_f1: float
    accuracy: float
    log_likelihood: NotRequired[float]
    per_source: dict[str, SubsetScores]


class PublishedScores(ModelScores):
    """The scores of an accepted candidate on `texts` that no comparison has seen."""

    texts: int


class LooksReport(TypedDict):
    """The looks at a test split: used, allowed and left, and what a new test split needs, in a sentence."""

    used: int
    allowed: int
    left: int
    sentence: str


class ServingThresholds(TypedDict):
    """What logits are divided by, and the probability below which a prediction counts as uncertain."""

    temperature: float
    uncertain: float


class CostRecord(TypedDict):
    """What a candidate cost: time of its stages and of the cores they could use, and labels of audits.

    `stages` is how many of them ran where their time is known; `audit_labels` train it, and
    `more_audit_labels` are those beyond the champion's, None where there was none or its number is unknown.
    """

    stages: int
    seconds: float
    core_hours: float
    audit_labels: int
    more_audit_labels: int | None


class TrainingRecord(TypedDict):
    """How the classifier was trained: the method, and how many weights it trained of how many.

    `score` is macro F1 on the validation split (`name` says so where it is another), and `seeds` that of a
    training with each seed, where there were several, by name. Earlier records lack `cost`.
    """

    method: str
    trained: int
    parameters: int
    score: float
    name: NotRequired[str]
    seeds: dict[str, float]
    cost: NotRequired[CostRecord]


class GateEvidence(TypedDict):
    """Everything the gate decides on.

    `comparison` is None where no champion was in service, `previously_rolled_back` where nobody rolled this
    candidate back. `rules` is the version of the gate's rules, which records of earlier versions lack.
    """

    rules: NotRequired[int]
    evaluation: EvaluationReport
    variant: MenuVariant
    checks: list[DataCheckRecord]
    previously_rolled_back: str | None
    comparison: Comparison | None


class CandidateRecord(GateEvidence):
    """A judged candidate as it is handed to the ledger.

    `identity` is the digest of all that the judgement depends on. `params` and `lock` are the texts of
    params.yaml and dvc.lock, `files` the SHA-256 of each served file, `teacher` that of the uncompressed
    model, `champion` the release it was compared with. `model` is the name of the registered model that holds
    `model_version`; `workspace` and `host` are where the release was made, None in records of early versions.
    `test` describes the test split, and `published` holds the scores on its reserve, None where the candidate
    was rejected or nothing is reserved; `account` says what became of every row that was read, `training` how
    the classifier was trained, None where its receipt is of an earlier version. Records of earlier versions
    lack all four.
    """

    schema: Literal[2]
    identity: str
    actor: str
    reason: str
    data_version: str
    model: str
    model_version: str
    workspace: str | None
    host: str | None
    code_commit: str
    params: str
    params_digest: str
    lock: str
    signature: str | None
    files: dict[str, str]
    metrics: HeadlineMetrics
    baselines: dict[str, ModelScores]
    intervals: dict[str, list[float]]
    menu: CompressionMenu
    thresholds: ServingThresholds
    teacher: str
    champion: str | None
    approval: Literal["none", "human"]
    decision: GateDecisionRecord
    test: NotRequired[SplitDescription]
    account: NotRequired[list[str]]
    training: NotRequired[TrainingRecord | None]
    published: NotRequired[PublishedScores | None]


class ReleaseRecord(CandidateRecord):
    """A judged candidate as the ledger returns it: named (`R3`) and dated (UTC) by the ledger."""

    release: str
    created: str


class ApprovalRecord(TypedDict):
    """Who approved a release, when and why."""

    sequence: int
    release: str
    actor: str
    reason: str
    time: str


MoveRecord = TypedDict(
    "MoveRecord",
    {
        "sequence": int,
        "from": str | None,
        "to": str,
        "actor": str,
        "reason": str,
        "time": str,
        "gate": str,
    },
)
MoveRecord.__doc__ = (
    "One move of the champion; `from` is None for the first, `gate` the digest of the target's decision."
)


class ReignRecord(MoveRecord):
    """A move with the time the next one ended it, None for today's champion.

    `kind` is `first`, `on` (to a newer release) or `back` (to an older one).
    """

    until: str | None
    kind: Literal["first", "on", "back"]


class DataVersionRecord(TypedDict):
    """A data version: texts in all, by split, label, language and source."""

    name: str
    commit: str
    created: str
    parent: str | None
    reason: str
    fingerprint: str
    rows: int
    sides: dict[str, int]
    labels: dict[str, int]
    languages: dict[str, int]
    sources: dict[str, int]


class ReleaseDetails(ReleaseRecord):
    """A release with its moves; its approvals and data version where they are known."""

    in_service: bool
    moves: list[MoveRecord]
    approvals: NotRequired[list[ApprovalRecord]]
    data: NotRequired[DataVersionRecord]
    looks: NotRequired[LooksReport]
