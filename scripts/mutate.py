#!/usr/bin/env python3
"""Breaks core/raft and the log mechanically, one place at a time, and looks who notices.

usage: scripts/mutate.py [--count 60] [--seed 1] [--only NUMBER ...] [--jobs 2] [--list]

A mutant is one small change of the source: a condition negated or made constant, a comparison
moved by one, "and" made "or", a one dropped, a statement deleted. Candidates are drawn by a fixed
seed; those that do not compile, or compile to the very same code, are passed over for the next.
Each is built in a copy of the tree and given to the judges, cheapest first: unit tests of the
room, the simulator, all partitions of three nodes, crash states. A mutant nobody notices has
survived: either the tests have a hole or the change means nothing; EXPLAINED says which.

Prints one line per mutant and a last line: mutants=N killed=N explained=N survived=N score=P.
The score counts as killed what a judge noticed, of all mutants that are not explained as equal in
meaning. Exit status 0 when it reaches 85 %.
"""
import argparse
import concurrent.futures
import dataclasses
import hashlib
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
WORK = ROOT / "build" / "mutants"
TARGETS = ["src/core/raft/*.c", "src/store/wal*.c"]
PARTS = ["CMakeLists.txt", "CMakePresets.json", "src", "sim", "include", "scripts", "tests"]
SCORE_WANTED = 85

BUILT = ["test_unit_core_raft_log", "test_unit_core_raft_message", "test_unit_core_raft_paper",
         "test_unit_core_raft_paper_leader", "test_unit_core_raft_paper_replication",
         "test_unit_core_raft_random", "test_scenario_raft_scenario", "test_unit_store_wal",
         "test_unit_store_wal_recovery", "test_unit_node_node", "test_unit_node_snapshot",
         "test_unit_node_nth_failure", "quorate-sim"]

# Survivors that mean nothing to anybody outside: line text and mutation, then why.
EXPLAINED = {
    ("if (index > raft->log.start_index) {", "if (index >= raft->log.start_index) {"):
        "compacting to where the log begins changes nothing",
    ("buf_deinit(&job->buffer);", ";"):
        "the buffer of a failed job is freed when the log is closed",
}


@dataclasses.dataclass
class Mutant:
    path: str
    line: int  # From 1.
    kind: str
    before: str
    after: str

    @property
    def text(self):
        shown = self.before if self.kind == "deleted" else self.after
        return f"{self.path}:{self.line} {self.kind}: {shown.strip()}"

    @property
    def key(self):
        return (self.before.strip(), self.after.strip())


# ---- candidates ----

def blank_comments(text):
    """The text with comments and strings blanked out, in the same places."""
    def blank(match):
        return re.sub(r"[^\n]", " ", match.group(0))
    return re.sub(r'/\*.*?\*/|"(?:\\.|[^"\\\n])*"|^#.*?$', blank, text, flags=re.S | re.M)


def matching(text, at):
    """Where the parenthesis that opens at `at` closes, on the same line, or None."""
    depth = 0
    for i in range(at, len(text)):
        depth += {"(": 1, ")": -1}.get(text[i], 0)
        if depth == 0:
            return i
    return None


MOVES = [(r" < ", " <= "), (r" <= ", " < "), (r" > ", " >= "), (r" >= ", " > ")]
SWAPS = [(r" == ", " != "), (r" != ", " == "), (r" && ", " || "), (r" \|\| ", " && "),
         (r" \+ 1\b", ""), (r" - 1\b", "")]
STATEMENT = re.compile(r"^\s+(?:[\w.>\-\[\]]+ (?:[-+|&]?=) [^;]+|[\w.>\-\[\]]+(?:\+\+|--)"
                       r"|(?:\(void\))?[a-z_]\w*\([^;]*\)|return|break|continue);$")


