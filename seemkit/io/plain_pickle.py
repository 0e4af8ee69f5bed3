"""Pickle files of plain data, read without running what they name."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import NoReturn

from seemkit.errors import InputError
from seemkit.io.read_errors import reading

# what the unpickler raises on files that are cut short or damaged
_DAMAGES = (
    pickle.UnpicklingError, EOFError, ValueError, TypeError, AttributeError, KeyError, IndexError, OverflowError,
    MemoryError, RecursionError,
)  # fmt: skip


def load_plain_pickle(path: Path) -> object:
    """What a pickle file holds: dict, list, tuple, str, int, float, bool and None, in each other.

    A pickle may name any function for the reader to call; here every name is refused, so that a file from elsewhere
    cannot run anything. Strings that Python 2 wrote as bytes are read as Latin-1.

    Raises:
        InputError: naming the file, if it is missing, damaged or names a class or function.
    """
    with reading(path):
        content = path.read_bytes()
    try:
        return _PlainUnpickler(io.BytesIO(content), encoding="latin1").load()
    except _RefusedNameError as error:
        raise InputError(f"{path}: names {error}, which is refused; save it with plain data only") from error
    except _DAMAGES as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path}: is no valid pickle ({reason}); fetch the file again") from error


class _RefusedNameError(Exception):
    """A pickle asks for a class or function; the message is its name."""


class _PlainUnpickler(pickle.Unpickler):
    """An unpickler that knows no class and no function."""

    def find_class(self, module_name: str, global_name: str, /) -> NoReturn:
        raise _RefusedNameError(f"{module_name}.{global_name}")
