#!/usr/bin/python3
"""Builds and runs the tests, counts cases, and ends with one line: N passed, N failed[, N skipped].

usage: scripts/run_tests.py --all | --quick | --suite NAME ... [--only REGEX] [--list]

--quick   what `make check` runs: house rules, clang-tidy on changed files, unit tests, short
          simulation
--all     everything: also end-to-end, chaos and fuzzing
--suite   one of: tidy unit sim e2e chaos fuzz

What is a test:
- an executable of build/debug/tests (cmocka; one case per TEST, under ASan and UBSan),
- an executable file tests/e2e/**/*_test.{py,sh} or tests/chaos/**/*_test.{py,sh} that prints TAP
  ("ok N - name", "not ok N - name", "ok N - name # SKIP why"); a line "# time limit: 600 s" among
  its first 20 changes its time limit,
- the steps written down in this file: house rules, their self-tests, simulator, fuzzers.

A case that is missing after an abort, a time limit or an exit code without a reason has failed.
Each test runs in its own session without stdin; whatever it leaves running is ended with it. Logs
are in build/test-logs. QUORATE_TEST_DEADLINE (seconds since 1970): what has not begun then fails.
"""
import argparse
import concurrent.futures
import dataclasses
import os
import pathlib
import re
import select
import signal
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
LOGS = ROOT / "build" / "test-logs"
PYTHON = "/usr/bin/python3"
JOBS = 2
# QUORATE_FAULTS=full: `make storage-faults`.
UNIT_LIMIT_S = 3600 if os.environ.get("QUORATE_FAULTS") == "full" else 300
SCRIPT_LIMIT_S = 300
BUILD_LIMIT_S = 900
LOG_LINES_SHOWN = 120
TERM_GRACE_S = 5

