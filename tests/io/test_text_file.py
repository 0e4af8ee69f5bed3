from __future__ import annotations

from pathlib import Path

import pytest

from seemkit.errors import InputError
from seemkit.io.text_file import read_entries, read_lines


def test_entries_are_lines_without_blank_ones(tmp_path: Path) -> None:
    path = tmp_path / "val.txt"
    path.write_bytes("\ufeff2007_1\r\n\r\n  2007_2 \n".encode())
    assert read_lines(path) == ["2007_1", "", "  2007_2 "]
    assert read_entries(path) == ["2007_1", "2007_2"]


def test_faults_name_the_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.txt: no such file; check its name and folder"):
        read_lines(tmp_path / "none.txt")
    with pytest.raises(InputError, match="cannot be read"):
        read_lines(tmp_path)
    (tmp_path / "a.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match=r"a\.txt: is not text in UTF-8"):
        read_entries(tmp_path / "a.txt")
