"""The embeddings of the texts of a window; a text of several topics, or sent often, is embedded once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

# Each has a few kilobytes.
MOST_KEPT = 4000


@dataclass
class WindowEmbeddings:
    """Embed texts by `embed`, which returns a row for each; the newest are kept for the next topic."""

    embed: Callable[[Sequence[str]], NDArray[np.float64]]
    _kept: dict[str, NDArray[np.float64]] = field(default_factory=dict)

    def of(self, texts: Sequence[str]) -> list[list[float]]:
        """Return the embedding of each text, in their order."""
        known = {text: self._kept[text] for text in texts if text in self._kept}
        new = [text for text in dict.fromkeys(texts) if text not in known]
        if new:
            known |= zip(new, self.embed(new), strict=True)
        self._kept |= known
        while len(self._kept) > MOST_KEPT:
            del self._kept[next(iter(self._kept))]
        return [known[text].tolist() for text in texts]