ENVIRONMENT = {
    # ASan reports a crash itself instead of letting cmocka turn it into a failed case.
    "ASAN_OPTIONS": "handle_segv=2:handle_sigbus=2:handle_sigfpe=2:detect_stack_use_after_return=1"
                    ":strict_string_checks=1",
    "UBSAN_OPTIONS": "print_stacktrace=1",
    # Which sample of the storage faults is today's; each test prints it.
    "QUORATE_FAULTS_TURN": os.environ.get("QUORATE_FAULTS_TURN", str(int(time.time()) // 86400)),
    "PYTHONUNBUFFERED": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
}


@dataclasses.dataclass
class Case:
    name: str
    status: str  # passed, failed or skipped
    why: str = ""


@dataclasses.dataclass
class Suite:
    """A command and how to read its result."""
    group: str
    name: str
    command: list
    judge: object  # function (output, exit code or None, suite) -> list of Case
    limit_s: float = SCRIPT_LIMIT_S
    alone: bool = False  # Nothing else may run beside it: it needs ports, or measures time.
    cases: list = dataclasses.field(default_factory=list)
    seconds: float = 0.0

    @property
    def log(self):
        return LOGS / (re.sub(r"[^\w.-]+", "-", f"{self.group}-{self.name}") + ".log")


def one_case(suite, good, why=""):
    return [Case(suite.name, "passed" if good else "failed", why)]


def reason_of(code):
    if code is None:
        return "time limit"
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def judge_exit(wanted=0):
    return lambda output, code, suite: one_case(suite, code == wanted,
                                                f"{reason_of(code)}, wanted {wanted}")


def judge_tap(output, code, suite):
    planned = 0
    cases = []
    for line in output.split("\n"):
        plan = re.match(r"1\.\.(\d+)", line)
        result = re.match(r"(not )?ok\b\s*\d*\s*(?:- )?(.*)", line)
        if plan:
            planned += int(plan.group(1))
        elif result:
            name, _, note = result.group(2).partition("#")
            skipped = re.match(r"\s*SKIP\b\s*(.*)", note, re.I)
            status = "skipped" if skipped else "failed" if result.group(1) else "passed"
            cases.append(Case(name.strip(), status, skipped.group(1) if skipped else ""))
    for number in range(len(cases), planned):
        cases.append(Case(f"case {number + 1} never reported", "failed", reason_of(code)))
    if code != 0 and not any(case.status == "failed" for case in cases):
        cases.append(Case("ends well", "failed", reason_of(code)))
    if planned and len(cases) > planned and code == 0:
        cases.append(Case("keeps to its plan", "failed", f"{len(cases)} cases, plan {planned}"))
    return cases or one_case(suite, False, "reported no case")


def judge_sim(wanted):
    """The last line is the simulator's own summary; the exit code must agree with it."""
    def judge(output, code, suite):
        lines = output.strip().split("\n")
        last = re.match(r"seeds=(\d+) hours=\S+ ops=(\d+) .*violations=(\d+) undecided=(\d+) "
                        r"hash=\S+$", lines[-1])
        if not last:
            return one_case(suite, False, f"no summary line, {reason_of(code)}")
        suite.name += f" [{lines[-1]}]"
        violated = int(last.group(3)) > 0
        good = code == wanted and violated == bool(wanted) and int(last.group(2)) > 0
        decided = last.group(4) == "0"
        return one_case(suite, good and decided,
                        f"{reason_of(code)}, wanted {wanted}, undecided {last.group(4)}")
    return judge


def judge_unreached(output, code, suite):
    """A campaign too small to reach everything: says so, and names marks and faults."""
    named = re.findall(r"^  mark \w+: ", output, re.M)
    faults = re.findall(r"^  fault \w+: ", output, re.M)
    good = code == 1 and "VIOLATION checker=marks" in output and named and faults
    return one_case(suite, good, f"{reason_of(code)}, {len(named)} marks named")


CRASH_STATES_WANTED = 10000


def judge_crash_states(output, code, suite):
    last = re.match(r"states=(\d+) recoveries=(\d+) workloads=(\d+) violations=(\d+) hash=\S+$",
                    output.strip().split("\n")[-1])
    if not last:
        return one_case(suite, False, f"no summary line, {reason_of(code)}")
    states, recoveries, workloads, violations = map(int, last.groups())
    suite.name += f" [{last.group(0)}]"
    good = code == 0 and violations == 0 and workloads > 0 and recoveries >= states
    return one_case(suite, good and states >= CRASH_STATES_WANTED,
                    f"{reason_of(code)}, {states} states, wanted {CRASH_STATES_WANTED}")


def judge_same_hash(output, code, suite):
    hashes = re.findall(r"^seeds=.* hash=(\S+)$", output, re.M)
    return one_case(suite, code == 0 and len(hashes) == 2 and hashes[0] == hashes[1],
                    f"hashes {hashes}, {reason_of(code)}")


class Runner:
    def __init__(self, deadline):
        self.deadline = deadline
        self.lock = threading.Lock()
        self.running = set()
        self.stopped = False

    def run(self, suite):
        limit_s = suite.limit_s
        if self.deadline is not None:
            limit_s = min(limit_s, self.deadline - time.time())
        if limit_s <= 0 or self.stopped:
            suite.cases = one_case(suite, False, "not run: out of time")
        else:
            began = time.monotonic()
            code = self.run_command(suite, limit_s)
            suite.seconds = time.monotonic() - began
            output = suite.log.read_text(errors="replace")
            suite.cases = suite.judge(output, code, suite)
        with self.lock:
            self.show(suite)

    def run_command(self, suite, limit_s):
        """Returns the exit code, negative for a signal, None when the time limit struck."""
        with open(suite.log, "wb") as log:
            process = subprocess.Popen(
                [str(word) for word in suite.command], cwd=ROOT, env={**os.environ, **ENVIRONMENT},
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                start_new_session=True)
            with self.lock:
                self.running.add(process.pid)
            ended = self.wait(process, limit_s)
            if not ended:
                os.killpg(process.pid, signal.SIGTERM)
                self.wait(process, TERM_GRACE_S)
            # The leader is not reaped yet, so its group number cannot be anybody else's.
            os.killpg(process.pid, signal.SIGKILL)
            with self.lock:
                self.running.discard(process.pid)
            code = process.wait()
            return code if ended else None

    @staticmethod
    def wait(process, seconds):
        """True when the process ended; it stays a zombie so that its group number stays ours."""
        handle = os.pidfd_open(process.pid)
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        ended = bool(poll.poll(max(0, seconds) * 1000))
        os.close(handle)
        return ended

    def stop(self):
        self.stopped = True
        with self.lock:
            for group in self.running:
                os.killpg(group, signal.SIGTERM)

    @staticmethod
    def show(suite):
        failed = [case for case in suite.cases if case.status == "failed"]
        skipped = [case for case in suite.cases if case.status == "skipped"]
        word = "FAIL" if failed else "ok  "
        note = f", {len(skipped)} skipped" if skipped else ""
        print(f"{word} {suite.group}: {suite.name} "
              f"({len(suite.cases)} cases{note}, {suite.seconds:.1f} s)", flush=True)
        for case in skipped:
            print(f"     skipped: {case.name}: {case.why}")
        if failed:
            for case in failed:
                print(f"     failed: {case.name}{': ' + case.why if case.why else ''}")
            lines = suite.log.read_text(errors="replace").split("\n") if suite.log.exists() else []
            if len(lines) > LOG_LINES_SHOWN:
                print(f"     | ... the end of {suite.log.relative_to(ROOT)}:")
            for line in lines[-LOG_LINES_SHOWN:]:
                print("     | " + line)
        sys.stdout.flush()


def is_there(path):
    return (ROOT / path).exists()


def build_suites(groups):
    """What has to be compiled, in order. A program whose sources are not there yet is left out."""
    programs = [name for name, source in (("quorate", "src/server/main.c"),
                                          ("quorate-sim", "sim/main.c")) if is_there(source)]
    # clang-tidy and purity want the objects and the compilation database of every room.
    release = ["all"] if groups == {"tidy"} else [*programs, "tools"]
    if groups - {"unit", "fuzz"}:
        yield Suite("build", "release", ["scripts/build.sh", "release", *release], judge_exit(),
                    BUILD_LIMIT_S)
    if "unit" in groups:
        yield Suite("build", "debug", ["scripts/build.sh", "debug", "unit_tests"], judge_exit(),
                    BUILD_LIMIT_S)


def tidy_suites(everything):
    rooms = [f"q_{room}" for room in ("base", "core", "wire")]
    yield Suite("tidy", "house rules", ["scripts/tidy.py"], judge_exit())
    yield Suite("tidy", "clang-format", ["scripts/lint.py", "format"], judge_exit())
    yield Suite("tidy", "clang-tidy", ["scripts/lint.py", "tidy"], judge_exit(), BUILD_LIMIT_S)
    yield Suite("tidy", "purity of core, wire and base",
                ["bash", "-c", f"scripts/build.sh release {' '.join(rooms)} && scripts/purity.sh"],
                judge_exit())
    if everything:
        for name in ("tidy.py", "lint.py", "purity.sh", "determinism.sh",
                     "run_tests_self_test.py"):
            yield Suite("tidy", f"planted violations, {name}", [f"scripts/{name}", "--self-test"],
                        judge_tap)


def unit_suites():
    for path in sorted((ROOT / "build" / "debug" / "tests").glob("test_*")):
        if os.access(path, os.X_OK) and source_exists(path.name):
            yield Suite("unit", path.name.removeprefix("test_"), [path], judge_tap, UNIT_LIMIT_S)


def source_exists(executable):
    """An executable whose source was deleted or renamed may still lie about."""
    names = {"test_" + re.sub(r"[/.]", "_", source.relative_to(ROOT / "tests").as_posix())
             for source in (ROOT / "tests").rglob("*_test.c")}
    return executable + "_test_c" in names


def sim_suites(everything):
    if not is_there("sim/main.c"):
        return
    sim = "build/release/quorate-sim"
    seeds = 1000 if everything else 100
    # A hundred seeds do not get everywhere; a thousand must.
    required = ["--require-marks"] if everything else []
    yield Suite("sim", f"{seeds} seeds", [sim, "--seeds", seeds, "--jobs", JOBS, *required],
                judge_sim(0), 600, alone=True)
    yield Suite("sim", "marks that one seed does not reach are named",
                [sim, "--seeds", 1, "--require-marks"], judge_unreached)
    yield Suite("sim", "every seed that ever failed", [sim, "--seeds-file", "tests/seeds.txt"],
                judge_sim(0), 600)
    yield Suite("sim", "every pattern of links of 3 nodes, silent and reset",
                [sim, "--partitions", "3", "--seeds", 2 * 192, "--jobs", JOBS], judge_sim(0))
    yield Suite("sim", f"{CRASH_STATES_WANTED} crash states of a node, and more",
                [sim, "--crash-states", "--jobs", JOBS, *([] if everything else ["--limit", 700])],
                judge_crash_states)
    yield Suite("sim", "a dropped acknowledged write is noticed", [sim, "--plant-selftest"],
                judge_sim(1))
    yield Suite("sim", "what a run is made of cannot see the machine", ["scripts/determinism.sh"],
                judge_exit())
    # One seed in a hundred, and how many workers there are must not matter either.
    same = f"{sim} --start 400 --seeds {max(1, seeds // 100)} --jobs"
    yield Suite("sim", "the same seeds twice give the same hash",
                ["bash", "-c", f"{same} 1 | tail -n 1; {same} 2 | tail -n 1"], judge_same_hash)
    if everything:
        yield Suite("sim", "what must not matter leaves the hashes alone",
                    ["scripts/sim_determinism.py", "--seeds", seeds // 100], judge_tap, 600,
                    alone=True)
        yield Suite("sim", "30 seeds under ASan and UBSan",
                    ["bash", "-c", "scripts/build.sh debug quorate-sim >/dev/null && "
                     f"build/debug/quorate-sim --start 2000 --seeds 30 --jobs {JOBS}"],
                    judge_sim(0), 600, alone=True)
        yield Suite("sim", "planted bugs",
                    ["scripts/sim_plants.py", "--tap", "--seeds", 1000, "--jobs", JOBS],
                    judge_tap, 600, alone=True)
        yield Suite("sim", "planted bugs that crash states must show",
                    ["scripts/sim_plants.py", "--tap", "--crash", "--jobs", JOBS],
                    judge_tap, 600, alone=True)


def script_suites(group):
    for path in sorted((ROOT / "tests" / group).rglob("*_test.*")):
        if path.suffix not in (".py", ".sh") or not os.access(path, os.X_OK):
            continue
        head = "\n".join(path.read_text(errors="replace").split("\n")[:20])
        limit = re.search(r"time limit: (\d+) s", head)
        interpreter = [PYTHON] if path.suffix == ".py" else []
        yield Suite(group, path.relative_to(ROOT / "tests" / group).as_posix(),
                    [*interpreter, path], judge_tap,
                    int(limit.group(1)) if limit else SCRIPT_LIMIT_S, alone=True)


def fuzz_suites():
    if list((ROOT / "tests" / "fuzz").glob("*_fuzz.c")):
        yield Suite("fuzz", "two targets, 20 s each", ["scripts/fuzz.sh", "--rotation", "20"],
                    judge_tap, 600, alone=True)


def suites_of(groups, everything):
    """Cheap ones first. Called after the build, because unit tests are found in build/."""
    makers = {
        "tidy": lambda: tidy_suites(everything),
        "unit": unit_suites,
        "sim": lambda: sim_suites(everything),
        "e2e": lambda: script_suites("e2e"),
        "chaos": lambda: script_suites("chaos"),
        "fuzz": fuzz_suites,
    }
    return [suite for group, maker in makers.items() if group in groups for suite in maker()]


def run_all(runner, suites):
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        list(pool.map(runner.run, [suite for suite in suites if not suite.alone]))
    for suite in suites:
        if suite.alone:
            runner.run(suite)


def summary(suites):
    print("\nseconds  cases  suite")
    for suite in sorted(suites, key=lambda suite: -suite.seconds):
        if suite.seconds >= 1:
            print(f"{suite.seconds:7.1f}  {len(suite.cases):5}  {suite.group}: {suite.name}")
    cases = [case for suite in suites for case in suite.cases]
    count = {status: sum(case.status == status for case in cases)
             for status in ("passed", "failed", "skipped")}
    line = f"{count['passed']} passed, {count['failed']} failed"
    if count["skipped"]:
        line += f", {count['skipped']} skipped"
    print(line, flush=True)
    return 1 if count["failed"] or not count["passed"] else 0


def parse(arguments):
    parser = argparse.ArgumentParser(add_help=True, usage=__doc__)
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--suite", action="append", default=[],
                        choices=["tidy", "unit", "sim", "e2e", "chaos", "fuzz"])
    parser.add_argument("--only", default="")
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args(arguments)
    if options.suite:
        groups = set(options.suite)
    elif options.quick:
        groups = {"tidy", "unit", "sim"}
    elif options.all:
        groups = {"tidy", "unit", "sim", "e2e", "chaos", "fuzz"}
    else:
        parser.error("one of --all, --quick, --suite")
    return options, groups


def main(arguments):
    options, groups = parse(arguments)
    LOGS.mkdir(parents=True, exist_ok=True)
    deadline = os.environ.get("QUORATE_TEST_DEADLINE")
    runner = Runner(float(deadline) if deadline else None)
    if options.list:
        for suite in suites_of(groups, not options.quick):
            print(f"{suite.group}: {suite.name}")
        return 0
    done = []
    try:
        for suite in build_suites(groups):
            done.append(suite)
            runner.run(suite)
        if all(case.status == "passed" for suite in done for case in suite.cases):
            suites = [suite for suite in suites_of(groups, not options.quick)
                      if re.search(options.only, f"{suite.group}: {suite.name}")]
            done += suites
            run_all(runner, suites)
    except KeyboardInterrupt:
        runner.stop()
        print("interrupted")
        done.append(Suite("run", "interrupted", [], None, cases=[Case("interrupted", "failed")]))
    return summary(done)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
