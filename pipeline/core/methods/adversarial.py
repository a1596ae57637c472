"""Adversarial training: a text is learnt beside the perturbation of its embeddings that raises the loss most.

FGM (Miyato et al., 2017): one perturbation along the gradient. FreeLB (Zhu et al., 2020): it is found in
several steps, and every step trains. The loss of a step is the mean over its passes. Lengths are in units
of the mean norm of a text's words, since Miyato et al. normalize embeddings: those of encoders differ by a
factor of four, and a perturbation that is as long as a word hides the text.
Shapes: R rows of tokens, T tokens, E width of the word embeddings.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn

from pipeline.base.config import PerturbationConfig
from pipeline.base.seeds import seed_for

if TYPE_CHECKING:
    from pipeline.core.model.encoder import Encoder

TINY = 1e-12


class Adversarial:
    """Yield the losses of the passes of a batch; each must be differentiated before the next is asked for."""

    def __init__(self, encoder: "Encoder", kind: Literal["fgm", "freelb"], cfg: PerturbationConfig) -> None:
        self.encoder, self.kind, self.cfg = encoder, kind, cfg

    @property
    def passes(self) -> int:
        """Return the number of passes, each forward and backward."""
        return 2 if self.kind == "fgm" else self.cfg.steps

    def losses(self, loss: Callable[[], Tensor], *, seed: int) -> Iterator[Tensor]:
        """Yield the loss of each pass, divided by their number; the dropout of all passes is the same.

        `loss` runs the model once. With the seed of the step a text begins alike in whatever part of a batch
        it stands.
        """
        random = _RandomState(next(self.encoder.parameters()).device)
        perturbation = _Perturbation(partial(self._first, seed=seed))
        with perturbation.added_to(self.encoder):
            for number in range(self.passes):
                if number:
                    random.restore()
                    perturbation.value = self._next(perturbation)
                yield loss() / self.passes

    def _first(self, words: "_Words", *, seed: int) -> Tensor:
        """Return where the search begins: at the text itself, or within 1/sqrt(numbers) of the norm."""
        if self.kind == "fgm":
            return torch.zeros_like(words.embedded_RTE)
        numbers_R11 = words.used_RT1.sum((1, 2), keepdim=True) * words.embedded_RTE.shape[2]
        noise_RTE = words.noise(seed) * words.used_RT1 * words.norm_R11 / numbers_R11.sqrt()
        return self.cfg.norm * noise_RTE

    def _next(self, before: "_Perturbation") -> Tensor:
        assert before.value is not None
        gradient_RTE = before.value.grad
        assert gradient_RTE is not None, "the loss of the pass before was not differentiated"
        # As long as a word of the text.
        direction_RTE = before.word_R11 * gradient_RTE / _row_norms(gradient_RTE)
        if self.kind == "fgm":
            return self.cfg.norm * direction_RTE
        moved_RTE = before.value.detach() + self.cfg.rate * direction_RTE
        return moved_RTE * (self.cfg.norm * before.word_R11 / _row_norms(moved_RTE)).clamp(max=1)


@dataclass(frozen=True)
class _Words:
    """Hold the tokens of rows, their embeddings, which are no padding, and the mean norm of a word."""

    tokens_RT: Tensor
    embedded_RTE: Tensor
    used_RT1: Tensor
    norm_R11: Tensor

    def noise(self, seed: int) -> Tensor:
        """Return numbers from -1 to 1, the same for the same tokens."""
        drawn_RTE = torch.empty_like(self.embedded_RTE)
        generator = torch.Generator(drawn_RTE.device)
        for row_TE, ids in zip(drawn_RTE, self.tokens_RT.cpu().numpy(), strict=True):
            generator.manual_seed(seed_for(seed, ids.tobytes().hex()))
            row_TE.uniform_(-1, 1, generator=generator)
        return drawn_RTE


class _Perturbation:
    """Hold what is added to the word embeddings of each row, its gradient, and the mean norm of a word."""

    def __init__(self, first: Callable[[_Words], Tensor]) -> None:
        self._first = first
        self.value: Tensor | None = None
        self.word_R11 = torch.ones(1, 1, 1)

    @contextmanager
    def added_to(self, encoder: "Encoder") -> Iterator[None]:
        """Add the perturbation to the output of the word embeddings."""
        padding: int = encoder.config.pad_token_id or 0

        def add(_embedding: nn.Module, inputs: tuple[Any, ...], embedded_RTE: Tensor) -> Tensor:
            if self.value is None:
                plain_RTE = embedded_RTE.detach()
                used_RT1 = (inputs[0] != padding).unsqueeze(2).to(plain_RTE.dtype)
                self.word_R11 = _word_norms(plain_RTE, used_RT1)
                self.value = self._first(_Words(inputs[0], plain_RTE, used_RT1, self.word_R11))
            self.value = self.value.detach().requires_grad_()
            return embedded_RTE + self.value

        embedding: nn.Module = encoder.get_input_embeddings()
        hook = embedding.register_forward_hook(add)
        try:
            yield
        finally:
            hook.remove()


class _RandomState:
    """Remember the state of the generators that dropout draws from."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._cpu = torch.get_rng_state()
        self._cuda = torch.cuda.get_rng_state(device) if device.type == "cuda" else None

    def restore(self) -> None:
        """Let dropout draw again what it drew."""
        torch.set_rng_state(self._cpu)
        if self._cuda is not None:
            torch.cuda.set_rng_state(self._cuda, self._device)


def _row_norms(values_RTE: Tensor) -> Tensor:
    """Return the norm of each row, R11, above 0."""
    norms_R11: Tensor = torch.linalg.vector_norm(values_RTE, dim=(1, 2), keepdim=True)
    return norms_R11.clamp(min=TINY)


def _word_norms(embedded_RTE: Tensor, used_RT1: Tensor) -> Tensor:
    """Return the mean norm of the embeddings of the words of each row, R11."""
    norms_RT1: Tensor = torch.linalg.vector_norm(embedded_RTE, dim=2, keepdim=True) * used_RT1
    return norms_RT1.sum(1, keepdim=True) / used_RT1.sum(1, keepdim=True).clamp(min=1)
