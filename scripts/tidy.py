#!/usr/bin/python3
"""House rules that neither the compiler nor clang knows: sizes, rooms, banned calls, comments.

usage: scripts/tidy.py [ROOT]        checks a tree, prints FILE:LINE: RULE: what to do instead
       scripts/tidy.py --self-test   plants one violation of each rule; TAP output

Every rule has a name, and every name has a plant in PLANTS: a rule without one does not pass.
"""
import collections
import pathlib
import re
import sys
import tempfile

LINE_MAX = 100
FUNCTION_MAX = 70
SOURCE_MAX = 800
HEADER_MAX = 300

# Which project headers a room may include: prefixes below src/ (or sim/ where that is named).
# ARCHITECTURE.md has the drawing and the reasons.
ROOMS = {
    "base": ["base/"],
    "core": ["base/", "core/"],
    "wire": ["base/", "wire/"],
    "store": ["base/", "store/"],
    "node": ["base/", "core/", "node/", "store/engine.h", "store/file.h", "store/wal.h"],
    "front": ["base/", "front/", "node/", "wire/"],
    "net": ["base/", "net/", "wire/frame.h"],
    "cli": ["base/", "cli/", "wire/"],
    "server": ["base/", "core/", "wire/", "store/", "node/", "front/", "net/", "cli/", "server/"],
    "sim": ["base/", "core/", "wire/", "store/", "node/", "front/", "sim/"],
}
# The pure part of base must not lean on base/os, and neither must the pure rooms.
NOT_OF_ROOM = {
    "base": ["base/os/"],
    "core": ["base/os/"],
    "wire": ["base/os/"],
    "node": ["base/os/clock.h", "base/os/file.h"],
    "front": ["base/os/clock.h", "base/os/file.h"],
}

# Where a library may be seen: elsewhere we use our own interface to it.
LIBRARIES = {
    r"uv\.h": r"src/(net|server)/",
    r"rocksdb/.*": r"src/store/rocks\w*\.[ch]$",
    r"llhttp\.h": r"src/wire/http\w*\.[ch]$",
    r"jansson\.h": r"(src/(front|cli|server)|tests)/",
    r"ini\.h": r"src/(server|cli)/",
    r"xxhash\.h": r"src/base/hash\.c$",
    r"cmocka\.h": r"tests/harness/test\.h$",
    r"hiredis/.*": r"tests/",
}
PURE_HEADERS = {"inttypes.h", "limits.h", "stdalign.h", "stdbool.h", "stddef.h", "stdint.h",
                "string.h"}
# node and front know no sockets, no threads, no files and no clock.
WORLD_HEADERS = re.compile(r"(pthread|semaphore|threads|unistd|fcntl|poll|signal|time|netdb)\.h"
                           r"|(sys|netinet|arpa|linux)/.*")

ANYWHERE = {
    "strcpy": "memcpy with a size, or base/os/buf",
    "strncpy": "memcpy with a size, or base/os/buf",
    "strcat": "base/os/buf",
    "strncat": "base/os/buf",
    "sprintf": "snprintf, or buf_append_format",
    "vsprintf": "vsnprintf",
    "gets": "fgets",
    "strtok": "a loop over struct bytes",
    "atoi": "bytes_to_int64",
    "atol": "bytes_to_int64",
    "atoll": "bytes_to_int64",
    "atof": "bytes_to_int64",
    "strtol": "bytes_to_int64",
    "strtoll": "bytes_to_int64",
    "strtoul": "bytes_to_int64",
    "strtoull": "bytes_to_int64",
    "rand": "base/prng",
    "srand": "base/prng",
    "random": "base/prng",
    "alloca": "a fixed array, or heap_alloc",
}
# These reach the machine: only base/os may, the rest asks struct env or base/os.
OUTSIDE_OS = {
    "malloc": "heap_alloc",
    "calloc": "heap_alloc",
    "realloc": "heap_realloc",
    "free": "heap_free",
    "strdup": "heap_alloc and memcpy",
    "time": "env, or base/os/clock",
    "gettimeofday": "env, or base/os/clock",
    "clock_gettime": "env, or base/os/clock",
}


