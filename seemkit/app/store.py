"""The sessions of a server: few of them are in memory, the others are restored from what was done in them."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from seemkit.app.wire import read_prompt
from seemkit.errors import InputError
from seemkit.inference.class_names import Classes
from seemkit.inference.session import Session
from seemkit.io.user_image import load_image
from seemkit.model.seem import SEEM
from seemkit.types import Size

T = TypeVar("T")
Step = Callable[[Session], object]
"""A change of a session."""


class UnknownSessionError(InputError):
    """No session has this identifier."""


@dataclass
class Entry:
    """What is known of a session.

    Attributes:
        source: its image file.
        name: name of the image, for the user.
        steps: the changes that were made, in order.
        session: the session; None while it is not in memory.
        tickets: number of the latest request for each object; the masks of earlier ones need not be computed any more.
        temporary: whether the file goes with the session.
    """

    source: Path
    name: str
    temporary: bool = False
    steps: list[Step] = field(default_factory=list)
    session: Session | None = None
    tickets: dict[str, int] = field(default_factory=dict)


class SessionStore:
    """Sessions by identifier. All methods but `entry` must be called in the worker's thread.

    Args:
        network: the network of all sessions.
        classes: class names for labels; None for those of the network.
        most_bytes: memory of all sessions; of those that were not used longest, first the zoomed views are dropped, and
            then all but their steps.
        most: number of sessions that are known; those that were not used longest are forgotten.
    """

    def __init__(self, network: SEEM, classes: Classes = None, most_bytes: int = 2**30, most: int = 256) -> None:
        self.network = network
        self.classes = classes
        self.most_bytes = most_bytes
        self.most = most
        self._entries: OrderedDict[str, Entry] = OrderedDict()

    @property
    def names_things(self) -> bool:
        """Whether the network has learned to tell classes apart."""
        return self.network.vocabulary is not None or "text" in self.network.architecture.answers

    def open(self, source: Path, name: str, *, temporary: bool = False) -> str:
        """Return the identifier of a new session with an image, which is encoded.

        Args:
            source: the image file, which must stay.
            name: name of the image.
            temporary: whether to delete the file when the session is forgotten.

        Raises:
            InputError: the image is not readable; a temporary file is then deleted.
        """
        entry = Entry(source, name, temporary)
        try:
            entry.session = self._encoded(entry)
        except InputError as error:
            _delete(entry)
            raise InputError(str(error).replace(str(source), name)) from error
        identifier = secrets.token_urlsafe(12)
        self._entries[identifier] = entry
        self._bound()
        return identifier

    def entry(self, identifier: str) -> Entry:
        """Return what is known of a session.

        Raises:
            UnknownSessionError: no session has this identifier.
        """
        try:
            return self._entries[identifier]
        except KeyError:
            raise UnknownSessionError(
                f"session {identifier[:40]!r}: unknown or forgotten; open the image again"
            ) from None

    def session(self, identifier: str) -> Session:
        """Return a session; if it is not in memory, its image is encoded again and its steps are repeated.

        Raises:
            InputError: no session has this identifier, or its image is gone.
        """
        entry = self.entry(identifier)
        self._entries.move_to_end(identifier)
        session = entry.session
        if session is None:
            session = self._encoded(entry)
            for step in entry.steps:
                step(session)  # may read other sessions
            entry.session = session
            self._entries.move_to_end(identifier)
            self._bound()
        return session

    def change(self, identifier: str, step: Step, answer: Callable[[Session], T]) -> T:
        """Return an answer of a session after a change, which is remembered.

        Raises:
            InputError: the change or the answer is refused; the session is as before.
        """
        session, entry = self.session(identifier), self.entry(identifier)
        step(session)
        try:
            found = answer(session)
        except InputError:
            entry.session = None  # the steps before this one restore it
            raise
        entry.steps.append(step)
        self._bound()
        return found

    def prompts(self, values: list[dict[str, Any]], size: Size) -> tuple[Any, ...]:
        """Return the prompts that a request describes, for an image of a size.

        Raises:
            InputError: a prompt is wrong.
        """
        return tuple(read_prompt(one, size, self.session) for one in values)

    def close(self, identifier: str) -> None:
        """Forget a session.

        Raises:
            UnknownSessionError: no session has this identifier.
        """
        _delete(self.entry(identifier))
        del self._entries[identifier]

    def close_all(self) -> None:
        """Forget all sessions."""
        for identifier in list(self._entries):
            self.close(identifier)

    def _encoded(self, entry: Entry) -> Session:
        classes = self.classes if self.names_things else None
        return Session(self.network, load_image(entry.source), classes=classes)

    def _bound(self) -> None:
        """Keep the sessions that were used last."""
        while len(self._entries) > self.most:
            _, oldest = self._entries.popitem(last=False)
            _delete(oldest)
        used = 0
        for number, entry in enumerate(reversed(self._entries.values())):
            if entry.session is None:
                continue
            if number and used + entry.session.nbytes > self.most_bytes / 2:
                entry.session.release()
            used += entry.session.nbytes
            if number and used > self.most_bytes:
                entry.session = None


def _delete(entry: Entry) -> None:
    if entry.temporary:
        entry.source.unlink(missing_ok=True)
