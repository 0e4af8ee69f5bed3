"""A session with one image, which is encoded once and prompted any number of times."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Self

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from seemkit.errors import InputError
from seemkit.inference.automatic import AutomaticSegmenter
from seemkit.inference.class_names import Classes, resolve
from seemkit.inference.concept import Concept, take_apart
from seemkit.inference.history import History, Round
from seemkit.inference.prediction import Prediction
from seemkit.interactive.clicker import center_click
from seemkit.interactive.rollout import Rollout
from seemkit.interactive.zoom import PlayedRound, RoundPlayer, check_seed
from seemkit.io.user_image import UserImage, load_image
from seemkit.model.seem import SEEM
from seemkit.nn.architecture import check_answers
from seemkit.nn.context import ImageContext
from seemkit.nn.heads import cosine_similarity
from seemkit.prompts.prepared import example_of
from seemkit.prompts.values import Mask, Prompt
from seemkit.types import Size, Vocabulary


class Session:
    """One image and the prompts for named objects in it.

    Every `add` is a *round* of its object; the masks of the previous round are the memory of the next one. A
    prediction depends on the image, the rounds of its object and the seed. It depends neither on other objects nor on
    when `predict` is called.

    Args:
        network: the network, in evaluation mode as `SEEM.from_pretrained` returns it.
        image: image file, Pillow image, array or tensor; see `seemkit.io.user_image.UserImage`.
        seed: seed for choosing the object queries that visual queries copy.
        classes: class names for labels; None for those of the network.
        zoom: whether to zoom in on small objects, if the model does so (`seemkit.interactive.zoom`).
        mirrored: whether to average masks with those of the mirrored image: a better first click, in twice the time.

    Raises:
        InputError: the image is not readable, a side is smaller than 32 pixels, an array does not have the pixels of
            an image, or an argument has the wrong type.
    """

    def __init__(
        self,
        network: SEEM,
        image: UserImage,
        seed: int = 0,
        classes: Classes = None,
        *,
        zoom: bool = True,
        mirrored: bool = False,
    ) -> None:
        if not isinstance(network, SEEM):
            raise InputError(f"network: a {type(network).__name__}; load it with SEEM.from_pretrained(...)")
        check_seed(seed)
        pixels = load_image(image)
        with torch.inference_mode():
            context = network.encode_image([pixels]).prepare()
        player = RoundPlayer(network, context, pixels, seed, zoom=zoom, mirrored=mirrored)
        self._begin(player, classes)

    @classmethod
    def of(
        cls, network: SEEM, context: ImageContext, seed: int = 0, classes: Classes = None, pixels: Tensor | None = None
    ) -> Self:
        """Return a session with an encoded image; it zooms in only if `pixels`, uint8 [3, H, W], are given."""
        session = cls.__new__(cls)
        session._begin(RoundPlayer(network, context, pixels, seed), classes)
        return session

    def _begin(self, player: RoundPlayer, classes: Classes) -> None:
        self.network, self.context = player.network, player.views.whole
        self.vocabulary = self.network.vocabulary if classes is None else resolve(classes, self.network.vocabulary)
        self._player = player
        self._history = History()
        self._automatic = AutomaticSegmenter(self.network, self.context)

    @property
    def size(self) -> Size:
        """Height and width of the image."""
        return self.context.frames[0]

    @property
    def nbytes(self) -> int:
        """Memory of the encoded image, of its other views, and of the masks, in bytes."""
        return self._player.views.nbytes + sum(one.nbytes for one in self._history.played())

    def release(self) -> None:
        """Free the memory of the views beside the whole image; the next click in one takes longer."""
        self._player.views.release()

    @property
    def prompts(self) -> dict[str, tuple[Prompt, ...]]:
        """All prompts so far of each object, by name."""
        return {name: round_.prompts for name, round_ in self._history.now.items()}

    def add(self, *prompts: Prompt, name: str = "object") -> Self:
        """Add prompts for an object, as one round and one step for `undo`.

        Args:
            prompts: prompts of any kinds, all for the same object.
            name: name of the object; a new name adds a new object.

        Raises:
            InputError: no prompt is given, or a prompt is outside the image or of a kind that is not installed. The
                session is then unchanged.
        """
        if not prompts:
            raise InputError("add: give at least one prompt")
        self._history.add(prompts, self._prepare(prompts), name)
        return self

    def undo(self) -> Self:
        """Undo the last `add` or `reset`.

        Raises:
            InputError: nothing is left to undo.
        """
        self._history.undo()
        return self

    def redo(self) -> Self:
        """Redo the last undone change; `predict` then returns the same masks as before.

        Raises:
            InputError: nothing is left to redo.
        """
        self._history.redo()
        return self

    def reset(self, name: str | None = None) -> Self:
        """Remove one object, or all objects if `name` is None; `undo` restores them.

        Raises:
            InputError: no object has this name.
        """
        self._history.drop(name)
        return self

    @torch.inference_mode()
    def predict(self, *prompts: Prompt, name: str | None = None) -> Prediction:
        """Return the prediction for an object.

        Args:
            prompts: if given, predict the object that they describe and leave the session unchanged.
            name: name of the object in the session; None for the object of the last `add`.

        Raises:
            InputError: no prompt was given, all prompts are negative, a prompt is not valid, or no object has this
                name.
        """
        if prompts:
            return self._predict("predict", Round(prompts, self._prepare(prompts)))
        if name is None and not self._history.now:
            raise InputError("predict: add a prompt first")
        name = next(reversed(self._history.now)) if name is None else name
        return self._predict(name, self._history[name])

    def predict_all(self) -> dict[str, Prediction]:
        """Return the prediction for every object of the session, by name."""
        return {name: self.predict(name=name) for name in self._history.now}

    @torch.inference_mode()
    def panoptic(
        self, classes: Classes = None, threshold: float = 0.5, overlap_threshold: float = 0.8
    ) -> list[Prediction]:
        """Return all segments of the image, which do not overlap, largest first.

        Args:
            classes: class names for labels. Only a `Vocabulary` can declare stuff, which gives one segment per class.
            threshold: class probability above which a segment is returned.
            overlap_threshold: minimum share of its own mask that a segment keeps after losing pixels to other segments.

        Raises:
            InputError: neither the call nor the session has class names.
        """
        return self._automatic.panoptic(self._all_of(classes), threshold, overlap_threshold)

    @torch.inference_mode()
    def instances(self, classes: Classes = None, threshold: float = 0.5) -> list[Prediction]:
        """Return the things of the image with a score of at least `threshold`, best first; their masks can overlap.

        Raises:
            InputError: neither the call nor the session has class names.
        """
        return self._automatic.instances(self._all_of(classes), threshold)

    @torch.inference_mode()
    def find_all(self, *prompts: Prompt, classes: Classes = None, threshold: float = 0.5) -> list[Prediction]:
        """Return every object of the image that the prompts mean, best first, without duplicates.

        A text means the objects that it fits better than any class name. Other prompts, such as a click or a region of
        another image, show an example: they mean the objects with the same probabilities of the classes. With both, an
        object must fit both. The score includes the mean probability inside the mask. The session is left unchanged.

        Args:
            prompts: prompts of any kinds, at most one of them a text.
            classes: class names to compare with.
            threshold: lowest score, 0..1.

        Raises:
            InputError: a prompt is not valid, none is given, several are texts, all that show an example are negative,
                or neither the call nor the session has class names.
        """
        asked, vocabulary = take_apart(prompts), self._all_of(classes)
        if not asked.examples:
            return self._automatic.alike(Concept(str(asked.text), asked.text, None), vocabulary, threshold)
        shown = Round(asked.examples, self._prepare(asked.examples))
        example = example_of(shown.prepared)
        example = self._play(shown).class_embedding if example is None else example
        label = asked.text or self._name(example, vocabulary)[0][0]
        return self._automatic.alike(Concept(label, asked.text, example), vocabulary, threshold)

    @torch.inference_mode()
    def semantic(self, classes: Classes = None) -> Int[Tensor, "H W"]:
        """Return for every pixel the index of its class in the list of names.

        Raises:
            InputError: neither the call nor the session has class names.
        """
        return self._automatic.semantic(self._all_of(classes))

    @torch.inference_mode()
    def label(self, mask: Bool[Tensor, "H W"], classes: Classes = None) -> list[tuple[str, float]]:
        """Return the class names for a mask with their probabilities among these names, most probable first.

        Raises:
            InputError: the mask is empty or of another size, or neither the call nor the session has class names.
        """
        prompts = (Mask(mask),)
        embedding = self._play(Round(prompts, self._prepare(prompts))).class_embedding
        return self._name(embedding, resolve(classes, self.vocabulary))

    def simulate(self, truth: Bool[Tensor, "H W"], rounds: int) -> Iterator[tuple[Prediction, Sequence[Prompt]]]:
        """Yield the rounds of a simulated user who wants the mask `truth` and clicks on the deepest error.

        Yields:
            The prediction of each round and all prompts so far.

        Raises:
            InputError: the truth is empty or of another size.
        """
        self._prepare((Mask(truth),))
        clicks = [[[center_click(truth)]]]
        rollout = Rollout(self.network, self.context, [truth[None]], clicks, players=[self._player])
        for _ in range(rounds):
            predicted = rollout.predict()
            prompts = tuple(rollout.prompts[0][0])
            yield self._prediction(rollout.played[0, 0], prompts), prompts
            rollout.correct(predicted)

    @torch.inference_mode()
    def _prepare(self, prompts: Sequence[Prompt]) -> tuple[Prompt, ...]:
        """Return the prompts after checking, drawing and loading, once for all rounds."""
        return self.network.prepare(prompts, self.size)

    def _predict(self, name: str, last: Round) -> Prediction:
        if not any(prompt.positive for prompt in last.prompts):
            raise InputError(f"{name}: all prompts are negative; add one that shows or describes the object")
        return self._prediction(self._play(last), last.prompts)

    def _play(self, last: Round) -> PlayedRound:
        """Return the result of a round, after playing the rounds before it."""
        for step in last.unplayed():
            step.played = self._player.play(step.prepared, None if step.before is None else step.before.played)
        assert last.played is not None
        return last.played

    @torch.inference_mode()
    def _prediction(self, played: PlayedRound, prompts: Sequence[Prompt]) -> Prediction:
        logits, embedding = played.logits, played.class_embedding
        sure = (logits.sigmoid() * (mask := logits > 0)).sum() / mask.sum().clamp(min=1)
        labels = (self.network.sampler.encoder(prompt).label(prompt) for prompt in reversed(prompts))
        label = next((label for label in labels if label is not None), None)
        if label is None:
            label = "object" if self.vocabulary is None else self._name(embedding, self.vocabulary)[0][0]
        return Prediction(mask.cpu(), logits.cpu(), label, float(sure))

    def _name(self, embedding: Tensor, vocabulary: Vocabulary) -> list[tuple[str, float]]:
        """Return the class names with their probabilities, most probable first."""
        vectors = self.network.embed_vocabulary(vocabulary)[:-1]
        found = cosine_similarity(embedding[None], vectors, self.network.language.scale)[0].softmax(dim=0)
        return [(vocabulary.names[index], float(found[index])) for index in found.argsort(descending=True).tolist()]

    def _all_of(self, classes: Classes) -> Vocabulary:
        """Return the classes to segment without a prompt.

        Raises:
            InputError: the network was not trained for that, or there are no class names.
        """
        check_answers(self.network.architecture, "automatic")
        return resolve(classes, self.vocabulary)
