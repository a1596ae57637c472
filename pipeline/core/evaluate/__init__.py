"""How good the answers are, how sure we are of it, and whether that is good enough."""

from pipeline.core.evaluate.comparison import Pair, compare, forgetting
from pipeline.core.evaluate.report import Answered, evaluation
from pipeline.core.evaluate.slices import memberships
from pipeline.core.gate.checks import Part
from pipeline.core.gate.decision import Decision, decide

__all__ = ["Answered", "Decision", "Pair", "Part", "compare", "decide", "evaluation", "forgetting", "memberships"]
