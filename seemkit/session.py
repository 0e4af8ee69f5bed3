"""A session with one image: encoded once, prompted as often as wanted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

import torch
from torch import Tensor

from seemkit.data.images import read_image
from seemkit.decoded import Decoded
from seemkit.errors import InputError
from seemkit.inference.resize import restore
from seemkit.interactive.rollout import Rollout
from seemkit.interactive.user import centre_click
from seemkit.network import SEEM
from seemkit.nn.context import ImageContext
from seemkit.nn.tokens import TEXT_PROMPT, VISUAL_PROMPT
from seemkit.prompts.values import Prompt, Text
from seemkit.types import Prediction, Size, Vocabulary


class Session:
    """One image and the prompts so far for one object in it.

    Args:
        network: in evaluation mode, as `SEEM.from_pretrained` returns it.
        image: a file, or a uint8 tensor [3, H, W], RGB.
        vocabulary: class names for labels; None takes the network's own.

    Raises:
        InputError: the file is no readable image, or the image is smaller than 32 pixels.
    """

    def __init__(self, network: SEEM, image: str | Path | Tensor, vocabulary: Vocabulary | None = None) -> None:
        pixels = image if isinstance(image, Tensor) else read_image(image, upright=True)
        if pixels.ndim != 3 or pixels.shape[0] != 3 or min(pixels.shape[1:]) < 32:
            raise InputError(f"image: shape {tuple(pixels.shape)}; expected [3, H, W] with sides of at least 32 pixels")
        with torch.inference_mode():
            context = network.encode_image([pixels.to(network.pixel_mean.device)])
        self._begin(network, context, vocabulary)

    @classmethod
    def of(cls, network: SEEM, context: ImageContext, vocabulary: Vocabulary | None = None) -> Self:
        """A session with an image that is encoded already."""
        session = cls.__new__(cls)
        session._begin(network, context, vocabulary)
        return session

    def _begin(self, network: SEEM, context: ImageContext, vocabulary: Vocabulary | None) -> None:
        self.network = network
        self.context = context
        self.vocabulary = vocabulary or network.vocabulary
        self.prompts: list[Prompt] = []
        self._remembered: list[Tensor | None] = []  # for each prompt the answer of the round before it
        self._answer: Tensor | None = None
        self._classes: Tensor | None = None

    @property
    def size(self) -> Size:
        """Height and width of the image."""
        return self.context.frames[0]

    def add(self, *prompts: Prompt) -> Self:
        """Adds prompts for the object; what `predict` returned last is remembered as the round before.

        Raises:
            InputError: a prompt lies outside the image, is empty, or is of a kind that is not installed.
        """
        for prompt in prompts:
            self.network.sampler.encoder(prompt).check(prompt, self.size)
        for prompt in prompts:
            self.prompts.append(prompt)
            self._remembered.append(self._answer)
        return self

    def undo(self) -> Self:
        """Takes the last prompt back, and what was remembered since.

        Raises:
            InputError: there is none.
        """
        if not self.prompts:
            raise InputError("undo: there is no prompt to take back")
        self.prompts.pop()
        self._answer = self._remembered.pop()
        return self

    def clear(self) -> Self:
        """Forgets all prompts and rounds: the next prompt is for another object."""
        self.prompts, self._remembered, self._answer = [], [], None
        return self

    @torch.inference_mode()
    def predict(self) -> Prediction:
        """The mask of the object that the prompts describe, with its label and a confidence.

        With visual prompts the answer is one of the object's own queries, with text one of the text queries; with both,
        all of these compete and the sum of both log-probabilities decides.

        Raises:
            InputError: there is no prompt.
        """
        if not self.prompts:
            raise InputError("predict: add a prompt first")
        decoded = self.network.decode(self.context, [[self.prompts]], previous=self._usable_memory())
        masks, classes, scores = self._candidates(decoded)
        best = int(scores.argmax())
        self._answer = masks[best][None, None]
        logits = restore(masks[best][None], self.context.padded, self.context.sizes[0], self.size, mode="bilinear")[0]
        mask = logits > 0
        sure = (logits.sigmoid() * mask).sum() / mask.sum().clamp(min=1)
        return Prediction(mask.cpu(), self._label(classes[best]), float(sure))

    def say(self, text: str) -> Prediction:
        """The mask of a phrase, leaving the session's own prompts as they are."""
        return Session.of(self.network, self.context, self.vocabulary).add(Text(text)).predict()

    def simulate(self, truth: Tensor, rounds: int) -> Iterator[tuple[Prediction, Sequence[Prompt]]]:
        """What a simulated user gets who wants the mask `truth` (bool [H, W]) and corrects the largest error each time.

        Yields:
            The prediction of each round and the prompts that led to it.
        """
        rollout = Rollout(self.network, self.context, [truth[None]], [[[centre_click(truth)]]])
        for _ in range(rounds):
            user = Session.of(self.network, self.context, self.vocabulary).add(*rollout.prompts[0][0])
            user._remembered[-1] = rollout.previous
            yield user.predict(), tuple(rollout.prompts[0][0])
            rollout.correct(rollout.answer())

    def _usable_memory(self) -> Tensor | None:
        visual = any(self.network.sampler.encoder(p).group.name == VISUAL_PROMPT.name for p in self.prompts)
        return self._remembered[-1] if visual else None

    def _candidates(self, decoded: Decoded) -> tuple[Tensor, Tensor, Tensor]:
        """The mask logits [N, H_m, W_m], class embeddings [N, C] and scores [N] of all queries that compete."""
        answering = dict.fromkeys((self.network.visual_group, self.network.text_group))
        groups = [group for group in answering if group in decoded.layers[-1]]
        found = [decoded.layers[-1][group] for group in groups]
        embeddings = torch.cat([f.masks for f in found], dim=1)
        classes = torch.cat([f.classes for f in found], dim=1)
        scores = torch.zeros(classes.shape[1], device=classes.device)
        joint = type(found[0])(classes, embeddings)
        if VISUAL_PROMPT.name in decoded.prompts:
            scores = scores + self.network.visual_scores(joint, decoded.prompts)[0, 0].log_softmax(dim=0)
        if TEXT_PROMPT.name in decoded.prompts:
            scores = scores + self.network.text_scores(joint, decoded.prompts)[0, 0].log_softmax(dim=0)
        masks = torch.einsum("nc,chw->nhw", embeddings[0], decoded.context.mask_features[0])
        return masks, classes[0], scores

    def _label(self, embedding: Tensor) -> str:
        """The phrase if there is one, else the class whose text is nearest."""
        texts = [prompt.text for prompt in self.prompts if isinstance(prompt, Text)]
        if texts:
            return texts[-1]
        if self.vocabulary is None:
            return "object"
        if self._classes is None:
            self._classes = self.network.embed_vocabulary(self.vocabulary)[:-1]
        return self.vocabulary.names[int((self._classes @ embedding).argmax())]
