#!/usr/bin/python3
"""ioredis and node-redis unchanged. Installs them into build/node when they are not there."""
# time limit: 300 s
import json
import re
import shutil

from harness import ROOT, Dev, Skip, case, equal, expect, main, need, note, run

HERE = ROOT / "tests" / "e2e"
NODE = ROOT / "build" / "node"
dev = Dev(3)


def wanted_packages():
    """The newest clients need Node.js 20; Debian 12 has 18."""
    _, out, _ = run([need("node"), "--version"])
    major = int(re.match(r"v(\d+)", out).group(1))
    name = "package.json" if major >= 20 else "package.node18.json"
    return HERE / name


def installed_version(name):
    path = NODE / "node_modules" / name / "package.json"
    return json.loads(path.read_text())["version"] if path.exists() else None


def install():
    """Skips loudly when the registry is out of reach; anything else wrong is a failure."""
    need("npm")
    source = wanted_packages()
    wanted = json.loads(source.read_text())["dependencies"]
    if any(installed_version(name) != version for name, version in wanted.items()):
        NODE.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, NODE / "package.json")
        code, out, err = run(["npm", "install", "--prefix", NODE, "--no-audit", "--no-fund",
                              "--ignore-scripts", "--no-package-lock", "--fetch-retries", "1"],
                             limit_s=120)
        if code != 0:
            offline = re.search(r"EAI_AGAIN|ENOTFOUND|ECONNREFUSED|ETIMEDOUT|network|E40[34]", err)
            expect(offline, f"npm install: {err[-1000:]}")
            raise Skip(f"npm cannot reach its registry ({offline.group(0)})")
    note(", ".join(f"{name} {installed_version(name)}" for name in wanted))


def smoke(script):
    install()
    if dev.process is None:
        dev.start()
    code, out, err = run(["node", HERE / script, dev.resp(1), dev.resp(2)], limit_s=60,
                         env={"NODE_PATH": str(NODE / "node_modules")})
    note(out)
    equal(code, 0, err[-1000:])
    expect(out.count("\nok ") >= 6 and "not ok" not in out, "all checks ran")


@case("ioredis runs its smoke script")
def ioredis():
    smoke("ioredis_smoke.js")


@case("node-redis runs its smoke script")
def node_redis():
    smoke("node_redis_smoke.js")


if __name__ == "__main__":
    main()
