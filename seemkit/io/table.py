"""Tables as lines of text."""

from __future__ import annotations

from collections.abc import Sequence


def aligned(rows: Sequence[Sequence[str]], numbers: int = 0) -> list[str]:
    """Return one line per row, with the columns aligned.

    Args:
        rows: at least one row, all of the same length; the first is the heading.
        numbers: number of right-aligned columns, counted from the last.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    words = len(widths) - numbers
    return [
        "  ".join(
            cell.ljust(width) if index < words else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