def mutations_of_line(code, line):
    """(kind, new line) of all ways to break this line; `code` is the line without comments."""
    if "Q_PLANT" in code or "Q_CHECK" in code or "for (" in code:
        return
    found = re.match(r"\s*(?:\} else )?(if|while) \(", code)
    if found:
        start = code.index("(", found.start(1))
        end = matching(code, start)
        if end is not None:
            inside = line[start + 1:end]
            for kind, new in (("negated", f"!({inside})"), ("always", f"true || ({inside})"),
                              ("never", f"false && ({inside})")):
                if kind == "always" and found.group(1) == "while":
                    continue
                yield kind, line[:start + 1] + new + line[end:]
    for kind, table in (("moved", MOVES), ("swapped", SWAPS)):
        for pattern, replacement in table:
            for place in re.finditer(pattern, code):
                yield kind, line[:place.start()] + replacement + line[place.end():]
    if STATEMENT.match(code):
        indent = line[:len(line) - len(line.lstrip())]
        yield "deleted", f"{indent};"


# `if (a < b) { a = b; }` is the same with <=.
MAXIMUM = re.compile(r"([\w.>\-\[\]]+) [<>]=? ([\w.>\-\[\]]+)\)+ \{\n\s+(\S+) = (\S+);\n")


def keeps_maximum(text, at):
    found = MAXIMUM.search(text, at)
    return (found is not None and "\n" not in text[at:found.start()]
            and set(found.group(1, 2)) == set(found.group(3, 4)))


def candidates():
    for pattern in TARGETS:
        for path in sorted(ROOT.glob(pattern)):
            text = path.read_text(encoding="utf-8")
            codes = blank_comments(text).split("\n")
            start = 0
            for number, (code, line) in enumerate(zip(codes, text.split("\n")), 1):
                for kind, new in mutations_of_line(code, line):
                    if kind != "moved" or not keeps_maximum(text, start):
                        yield Mutant(str(path.relative_to(ROOT)), number, kind, line, new)
                start += len(line) + 1


def draw(seed):
    """All candidates in the order of the draw; no line comes twice before all came once."""
    drawn = sorted(candidates(), key=lambda m: (m.path, m.line, m.kind, m.after))
    random.Random(seed).shuffle(drawn)
    seen, first, rest = set(), [], []
    for mutant in drawn:
        place = (mutant.path, mutant.line)
        (rest if place in seen else first).append(mutant)
        seen.add(place)
    return first + rest


# ---- judging ----

