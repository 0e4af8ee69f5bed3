from __future__ import annotations

import pickle
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest

from seemkit.errors import InputError
from seemkit.io.plain_pickle import load_plain_pickle

PLAIN = [{"a": 1, "b": (2.5, None, True), "c": ["text", -(2**70)]}]


class Runs:
    """A class whose pickle runs a command when it is read."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self):
        import os

        return os.system, (self.command,)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_data(tmp_path: Path, protocol: int) -> None:
    path = tmp_path / "a.p"
    path.write_bytes(pickle.dumps(PLAIN, protocol))
    assert load_plain_pickle(path) == PLAIN


def test_strings_of_python_2(tmp_path: Path) -> None:
    path = tmp_path / "a.p"
    path.write_bytes(b"(lp0\n(dp1\nS'raw'\np2\nS'caf\\xe9'\np3\nsS'id'\np4\nL5L\nsa.")
    assert load_plain_pickle(path) == [{"raw": "café", "id": 5}]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_nothing_runs(tmp_path: Path, protocol: int) -> None:
    path, trace = tmp_path / "a.p", tmp_path / "trace"
    path.write_bytes(pickle.dumps([1, Runs(f"touch {trace}")], protocol))
    with pytest.raises(InputError, match=r"a\.p: names (posix|nt)\.system, which is refused"):
        load_plain_pickle(path)
    assert not trace.exists()


@pytest.mark.parametrize(
    ("value", "name"), [(OrderedDict(a=1), r"collections\.OrderedDict"), (np.int64(3), r"numpy\..*")]
)
def test_every_name_is_refused(tmp_path: Path, value: object, name: str) -> None:
    path = tmp_path / "a.p"
    path.write_bytes(pickle.dumps(value))
    with pytest.raises(InputError, match=rf"a\.p: names {name}, which is refused"):
        load_plain_pickle(path)


@pytest.mark.parametrize(
    "content",
    [b"", b"PK\x03\x04", b"(lp0\n", b"\x80\x05", pickle.dumps(PLAIN)[:-5], b"]]R.", b"I1\nI2\nb.", b"\x80\x02Pid\n."],
)
def test_damaged(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.p"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.p: is not a valid pickle \(.+\); download the file again$") as caught:
        load_plain_pickle(path)
    assert "\n" not in str(caught.value)


def test_missing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.p: no such file"):
        load_plain_pickle(tmp_path / "a.p")
    with pytest.raises(InputError, match="cannot be read"):
        load_plain_pickle(tmp_path)
