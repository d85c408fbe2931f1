#!/usr/bin/env python3
"""test_positions.py - what counts as left in the log. Ends with `N passed, N failed`."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from positions import records_left  # noqa: E402

FIRST, SECOND = 1 << 40, 2 << 40
CASES = [
    ("a partition in which nothing was ever said lacks nothing", {0: FIRST}, {}, {}),
    ("nor does one whose last record is stored", {0: FIRST + 9}, {0: FIRST + 9}, {}),
    ("nor one that the store is ahead of, asked later", {0: FIRST + 9}, {0: FIRST + 11}, {}),
    ("what isn't stored is counted", {0: FIRST + 9}, {0: FIRST + 7}, {0: 2}),
    ("from the first one on, too", {0: FIRST + 3}, {}, {0: 3}),
    ("a new generation begins anew", {0: SECOND}, {0: FIRST + 7}, {}),
    ("and its records count", {0: SECOND + 2}, {0: FIRST + 7}, {0: 2}),
    ("each partition for itself", {0: FIRST + 1, 1: FIRST, 2: FIRST + 5}, {0: FIRST + 1, 2: FIRST}, {2: 5}),
]


def main():
    failed = 0
    for claim, last, applied, want in CASES:
        got = records_left(last, applied)
        if got != want:
            failed += 1
            print(f"FAIL  {claim}: {got}, not {want}")
    print(f"{len(CASES) - failed} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(main())
