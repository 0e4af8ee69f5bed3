"""The rounds of the objects of a session, with undo and redo."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from seemkit.errors import InputError
from seemkit.interactive.zoom import PlayedRound
from seemkit.prompts.values import Prompt


@dataclass(eq=False)
class Round:
    """One round of one object.

    Attributes:
        prompts: all prompts of the object so far, as given.
        prepared: the same prompts, ready for the network; see `PromptEncoder.prepare`.
        before: the previous round; None in the first round.
        played: the result; None until the round is played.
    """

    prompts: tuple[Prompt, ...]
    prepared: tuple[Prompt, ...]
    before: Round | None = None
    played: PlayedRound | None = None

    def unplayed(self) -> list[Round]:
        """Return the rounds up to this one that are not yet played, in order."""
        waiting: list[Round] = []
        step: Round | None = self
        while step is not None and step.played is None:
            waiting.append(step)
            step = step.before
        return waiting[::-1]


@dataclass
class History:
    """The last round of every object, by name, with undo and redo.

    Attributes:
        now: the current state.
        past: the states that `undo` returns to, latest last.
        future: the states that `redo` returns to, next one last.
    """

    now: dict[str, Round] = field(default_factory=dict)
    past: list[dict[str, Round]] = field(default_factory=list)
    future: list[dict[str, Round]] = field(default_factory=list)

    def __getitem__(self, name: str) -> Round:
        """Return the last round of an object.

        Raises:
            InputError: no object has this name.
        """
        self.require(name)
        return self.now[name]

    def require(self, name: str) -> None:
        """Raise InputError unless an object has this name; the message lists the names."""
        if name not in self.now:
            known = ", ".join(repr(key) for key in self.now) or "none"
            raise InputError(f"no object is named {name!r}; known objects: {known}")

    def add(self, prompts: Sequence[Prompt], prepared: Sequence[Prompt], name: str) -> None:
        """Add a round of an object and make this object the last one in `now`."""
        before = self.now.get(name)
        last = Round((), ()) if before is None else before
        rest = {key: value for key, value in self.now.items() if key != name}
        new = Round((*last.prompts, *prompts), (*last.prepared, *prepared), before)
        self._change({**rest, name: new})

    def drop(self, name: str | None) -> None:
        """Remove an object, or all objects if `name` is None.

        Raises:
            InputError: no object has this name.
        """
        if name is not None:
            self.require(name)
        self._change({} if name is None else {key: value for key, value in self.now.items() if key != name})

    def undo(self) -> None:
        """Return to the state before the last change.

        Raises:
            InputError: no change is left to undo.
        """
        self.now = self._step("undo", self.past, self.future)

    def redo(self) -> None:
        """Return to the state before the last `undo`.

        Raises:
            InputError: no change is left to redo.
        """
        self.now = self._step("redo", self.future, self.past)

    def played(self) -> list[PlayedRound]:
        """Return the results of all rounds that are kept, also of those that undo and redo return to."""
        seen: dict[int, Round] = {}
        for state in (self.now, *self.past, *self.future):
            for last in state.values():
                step: Round | None = last
                while step is not None and id(step) not in seen:
                    seen[id(step)] = step
                    step = step.before
        return [step.played for step in seen.values() if step.played is not None]

    def _change(self, state: dict[str, Round]) -> None:
        self.past.append(self.now)
        self.now, self.future = state, []

    def _step(self, verb: str, source: list[dict[str, Round]], target: list[dict[str, Round]]) -> dict[str, Round]:
        if not source:
            raise InputError(f"{verb}: nothing to {verb}")
        target.append(self.now)
        return source.pop()