class Tree:
    """A copy of the sources with a build of its own."""

    def __init__(self, number):
        self.path = WORK / f"tree{number}"
        self.build = self.path / "build" / "release"
        self.path.mkdir(parents=True, exist_ok=True)
        for part in PARTS:
            source, target = ROOT / part, self.path / part
            if source.is_dir():
                shutil.rmtree(target, ignore_errors=True)
                shutil.copytree(source, target)
            elif source.exists():
                shutil.copy(source, target)
        # A deleted call may leave something unused; the other warnings are errors as ever.
        flags = "-O1 -Wno-unused -Wno-unused-parameter"
        self.command(["cmake", "--preset", "release", f"-DCMAKE_C_FLAGS_RELEASE={flags}",
                      "-DQUORATE_SANITIZE=leak"], 120)

    def command(self, command, limit_s, environment=None):
        """The exit code; 124 when it did not end in time. Whatever it started is ended with it."""
        process = subprocess.Popen(command, cwd=self.path, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                   start_new_session=True, env=environment)
        try:
            return process.wait(limit_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return 124

    def compile(self, targets):
        return self.command(["cmake", "--build", str(self.build), "-j", "1", "--target", *targets],
                            600) == 0

    def object_hash(self, source):
        """Of the code of a source's object file, without line numbers."""
        room = "q_core" if "/core/" in source else "q_store"
        name = self.build / "CMakeFiles" / f"{room}.dir" / f"{source}.o"
        copy = self.path / "stripped.o"
        subprocess.run(["objcopy", "--strip-debug", name, copy], check=True)
        return hashlib.sha256(copy.read_bytes()).hexdigest()

    def judges(self):
        for name in BUILT[:-1]:
            yield name, [self.build / "tests" / name], 60
        sim = self.build / "quorate-sim"
        yield "sim", [sim, "--seeds", "300", "--stop", "--time-limit", "90"], 150
        yield "partitions", [sim, "--partitions", "3", "--stop", "--time-limit", "60"], 120
        if (ROOT / "sim" / "crash").exists():
            yield "crash states", [sim, "--crash-states"], 240


class Session:
    def __init__(self, jobs):
        self.trees = [Tree(i) for i in range(jobs)]
        self.hashes = {}
        for tree in self.trees:
            if not tree.compile(BUILT):
                sys.exit("the unchanged tree does not build")
        for name, command, limit_s in self.trees[0].judges():
            if self.trees[0].command(command, limit_s) != 0:
                sys.exit(f"the unchanged tree fails: {name}")
        for pattern in TARGETS:
            for path in ROOT.glob(pattern):
                source = str(path.relative_to(ROOT))
                self.hashes[source] = self.trees[0].object_hash(source)

    def judge(self, tree, mutant):
        """killed by whom; None = survived; "" = no mutant at all."""
        target = tree.path / mutant.path
        original = target.read_text(encoding="utf-8")
        lines = original.split("\n")
        lines[mutant.line - 1] = mutant.after
        target.write_text("\n".join(lines), encoding="utf-8")
        try:
            room = "q_core" if "/core/" in mutant.path else "q_store"
            if not tree.compile([room]):
                return ""
            if tree.object_hash(mutant.path) == self.hashes[mutant.path]:
                return ""
            if not tree.compile(BUILT):
                return ""
            for name, command, limit_s in tree.judges():
                code = tree.command(command, limit_s)
                if code != 0:
                    return name.removeprefix("test_") + (" (time limit)" if code == 124 else "")
            return None
        finally:
            target.write_text(original, encoding="utf-8")


def run(session, mutants, count):
    """Judges `count` mutants of the draw; yields (number in the draw, mutant, verdict, seconds)."""
    free = list(session.trees)
    waiting = list(enumerate(mutants, 1))
    judged = 0

    def one(tree, number, mutant):
        began = time.monotonic()
        return tree, number, mutant, session.judge(tree, mutant), time.monotonic() - began

    with concurrent.futures.ThreadPoolExecutor(len(session.trees)) as pool:
        running = set()
        while running or (waiting and judged < count):
            while free and waiting and judged + len(running) < count:
                running.add(pool.submit(one, free.pop(), *waiting.pop(0)))
            done, running = concurrent.futures.wait(
                running, return_when=concurrent.futures.FIRST_COMPLETED)
            for future in done:
                tree, number, mutant, verdict, seconds = future.result()
                free.append(tree)
                if verdict != "":
                    judged += 1
                    yield number, mutant, verdict, seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", type=int, nargs="*", help="numbers in the draw")
    parser.add_argument("--list", action="store_true", help="print the draw and stop")
    arguments = parser.parse_args()
    mutants = draw(arguments.seed)
    if arguments.list:
        for number, mutant in enumerate(mutants, 1):
            print(f"{number:5} {mutant.text}")
        return 0
    if arguments.only:
        mutants = [mutants[number - 1] for number in arguments.only]
    totals = {"killed": 0, "explained": 0, "survived": 0}
    for number, mutant, verdict, seconds in run(Session(arguments.jobs), mutants,
                                                min(arguments.count, len(mutants))):
        number = arguments.only[number - 1] if arguments.only else number
        why = EXPLAINED.get(mutant.key)
        if "Q_MARK" in mutant.before:
            why = "a mark counts for the simulator, and nothing follows from it"
        state = "killed" if verdict else "explained" if why else "survived"
        totals[state] += 1
        said = verdict or why or "NOBODY NOTICED; was: " + mutant.before.strip()
        print(f"{number:5} {state:9} {seconds:5.0f} s  {mutant.text}  <- {said}", flush=True)
    judged = totals["killed"] + totals["survived"]
    score = 100 * totals["killed"] / judged if judged else 0
    print(f"mutants={sum(totals.values())} killed={totals['killed']} "
          f"explained={totals['explained']} survived={totals['survived']} score={score:.0f}%")
    return 0 if score >= SCORE_WANTED else 1


if __name__ == "__main__":
    sys.exit(main())
