#!/usr/bin/env python3
"""Counts what a ctest run did: reads its JUnit file, prints `passed failed skipped` and, on stderr, the
names of what failed or was skipped. A cmocka program counts with each of its cases, a script by its own
closing line `N passed, N failed`, anything else as one.

    tally.py JUNIT.xml
"""

import re
import sys
import xml.etree.ElementTree as ElementTree


def cases(output, has_failed):
    """How many cases one ctest entry ran, as (passed, failed)."""
    passed = sum(int(n) for n in re.findall(r"\[  PASSED  \] (\d+) test\(s\)", output))
    failed = sum(int(n) for n in re.findall(r"\[  FAILED  \] (\d+) test\(s\)", output))
    for line in re.findall(r"^(\d+) passed, (\d+) failed", output, re.M):
        passed, failed = passed + int(line[0]), failed + int(line[1])
    if has_failed:
        return passed, max(failed, 1)
    return (passed, failed) if passed + failed else (1, 0)


def main(path):
    passed = failed = skipped = 0
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        name, status = case.get("name"), case.get("status")
        if status == "disabled" or case.find("skipped") is not None:
            skipped += 1
            print(f"skipped: {name}", file=sys.stderr)
            continue
        output = "".join(case.itertext())
        more_passed, more_failed = cases(output, status == "fail" or case.find("failure") is not None)
        if more_failed:
            print(f"FAILED: {name}", file=sys.stderr)
        passed, failed = passed + more_passed, failed + more_failed
    print(passed, failed, skipped)


if __name__ == "__main__":
    main(sys.argv[1])
