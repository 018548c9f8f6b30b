#!/usr/bin/python3
"""The shell snippets of the README and of docs/guide are run, so that they cannot rot.

Every ```sh block of a page runs in order against a fresh cluster, with the documents' ports and
directories replaced by the test's own. What a comment quotes must be in the output. Lines that
begin with `make` are left out: the runner of these tests and .ci/run are such lines themselves, and
`make run` is the cluster the test starts. A line that ends with `&` starts a process for the rest
of the page; a line NAME=VALUE sets a variable for the rest of its block.
"""
import re
import shlex

from harness import (QUORATE, ROOT, Dev, Process, case, contains, equal, expect, free_base_port,
                     main, new_directory, note, run, wait_until)

FIRST_PORT = 7480
# Of the documents: six nodes, the first three of them under `make run`.
PORT = re.compile(r"\b75[0-3]\d\b|\b74[89]\d\b")
STATUS_LIMIT_S = 15
LINE_LIMIT_S = 60


class Page:
    """One document and the cluster its lines talk to."""

    def __init__(self, path):
        self.path = path
        self.directory = new_directory()
        self.dev = Dev(3, base=free_base_port(6))  # Three more nodes are started by hand.
        self.background = []
        self.variables = []

    def blocks(self):
        text = self.path.read_text()
        for block in re.findall(r"^```sh\n(.*?)^```", text, re.M | re.S):
            lines = [line for line in block.split("\n") if line.strip()]
            yield [line for line in lines if not line.startswith("make")]

    def here(self, line):
        """The line for this test's cluster."""
        line = re.sub(r"quorate status(?! --http)",
                      f"quorate status --http 127.0.0.1:{FIRST_PORT + 1}", line)
        line = PORT.sub(lambda m: str(self.dev.base + int(m.group()) - FIRST_PORT), line)
        line = line.replace("quorate-dev/", f"{self.dev.directory}/data/")
        return line.replace("build/release/quorate", shlex.quote(QUORATE))

    def run_line(self, line):
        command = self.here(line)
        if command.endswith("&"):
            words = ["bash", "-c", "exec " + command[:-1]]
            self.background.append(Process(words, self.directory, f"back{len(self.background)}",
                                           cwd=self.directory))
            return
        script = "\n".join(self.variables + [command])
        code, out, err = run(["bash", "-c", script], limit_s=LINE_LIMIT_S, cwd=self.directory)
        equal(code, 0, f"{line}: {out[-300:]} {err[-300:]}")
        quoted = re.search(r'# [^"]*"([^"]+)"', line)
        if quoted:
            contains(out, quoted.group(1), line)
        expect("(error)" not in out and not out.startswith("ERR"), f"{line}: {out[-300:]}")

    def set_variable(self, line):
        """Evaluated once, as in the reader's shell."""
        name = line.split("=")[0]
        code, out, err = run(["bash", "-c", f'{self.here(line)}\nprintf %s "${name}"'])
        equal(code, 0, f"{line}: {err}")
        self.variables.append(f"{name}={shlex.quote(out)}")

    def run_all(self):
        self.dev.start()
        count = 0
        for lines in self.blocks():
            self.variables = []
            for line in lines:
                if re.match(r"\w+=", line):
                    self.set_variable(line)
                elif "quorate status" in line:
                    # A status is a moment's view: what it is to show may be a moment away.
                    wait_until(lambda line=line: self.holds(line), STATUS_LIMIT_S, line)
                else:
                    self.run_line(line)
                if "kill -9" in line:
                    wait_until(lambda: all(self.dev.is_ready(node)
                                           for node in self.dev.all_nodes()),
                               20, "all nodes of `make run` are back")
                count += 1
        expect(count >= 3, f"{self.path} has no shell lines: what is tested here?")
        note(f"{self.path.relative_to(ROOT)}: {count} lines")
        for process in self.background:
            process.stop()
        self.dev.process.stop()

    def holds(self, line):
        try:
            self.run_line(line)
        except AssertionError as why:
            raise ValueError(str(why)) from why
        return True


def register(path):
    @case(f"every shell line of {path.relative_to(ROOT)} works")
    def snippets():
        Page(path).run_all()


for document in [ROOT / "README.md", *sorted((ROOT / "docs" / "guide").glob("*.md"))]:
    register(document)

if __name__ == "__main__":
    main()
