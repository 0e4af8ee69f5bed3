"""The rounds of a session's objects, with undo and redo."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from torch import Tensor

from seemkit.errors import InputError
from seemkit.prompts.values import Prompt


@dataclass(eq=False)
class Round:
    """A round of one object.

    Attributes:
        prompts: all prompts of the object so far, as they were given.
        prepared: the same with what they need loaded, as `PromptEncoder.prepare` returns them.
        before: the round before it.
        answer: mask logits [H_m, W_m] and class embedding [C], once somebody asked for them.
    """

    prompts: tuple[Prompt, ...]
    prepared: tuple[Prompt, ...]
    before: Round | None = None
    answer: tuple[Tensor, Tensor] | None = None

    def unanswered(self) -> list[Round]:
        """The rounds up to this one that nobody asked for yet, first one first."""
        waiting: list[Round] = []
        step: Round | None = self
        while step is not None and step.answer is None:
            waiting.append(step)
            step = step.before
        return waiting[::-1]


@dataclass
class History:
    """The last round of every object by name.

    Attributes:
        now: as it stands.
        past: states that `undo` returns to, the latest last.
        future: states that `redo` returns to, the next one last.
    """

    now: dict[str, Round] = field(default_factory=dict)
    past: list[dict[str, Round]] = field(default_factory=list)
    future: list[dict[str, Round]] = field(default_factory=list)

    def __getitem__(self, name: str) -> Round:
        """The last round of an object.

        Raises:
            InputError: there is no object of that name.
        """
        if name not in self.now:
            known = ", ".join(repr(key) for key in self.now) or "none"
            raise InputError(f"there is no object {name!r}; there are: {known}")
        return self.now[name]

    def add(self, prompts: Sequence[Prompt], prepared: Sequence[Prompt], name: str) -> None:
        """A further round of an object, or its first. It becomes the last of the objects."""
        before = self.now.get(name)
        last = Round((), ()) if before is None else before
        rest = {key: value for key, value in self.now.items() if key != name}
        new = Round((*last.prompts, *prompts), (*last.prepared, *prepared), before)
        self._change({**rest, name: new})

    def drop(self, name: str | None) -> None:
        """Forgets an object, or all."""
        if name is not None:
            self[name]
        self._change({} if name is None else {key: value for key, value in self.now.items() if key != name})

    def undo(self) -> None:
        """Returns to the state before the last change.

        Raises:
            InputError: there is none.
        """
        self.now = self._step("undo", self.past, self.future)

    def redo(self) -> None:
        """Returns to the state before the last `undo`.

        Raises:
            InputError: there is none, or something was changed since.
        """
        self.now = self._step("redo", self.future, self.past)

    def _change(self, state: dict[str, Round]) -> None:
        self.past.append(self.now)
        self.now, self.future = state, []

    def _step(self, verb: str, source: list[dict[str, Round]], target: list[dict[str, Round]]) -> dict[str, Round]:
        if not source:
            raise InputError(f"{verb}: there is nothing to {verb}")
        target.append(self.now)
        return source.pop()
