"""The card of a release: what its page, its Markdown and its JSON show.

A card is built from a release record. What an older record lacks is None or empty, whatever the types say.
"""

from typing import Literal, NotRequired, TypedDict

from pipeline.base.documents.comparison import (
    ChangedPredictions,
    McNemarTest,
    OverallDifference,
    SliceDifference,
)
from pipeline.base.documents.evaluation import (
    AttackReport,
    CalibrationReport,
    HumanAgreement,
    LabelScores,
    ModelScores,
    SubsetScores,
)
from pipeline.base.documents.menu import CompressionMenu, MenuVariant
from pipeline.base.documents.release import (
    DataCheckRecord,
    GateDecisionRecord,
    MoveRecord,
    PublishedScores,
)

Verdict = Literal["accepted", "refused", "waiting"]


class CardSubject(TypedDict):
    """What was compared: the candidate and its champion, on how many texts of which data version."""

    candidate: str
    model_version: str
    data_version: str
    variant: str | None
    champion: str | None
    texts: int


class CardDecision(GateDecisionRecord):
    """The gate's decision, and the names of the checks that failed."""

    failed: list[str]


class BaselineScores(ModelScores):
    """The scores of one baseline."""

    name: str


class CardMetrics(ModelScores):
    """The scores of the release beside its baselines; `confidence` is that of the intervals."""

    texts: int
    confidence: float | None
    baselines: list[BaselineScores]


class CardDifference(SliceDifference):
    """The difference to the champion on one slice; `significant` marks a significant regression.

    `data_version` is set where the texts are those of the champion's own data. Of a record of an earlier
    version, `p_adjusted` is by Holm (1979). `drop` says what the row shows, in a word or two.
    """

    data_version: str | None
    significant: bool
    drop: str


class CardComparison(TypedDict):
    """Candidate against champion; `rule` is what the gate requires: better or not_worse."""

    champion: str
    texts: int
    confidence: float
    power: float | None
    margin: float | None
    forgetting_margin: float | None
    rule: str | None
    macro_f1: OverallDifference
    log_likelihood: NotRequired[OverallDifference]
    mcnemar: McNemarTest | None
    slices: list[CardDifference]
    forgetting: list[CardDifference]
    changed: ChangedPredictions | None


class CardLabel(LabelScores):
    """The scores of one label."""

    label: str


class CardSlice(SubsetScores):
    """The scores of one slice."""

    name: str


class CardCalibration(CalibrationReport):
    """Calibration beside the gate's limit of the expected calibration error."""

    limit: float | None


class CardAbility(TypedDict):
    """How many cases of one ability passed, beside the pass rate that the gate requires."""

    ability: str
    kind: str
    cases: int
    passed: int
    pass_rate: float
    required: float | None


class CardAttack(AttackReport):
    """Macro F1 under attack beside the gate's limit of the drop."""

    limit: float | None


class CardSource(TypedDict):
    """One source of the data; the path of a file stays out, for it may name a person or a customer."""

    name: str
    kind: str
    project: str | None
    licence: str | None
    lang: str | None
    texts: int | None


class CardData(TypedDict):
    """The data version: texts in all, by split, label and language, and where they come from.

    `account` says what became of every row that was read.
    """

    version: str
    fingerprint: str | None
    texts: int | None
    sides: dict[str, int]
    labels: dict[str, int]
    languages: dict[str, int]
    sources: list[CardSource]
    account: list[str]


class CardApproval(TypedDict):
    """Who approved the release, when and why."""

    actor: str
    reason: str
    time: str


class CardLineage(TypedDict):
    """Versions and SHA-256 digests the release is made of, its approvals and the moves from and to it."""

    data_version: str
    model_version: str
    champion: str | None
    approval: str | None
    signature: str | None
    code_commit: str
    params_digest: str
    teacher: str | None
    identity: str
    files: dict[str, str]
    approvals: list[CardApproval]
    moves: list[MoveRecord]


class ReleaseCard(TypedDict):
    """All that a reader should know about one release."""

    release: str
    created: str
    actor: str
    reason: str
    in_service: bool
    verdict: Verdict
    compared: CardSubject
    decision: CardDecision
    comparison: CardComparison | None
    metrics: CardMetrics
    published: PublishedScores | None
    labels: list[CardLabel]
    slices: list[CardSlice]
    confusion: list[list[int]]
    task_figures: list[str]
    training: list[str]
    calibration: CardCalibration | None
    behaviour: list[CardAbility]
    attack: CardAttack | None
    human: HumanAgreement | None
    menu: CompressionMenu | None
    variant: MenuVariant | None
    thresholds: dict[str, float]
    checks: list[DataCheckRecord]
    data: CardData
    lineage: CardLineage
    intended_use: list[str]
    limits: list[str]


class ReleaseState(TypedDict):
    """The state of a release today; `reasons` are the gate's if it was refused."""

    release: str
    created: str
    state: Literal["in service", "served", "accepted", "waiting", "refused"]
    macro_f1: float | None
    log_likelihood: NotRequired[float]
    reasons: list[str]
