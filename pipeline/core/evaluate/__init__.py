"""How good the answers are, how sure we are of it, and whether that is good enough."""

from pipeline.core.evaluate.comparison import PairedPredictions, compare_models, measure_forgetting
from pipeline.core.evaluate.report import LabelledPredictions, evaluation_report
from pipeline.core.evaluate.slices import slice_members
from pipeline.core.gate.checks import GateCheck
from pipeline.core.gate.decision import GateDecision, decide

__all__ = [
    "LabelledPredictions",
    "GateDecision",
    "PairedPredictions",
    "GateCheck",
    "compare_models",
    "decide",
    "evaluation_report",
    "measure_forgetting",
    "slice_members",
]
