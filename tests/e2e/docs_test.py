#!/usr/bin/python3
"""The documents say what the source and the program say: names, links, and the answers of HTTP.

Pages made from tables (commands.md, configuration.md) are compared by unit tests, shell lines are
run by readme_test.py; this is the rest that can be checked by machine.
"""
import json
import re

from harness import ROOT, Serve, case, equal, expect, http_get, main, wait_until

DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])


def sources(*rooms):
    for room in rooms or ("",):
        for path in sorted((ROOT / "src" / room).rglob("*.[ch]")):
            yield path, path.read_text()


def rows(page, column=0):
    """Words in backquotes of a column of all tables of a page."""
    found = []
    for line in (DOCS / page).read_text().split("\n"):
        cells = re.split(r"(?<!\\)\|", line)
        if line.startswith("|") and len(cells) > column + 2:
            found += re.findall(r"`([^`]+)`", cells[column + 1])
    return found


def same(source, page, what):
    missing, extra = sorted(source - page), sorted(page - source)
    expect(not missing, f"{what}: not in the documentation: {missing}")
    expect(not extra, f"{what}: not in the source: {extra}")


@case("every log event of the source is on the page of log lines, with its levels, and no other")
def events():
    used = {}
    call = re.compile(r'log_event\(\s*LOG_(\w+),\s*((?:[^",]*\?)?\s*"[^;]*?),\s*"', re.S)
    for path, text in sources():
        calls = len(re.findall(r"\blog_event\(LOG_", text))
        found = call.findall(text)
        equal(len(found), calls, f"{path}: calls of log_event that this test understands")
        for level, names in found:
            for name in re.findall(r'"(\w+)"', names + '"'):
                used.setdefault(name, set()).add(level.lower())
    shown = {}
    for line in (DOCS / "reference" / "logs.md").read_text().split("\n"):
        row = re.match(r"\| `(\w+)` \| ([a-z ]+) \|", line)
        if row:
            shown[row.group(1)] = set(row.group(2).split(" or "))
    expect(len(used) > 20, "the source logs something")
    same(set(used), set(shown), "events")
    for name, levels in used.items():
        equal(shown[name], levels, f"levels of {name}")


@case("every error prefix of the source is on the page of errors, and no other")
def prefixes():
    used = set()
    for _, text in sources("front", "node", "wire"):
        used |= set(re.findall(r'(?:error_format|reply_error|request_fail|refuse)\('
                               r'[^";]*?"([A-Z]{2,})"', text))
        used |= set(re.findall(r'"([A-Z]{3,}) [a-z]+ [^"]*"', "\n".join(
            line for line in text.split("\n") if line.startswith("#define TEXT_"))))
    shown = {text.split(" ")[0] for text in rows("reference/errors.md")
             if re.match(r"[A-Z]{2,}\b", text)} - {"HELLO", "REQID", "MAXSTALE"}
    same(used, shown, "prefixes")


@case("every limit of base/limits.h is on the page of limits, and every name there exists")
def limits():
    everything = "\n".join(text for _, text in sources())
    defined = set(re.findall(r"^#define (\w+) ", (ROOT / "src/base/limits.h").read_text(), re.M))
    shown = set(rows("reference/limits.md", 3))
    expect(not defined - shown, f"not on the page: {sorted(defined - shown)}")
    for name in shown:
        expect(re.search(rf"\b{name}\b", everything), f"no such name in the source: {name}")


@case("links between documents lead somewhere, and the index names every page")
def links():
    for page in PAGES:
        text = re.sub(r"```.*?```", "", page.read_text(), flags=re.S)
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            if re.match(r"https?:", target):
                continue
            path, _, anchor = target.partition("#")
            there = (page.parent / path).resolve() if path else page
            expect(there.exists(), f"{page.relative_to(ROOT)}: {target} does not exist")
            if anchor and there.suffix == ".md":
                titles = re.findall(r"^#+ (.*)", there.read_text(), re.M)
                names = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")
                         for title in titles}
                expect(anchor in names, f"{page.relative_to(ROOT)}: {target}: no such heading")
    index = (DOCS / "README.md").read_text()
    missing = [name for name in (str(page.relative_to(DOCS)) for page in PAGES
                                 if DOCS in page.parents) if name not in index + "README.md"]
    expect(not missing, f"docs/README.md does not name {missing}")


@case("the commands that the README names are the commands there are")
def commands():
    text = (ROOT / "README.md").read_text()
    table = re.search(r"^\| group \| commands \|\n(.*?)\n\n", text, re.M | re.S).group(1)
    named = set()
    for line in table.split("\n")[1:]:
        cell = re.sub(r"\([^)]*\)", "", line.split("|")[2])
        named |= {words.split()[0] for words in cell.split(",")}
    there = {text.split()[0] for text in rows("reference/commands.md") if text[0].isupper()}
    same(there - {"AUTH"}, named, "commands")


def shape(value):
    """Names and types, so that two documents with other numbers are alike."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value).__name__


def samples(heading):
    text = (DOCS / "reference" / "http.md").read_text()
    section = re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", text, re.M | re.S).group(1)
    return [json.loads(block) for block in re.findall(r"```json\n(.*?)```", section, re.S)]


@case("the HTTP pages answer as documented, member by member")
def http():
    text = (ROOT / "src/front/http_session.c").read_text()
    pages = set(re.findall(r'\{"(/\w+)", serve_', text))
    documented = re.findall(r"^## (/\w+)", (DOCS / "reference/http.md").read_text(), re.M)
    same(pages, set(documented), "HTTP pages")
    with Serve(1) as server:
        server.start_all()
        for path in ("/livez", "/version", "/readyz"):
            status, _, body = http_get(server.http(1), path)
            equal((status, json.dumps(json.loads(body))), (200, json.dumps(samples(path)[0])), path)
        shown, real = samples("/status")[0], server.status(1)
        equal(shape(real), shape(shown), "/status")
        status, _, body = http_get(server.http(1), "/nope")
        equal((status, json.loads(body)), (404, samples("Errors")[0]), "/nope")
    with Serve(3) as server:
        server.start(1)
        status, _, body = wait_until(lambda: http_get(server.http(1), "/readyz"), 10, "an answer")
        equal(status, 503, "/readyz alone")
        equal(set(json.loads(body)), set(samples("/readyz")[1]), "/readyz alone")


if __name__ == "__main__":
    main()
