"""Run random trials, and print the seeds of those that fail.

python -m tests.random_inputs [--count 10000] [--first 0] [--only file]
"""

from __future__ import annotations

import argparse
import time
import traceback
from collections import Counter

import torch

from tests.random_inputs.trials import TRIALS, run


def main() -> int:
    """Run the trials; return 1 if one fails."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0, help="seed of the first trial")
    parser.add_argument("--only", choices=TRIALS, help="kind of all trials")
    options = parser.parse_args()
    torch.set_num_threads(1)
    done: Counter[str] = Counter()
    failed, start = 0, time.monotonic()
    for seed in range(options.first, options.first + options.count):
        try:
            done[run(seed, options.only)] += 1
        except Exception:  # noqa: BLE001 (any but InputError is what is looked for)
            failed += 1
            print(f"seed {seed}\n{traceback.format_exc(limit=-6)}", flush=True)
    print(f"{dict(done)} passed, {failed} failed, {time.monotonic() - start:.0f} s")
    return int(failed > 0)


if __name__ == "__main__":
    raise SystemExit(main())
