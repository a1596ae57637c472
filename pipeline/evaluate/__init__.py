"""How good the answers are, how sure we are of it, and whether that is good enough."""

from pipeline.evaluate.compare import Pair, compare, forgetting
from pipeline.evaluate.document import Answered, evaluation
from pipeline.evaluate.gate import Decision, decide
from pipeline.evaluate.parts import Part
from pipeline.evaluate.slices import memberships

__all__ = ["Answered", "Decision", "Pair", "Part", "compare", "decide", "evaluation", "forgetting", "memberships"]
