#!/usr/bin/python3
"""The shell snippets of the README are run, so that they cannot rot.

Every ```sh block runs in order against a fresh cluster, with the README's ports and directory
replaced by the test's own. Lines that begin with `make` are left out: the runner of these tests and
.ci/run are such lines themselves.
"""
import re

from harness import QUORATE, ROOT, Dev, case, contains, equal, expect, main, note, run, wait_until

PORTS = re.compile(r"\b7(48|49|50)(\d)\b")
dev = Dev(3)


def snippets():
    text = (ROOT / "README.md").read_text()
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.M | re.S)
    chosen = []
    for block in blocks:
        lines = [line for line in block.split("\n") if line.strip() and not line.startswith("make")]
        if lines:
            chosen.append(lines)
    return chosen


def here(line):
    """The line for this test's cluster."""
    line = PORTS.sub(lambda m: str(dev.base + int(m.group(1) + m.group(2)) - 480), line)
    line = line.replace("quorate-dev/", f"{dev.directory}/data/")
    return line.replace("build/release/quorate", QUORATE)


@case("every shell line of the README works")
def readme():
    chosen = snippets()
    expect(len(chosen) >= 1, "no shell snippets in the README")
    dev.start()
    count = 0
    for lines in chosen:
        for line in lines:
            code, out, err = run(["bash", "-c", here(line)], limit_s=120, cwd=ROOT)
            equal(code, 0, f"{line}: {out[-300:]} {err[-300:]}")
            expect("(error)" not in out and not out.startswith("ERR"), f"{line}: {out[-300:]}")
            said = re.search(r'# .*"(\w+)"', line)
            if said:
                contains(out, said.group(1), line)
            if "kill -9" in line:
                wait_until(lambda: all(dev.is_ready(node) for node in dev.all_nodes()), 20,
                           "all nodes are back")
            count += 1
    note(f"{count} lines in {len(chosen)} blocks")


if __name__ == "__main__":
    main()
