"""Generation: a text is answered by another; measured by how likely the true answer is, and by overlap."""

from pipeline.core.tasks.generation.task import Generation

__all__ = ["Generation"]
