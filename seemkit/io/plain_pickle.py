"""Reading of pickle files with plain data, without running code from them."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import NoReturn

from seemkit.errors import InputError
from seemkit.io.read_errors import reading

# raised by the unpickler on truncated or damaged files
_DAMAGES = (
    pickle.UnpicklingError, EOFError, ValueError, TypeError, AttributeError, KeyError, IndexError, OverflowError,
    MemoryError, RecursionError,
)  # fmt: skip


def load_plain_pickle(path: Path) -> object:
    """Return the content of a pickle file: nested dict, list, tuple, str, int, float, bool and None.

    A pickle can name any function for the reader to call. All names are refused here, so an untrusted file cannot run
    code. Strings that Python 2 wrote as bytes are read as Latin-1.

    Raises:
        InputError: the file is missing or damaged, or names a class or function; the message names the file.
    """
    with reading(path):
        content = path.read_bytes()
    try:
        return _PlainUnpickler(io.BytesIO(content), encoding="latin1").load()
    except _RefusedNameError as error:
        raise InputError(f"{path}: names {error}, which is refused; save it with plain data only") from error
    except _DAMAGES as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path}: is not a valid pickle ({reason}); download the file again") from error


class _RefusedNameError(Exception):
    """A pickle names a class or function; the message is this name."""


class _PlainUnpickler(pickle.Unpickler):
    """An unpickler that refuses all classes and functions."""

    def find_class(self, module_name: str, global_name: str, /) -> NoReturn:
        raise _RefusedNameError(f"{module_name}.{global_name}")
