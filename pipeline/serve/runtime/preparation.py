"""Clean and mask the texts of requests: short ones in a thread, long ones in a process of their own."""

import asyncio
import functools
from collections.abc import Sequence

from pipeline.inference.journal_entry import PreparedText, TextRequest, prepare_text
from pipeline.serve.runtime.fair_worker import FairWorker, each
from pipeline.serve.runtime.text_process import TextProcess

# A longer text holds the interpreter for longer than a small request takes as a whole.
LONG_CHARACTERS = 600
# A hop to a process costs more than one to a thread.
LONG_UNIT_CHARACTERS = 20_000


class Preparation:
    """Prepare texts in turns between clients; at most `max_characters` of short and of long texts wait.

    `hashed`, `min_words` and `key` are those of `prepare_text`; `seconds` is how long texts may take.
    """

    def __init__(
        self, *, hashed: bool, min_words: int, key: bytes, max_characters: int, seconds: float
    ) -> None:
        prepare = functools.partial(prepare_text, hashed=hashed, min_words=min_words, key=key)
        self._process = TextProcess(prepare, seconds=seconds)
        self._short = FairWorker(each(prepare), max_characters=max_characters, name="prepare")
        self._long = FairWorker(
            self._process, max_characters=max_characters, name="prepare-long", unit=LONG_UNIT_CHARACTERS
        )

    @property
    def queued(self) -> int:
        """Return how many characters wait."""
        return self._short.queued + self._long.queued

    @property
    def short_queued(self) -> bool:
        """Return whether a short text waits."""
        return self._short.queued > 0

    async def map(self, client: str, texts: Sequence[str], *, preparation: str) -> list[PreparedText]:
        """Return each text prepared as this preparation says, in their order.

        Raises QueueFull when too much waits.
        """
        long = [len(text) > LONG_CHARACTERS for text in texts]
        requests = [TextRequest(text, preparation) for text in texts]
        if not any(long):
            return await self._short.map(client, requests)
        prepared = await asyncio.gather(
            self._short.map(
                client, [one for one, is_long in zip(requests, long, strict=True) if not is_long]
            ),
            self._long.map(client, [one for one, is_long in zip(requests, long, strict=True) if is_long]),
        )
        in_order = [iter(part) for part in prepared]
        return [next(in_order[is_long]) for is_long in long]

    async def run(self) -> None:
        """Prepare what is queued, until cancelled; then end the process."""
        try:
            await asyncio.to_thread(self._process.start)
            await asyncio.gather(self._short.run(), self._long.run())
        finally:
            self._process.close()