def blank(text, keep_strings=False):
    """The code with comments (and strings) replaced by spaces; lines keep their places."""
    pattern = r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|' + r"'(?:\\.|[^'\\\n])*'"

    def spaces(match):
        token = match.group(0)
        if keep_strings and token[0] in "\"'":
            return token
        if token.startswith("//"):
            return "//" + " " * (len(token) - 2)
        return re.sub(r"[^\n]", " ", token)

    return re.sub(pattern, spaces, text, flags=re.S)


def room_of(path):
    parts = path.split("/")
    if parts[0] == "src" and len(parts) > 2:
        return parts[1]
    return "sim" if parts[0] == "sim" else None


def check_text(path, text):
    """Rules for every text file of ours, whatever its language."""
    if "\r" in text:
        yield 1, "line-end", "ends lines with CR LF; use LF"
    if text and not text.endswith("\n"):
        yield text.count("\n") + 1, "final-newline", "end the last line with a newline"
    is_prose = path.endswith(".md")
    for number, line in enumerate(text.split("\n"), 1):
        if len(line) > LINE_MAX and not is_prose:
            yield number, "line-length", f"{len(line)} columns; at most {LINE_MAX}"
        if line != line.rstrip():
            yield number, "trailing-space", "remove the space at the end of the line"
        if "\t" in line and not path.endswith("Makefile"):
            yield number, "tab", "indent with spaces"
        # Put together so that this file passes its own rule.
        if re.search(r"\b(FIX" + r"ME|XX" + r"X|TO" + r"DO)\b", line):
            yield number, "debt-marker", "write NEEDSWORK: what, and why it matters"


def check_links(path, text, root):
    """A relative link of a Markdown page must lead to a file of the tree."""
    for number, line in enumerate(text.split("\n"), 1):
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", line):
            if "://" in target or target.startswith("mailto:"):
                continue
            if not (root / path).parent.joinpath(target).exists():
                yield number, "broken-link", f"{target} does not exist"


def check_sizes(path, text, code):
    lines = text.count("\n")
    if path.endswith(".h") and lines > HEADER_MAX:
        yield lines, "header-length", f"{lines} lines; at most {HEADER_MAX}: split by topic"
    if path.endswith(".c") and lines > SOURCE_MAX:
        yield lines, "source-length", f"{lines} lines; at most {SOURCE_MAX}: split by topic"
    # clang-format puts the braces of every function, and of nothing else, alone in column 0.
    rows = code.split("\n")
    start = None
    for index, row in enumerate(rows):
        if row == "{":
            start = index
            while start > 0 and re.match(r"[^#}]*[^#};]$", rows[start - 1].rstrip() or ";"):
                start -= 1
        elif row == "}" and start is not None:
            size = index - start + 1
            if size > FUNCTION_MAX:
                name = re.search(r"(\w+)\s*\(", "".join(rows[start:index]))
                what = name.group(1) if name else "function"
                yield (start + 1, "function-length",
                       f"{what} has {size} lines; at most {FUNCTION_MAX}")
            start = None


def check_includes(path, code):
    room = room_of(path)
    for number, line in enumerate(code.split("\n"), 1):
        match = re.match(r'\s*#\s*include\s*(["<])([^">]+)[">]', line)
        if not match:
            continue
        quoted, header = match.group(1) == '"', match.group(2)
        if quoted and room in ROOMS:
            allowed = any(header.startswith(prefix) for prefix in ROOMS[room])
            inside_os = path.startswith("src/base/os/")
            refused = not inside_os and any(header.startswith(prefix)
                                            for prefix in NOT_OF_ROOM.get(room, []))
            if not allowed or refused:
                yield number, "layer", f"{room} may not include {header}: see ARCHITECTURE.md"
        elif not quoted:
            yield from check_system_header(path, room, number, header)


def check_system_header(path, room, number, header):
    for library, place in LIBRARIES.items():
        if re.fullmatch(library, header):
            if not re.match(place, path):
                yield number, "library", f"<{header}> stays behind its own room's interface"
            return
    pure = room in ("core", "wire") or (room == "base" and not path.startswith("src/base/os/"))
    if pure and header not in PURE_HEADERS:
        yield number, "pure-header", f"<{header}> reaches outside; {room} is pure"
    elif room in ("node", "front") and WORLD_HEADERS.fullmatch(header):
        yield number, "world-header", f"<{header}> reaches the machine; ask struct env"


def check_code(path, text, code):
    banned = dict(ANYWHERE)
    if room_of(path) and not path.startswith("src/base/os/"):
        banned.update(OUTSIDE_OS)
    calls = re.compile(r"(?<![\w.>])(" + "|".join(banned) + r")\s*\(")
    for number, line in enumerate(code.split("\n"), 1):
        for match in calls.finditer(line):
            yield number, "banned-call", f"{match.group(1)}: use {banned[match.group(1)]}"
        if "//" in line:
            yield number, "line-comment", "write /* ... */"
    if path.endswith(".h") and not text.startswith("/*"):
        yield 1, "header-comment", "the first line says in a sentence what the header is"


def check_file(root, path, text):
    yield from check_text(path, text)
    if path.endswith(".md"):
        yield from check_links(path, text, root)
    if path.endswith((".c", ".h")):
        code = blank(text)
        yield from check_sizes(path, text, code)
        yield from check_includes(path, blank(text, keep_strings=True))
        yield from check_code(path, text, code)


def files_of(root):
    """Everything of ours that is text; corpora and golden files have their own forms."""
    for place in ("src", "sim", "include", "tests", "scripts", "docs", ".ci", "."):
        directory = root / place
        pattern = "*" if place == "." else "**/*"
        for path in sorted(directory.glob(pattern)) if directory.is_dir() else []:
            name = path.relative_to(root).as_posix()
            if any(part in name for part in ("node_modules/", "__pycache__/", "/corpus/")):
                continue
            if path.is_file() and (path.suffix in (".c", ".h", ".py", ".sh", ".js", ".md", ".cmake")
                                   or path.name in ("Makefile", "CMakeLists.txt", "run")):
                yield name, path


def check_marks(texts):
    """A reachability mark is one place of the product: two would hide each other."""
    table = "src/base/mark.h"
    places = collections.Counter()
    for name, text in texts.items():
        if name.startswith("src/") and name.endswith(".c"):
            places.update(re.findall(r"\bQ_MARK(?:_IF)?\(\s*(\w+)", blank(text)))
    for number, line in enumerate(texts.get(table, "").split("\n"), 1):
        row = re.match(r"\s*X\((\w+),", line)
        if row and places[row.group(1)] != 1:
            yield table, number, "mark-place", (f"{row.group(1)} is marked in "
                                                f"{places[row.group(1)]} places; exactly one")


def check_tree(root):
    texts = {}
    for name, path in files_of(root):
        texts[name] = path.read_bytes().decode("utf-8", errors="replace")
        for number, rule, advice in check_file(root, name, texts[name]):
            yield name, number, rule, advice
    yield from check_marks(texts)


HEADER = "/* A header of the self-test. */\n"
MARKS = '#define Q_MARK_MAP(X) \\\n    X(A, "text")\n'
LONG_FUNCTION = "int long_one(void)\n{\n" + "    f();\n" * FUNCTION_MAX + "}\n"
# rule -> files that break it and nothing else. Several trees where a rule has several sides.
PLANTS = [
    ("line-end", {"src/core/a.c": "int a;\r\nint b;\n"}, ["line-end", "trailing-space"]),
    ("final-newline", {"src/core/a.c": "int a;"}, None),
    ("line-length", {"src/core/a.c": "int a" + "a" * 100 + ";\n"}, None),
    ("trailing-space", {"src/core/a.c": "int a; \n"}, None),
    ("tab", {"src/core/a.c": "\tint a;\n"}, None),
    ("debt-marker", {"src/core/a.c": "/* FIX" + "ME: later. */\n"}, None),
    ("debt-marker", {"scripts/a.sh": "# TO" + "DO: later\n"}, None),
    ("broken-link", {"docs/a.md": "See [b](b.md#there).\n"}, None),
    ("header-length", {"src/core/a.h": HEADER + "int a;\n" * HEADER_MAX}, None),
    ("source-length", {"src/core/a.c": "int a;\n" * (SOURCE_MAX + 1)}, None),
    ("function-length", {"src/core/a.c": LONG_FUNCTION}, None),
    ("layer", {"src/base/a.c": '#include "core/raft/raft.h"\n'}, None),
    ("layer", {"src/base/a.c": '#include "base/os/heap.h"\n'}, None),
    ("layer", {"src/core/a.c": '#include "wire/resp.h"\n'}, None),
    ("layer", {"src/core/a.c": '#include "base/os/buf.h"\n'}, None),
    ("layer", {"src/wire/a.c": '#include "core/raft/raft.h"\n'}, None),
    ("layer", {"src/store/a.c": '#include "core/raft/raft.h"\n'}, None),
    ("layer", {"src/node/a.c": '#include "store/rocks.h"\n'}, None),
    ("layer", {"src/node/a.c": '#include "base/os/clock.h"\n'}, None),
    ("layer", {"src/front/a.c": '#include "core/raft/raft.h"\n'}, None),
    ("layer", {"src/net/a.c": '#include "front/session.h"\n'}, None),
    ("layer", {"src/net/a.c": '#include "wire/resp.h"\n'}, None),
    ("layer", {"src/cli/a.c": '#include "node/node.h"\n'}, None),
    ("layer", {"src/server/a.c": '#include "sim/world.h"\n'}, None),
    ("layer", {"src/core/a.c": '#include "harness/test.h"\n'}, None),
    ("layer", {"sim/a.c": '#include "net/loop.h"\n'}, None),
    ("library", {"src/front/a.c": "#include <uv.h>\n"}, None),
    ("library", {"src/store/wal.c": "#include <rocksdb/c.h>\n"}, None),
    ("library", {"tests/unit/a_test.c": "#include <cmocka.h>\n"}, None),
    ("pure-header", {"src/core/a.c": "#include <stdio.h>\n"}, None),
    ("pure-header", {"src/wire/a.c": "#include <stdlib.h>\n"}, None),
    ("pure-header", {"src/base/a.c": "#include <time.h>\n"}, None),
    ("world-header", {"src/node/a.c": "#include <sys/socket.h>\n"}, None),
    ("banned-call", {"src/node/a.c": "int a = atoi(b);\n"}, None),
    ("banned-call", {"src/node/a.c": "void *a = malloc(1);\n"}, None),
    ("banned-call", {"src/server/a.c": "long a = time(NULL);\n"}, None),
    ("banned-call", {"tests/unit/a_test.c": "strcpy(a, b);\n"}, None),
    ("line-comment", {"src/core/a.c": "int a; // no\n"}, None),
    ("header-comment", {"src/core/a.h": "int a;\n"}, None),
    ("mark-place", {"src/base/mark.h": HEADER + MARKS, "src/core/a.c": "/* Q_MARK(A); */\n"}, None),
    ("mark-place", {"src/base/mark.h": HEADER + MARKS, "src/core/a.c": "Q_MARK(A);\n",
                    "src/node/a.c": "Q_MARK_IF(A, b);\n"}, None),
]
CLEAN = {
    "src/core/raft/a.c": '#include "core/raft/a.h"\n\n#include "base/bytes.h"\n\n'
                         '#include <stdint.h>\n\n/* malloc( and // in a comment. */\n'
                         'const char *a = "http://atoi(";\n',
    "src/core/raft/a.h": HEADER + "int a;\n" * (HEADER_MAX - 1),
    "src/base/os/a.c": "#include <stdlib.h>\n\nvoid *a = malloc(1);\n",
    "src/wire/http.c": "#include <llhttp.h>\n",
    "src/node/a.c": '#include "store/engine.h"\n\nint b = a->time(1);\n',
    "src/node/long.c": LONG_FUNCTION.replace("    f();\n", "", 3),
    "sim/a.c": '#include "sim/world.h"\n',
    "src/base/mark.h": HEADER + MARKS,
    "src/core/mark.c": "Q_MARK_IF(A, b);\n",
    "docs/a.md": "[This](a.md), [that](../src/wire/http.c#l1), [web](https://quorate.example/).\n",
}


def self_test():
    cases = [(f"tidy accepts a clean tree", CLEAN, [])]
    for rule, files, also in PLANTS:
        what = " ".join(next(iter(files.values())).strip().split("\n")[0].split())
        what = what.replace("#include ", "")[:30].replace("#", "")
        cases.append((f"tidy refuses {rule} in {next(iter(files))}: {what}", files, also or [rule]))
    failed = 0
    print(f"1..{len(cases)}")
    for number, (name, files, wanted) in enumerate(cases, 1):
        with tempfile.TemporaryDirectory() as directory:
            root = pathlib.Path(directory)
            for path, text in files.items():
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                (root / path).write_bytes(text.encode())
            found = sorted({rule for _, _, rule, _ in check_tree(root)})
        if found != sorted(wanted):
            failed += 1
            print(f"# wanted {wanted}, found {found}")
        print(f"{'ok' if found == sorted(wanted) else 'not ok'} {number} - {name}")
    return 1 if failed else 0


def main(arguments):
    if arguments == ["--self-test"]:
        return self_test()
    root = pathlib.Path(arguments[0]) if arguments else pathlib.Path(__file__).parent.parent
    count = 0
    for name, number, rule, advice in check_tree(root):
        print(f"{name}:{number}: {rule}: {advice}")
        count += 1
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
