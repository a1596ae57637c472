"""How good the answers are, how sure we are of it, and whether that is good enough."""

from pipeline.evaluate.compare import Comparison, compare
from pipeline.evaluate.document import Answered, evaluation
from pipeline.evaluate.gate import Decision, Part, decide

__all__ = ["Answered", "Comparison", "Decision", "Part", "compare", "decide", "evaluation"]
