#!/usr/bin/python3
"""Shows that run_tests.py counts what must count as failed. TAP output."""
import os
import pathlib
import sys
import tempfile
import time

import run_tests
from run_tests import (Runner, Suite, judge_exit, judge_same_hash, judge_sim, judge_tap,
                       judge_unreached)

SIM_LINE = "seeds=2 hours=0.1 ops=9 faults=3 violations=%d undecided=%d hash=ab"
UNREACHED = "echo VIOLATION checker=marks; echo '  mark A: a'; echo '  fault b: in 0'"


def counts(script, judge=judge_tap, limit_s=20.0, deadline=None):
    """Runs a shell script as a suite and returns (passed, failed, skipped)."""
    runner = Runner(deadline)
    runner.show = lambda suite: None
    suite = Suite("self", f"test-{os.getpid()}", ["bash", "-c", script], judge, limit_s)
    runner.run(suite)
    return tuple(sum(case.status == status for case in suite.cases)
                 for status in ("passed", "failed", "skipped"))


def is_alive(marker):
    """Whether a process with this word in its command line is still there."""
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if marker.encode() in path.read_bytes():
                return True
        except OSError:
            continue
    return False


def leftovers_are_ended(script, limit_s):
    seconds = f"98765.{os.getpid()}{int(limit_s)}"
    result = counts(script.replace("SECONDS", seconds), limit_s=limit_s)
    for _ in range(50):
        if not is_alive(seconds):
            return result
        time.sleep(0.1)
    return "still running"


CASES = [
    ("cases of a clean run are counted",
     lambda: counts("echo 1..2; echo ok 1 - a; echo ok 2 - b"), (2, 0, 0)),
    ("a failed case is counted",
     lambda: counts("echo 1..2; echo ok 1 - a; echo not ok 2 - b; exit 1"), (1, 1, 0)),
    ("a skipped case is told apart, whichever way it is spelt",
     lambda: counts("echo 1..2; echo 'ok 1 - a # SKIP no root'; echo 'not ok 2 # SKIP'"),
     (0, 0, 2)),
    ("cases missing after an abort have failed",
     lambda: counts("echo 1..3; echo ok 1 - a; kill -ABRT $$"), (1, 2, 0)),
    ("an exit code without a failed case is a failure",
     lambda: counts("echo 1..1; echo ok 1 - a; exit 3"), (1, 1, 0)),
    ("more cases than planned are a failure",
     lambda: counts("echo 1..1; echo ok 1 - a; echo ok 2 - b"), (2, 1, 0)),
    ("a suite that says nothing has failed", lambda: counts("true"), (0, 1, 0)),
    ("a time limit fails what was not reported",
     lambda: counts("echo 1..2; echo ok 1 - a; sleep 60", limit_s=0.5), (1, 1, 0)),
    ("what a suite leaves running is ended",
     lambda: leftovers_are_ended("sleep SECONDS & echo ok 1 - a", 10), (1, 0, 0)),
    ("what runs at the time limit is ended, children too",
     lambda: leftovers_are_ended("trap '' TERM; sleep SECONDS & echo ok 1 - a; wait", 1),
     (1, 1, 0)),
    ("past the deadline nothing is run and it counts as failed",
     lambda: counts("echo ok 1 - a", deadline=time.time() - 1), (0, 1, 0)),
    ("an exit code other than the wanted one fails",
     lambda: counts("exit 0", judge_exit(1)), (0, 1, 0)),
    ("a clean simulation passes",
     lambda: counts(f"echo {SIM_LINE % (0, 0)}", judge_sim(0)), (1, 0, 0)),
    ("a simulation with violations fails even if it exits 0",
     lambda: counts(f"echo {SIM_LINE % (1, 0)}", judge_sim(0)), (0, 1, 0)),
    ("a simulation that leaves a key undecided fails",
     lambda: counts(f"echo {SIM_LINE % (0, 1)}", judge_sim(0)), (0, 1, 0)),
    ("a simulation without its summary fails",
     lambda: counts("echo fine", judge_sim(0)), (0, 1, 0)),
    ("two different hashes of one seed fail",
     lambda: counts(f"echo {SIM_LINE % (0, 0)}; echo {SIM_LINE % (0, 0)}c", judge_same_hash),
     (0, 1, 0)),
    ("a campaign that reaches too little and says what passes for it",
     lambda: counts(f"{UNREACHED}; exit 1", judge_unreached), (1, 0, 0)),
    ("a campaign that reaches too little and exits 0 fails",
     lambda: counts(UNREACHED, judge_unreached), (0, 1, 0)),
    ("a campaign that fails for another reason is not taken for one",
     lambda: counts("echo VIOLATION seed=1 checker=start; exit 1", judge_unreached), (0, 1, 0)),
]


def main():
    failed = 0
    print(f"1..{len(CASES)}")
    with tempfile.TemporaryDirectory() as directory:
        run_tests.LOGS = pathlib.Path(directory)
        for number, (name, act, wanted) in enumerate(CASES, 1):
            found = act()
            if found != wanted:
                failed += 1
                print(f"# wanted {wanted}, found {found}")
            print(f"{'ok' if found == wanted else 'not ok'} {number} - runner: {name}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
