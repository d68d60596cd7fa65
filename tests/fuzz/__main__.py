"""`python -m tests.fuzz [--builds N] [--histories N] [--seed S]`: makes up answers and histories.

Exits with 1 at the first one of which the project makes anything else than what was sent.
"""

import argparse
import sys
from random import SystemRandom

from tests.fuzz.campaign import compare_builds
from tests.fuzz.chronicle import compare_histories


def main() -> int:
    """Compares as many builds and histories as asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--builds", type=int, default=100_000, help="builds to compare, at least")
    parser.add_argument("--histories", type=int, default=30, help="histories to compare")
    parser.add_argument("--seed", type=int, default=SystemRandom().randrange(10**9))
    options = parser.parse_args()
    is_right = compare_builds(options.builds, options.seed)
    return 0 if compare_histories(options.histories, options.seed) and is_right else 1


if __name__ == "__main__":
    sys.exit(main())
