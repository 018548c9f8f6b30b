#!/usr/bin/python3
"""HTTP: probes, status, errors, keep-alive, and that nothing can be smuggled."""
# time limit: 300 s
import json
import re

from harness import (Serve, answers_ping, case, contains, equal, expect, http_get, main,
                     raw_exchange, resp, run, wait_until, need)

cluster = Serve(3)


def both(node):
    return http_get(cluster.http(node), "/livez")[0], http_get(cluster.http(node), "/readyz")[0]


@case("/livez is 200 and /readyz 503 with a reason while the cluster is not whole yet")
def before_boot():
    cluster.start(1)
    wait_until(lambda: http_get(cluster.http(1), "/livez")[0] == 200, 10, "/livez")
    status, _, body = http_get(cluster.http(1), "/readyz")
    equal(status, 503)
    contains(body, f"127.0.0.1:{cluster.peer(2)}", "who is missing")
    status, _, body = http_get(cluster.http(1), "/status")
    equal(status, 200)
    contains(body, f"127.0.0.1:{cluster.peer(3)}")


@case("/readyz is 200 at every node once the cluster serves")
def ready():
    cluster.start(2)
    cluster.start(3)
    cluster.wait_ready()
    for node in cluster.all_nodes():
        equal(both(node), (200, 200))


@case("/status is JSON with verdict, nodes and shards, and all nodes agree on the leader")
def status():
    leaders = set()
    for node in cluster.all_nodes():
        code, headers, body = http_get(cluster.http(node), "/status")
        equal(code, 200)
        contains(headers["Content-Type"], "application/json")
        document = json.loads(body)
        for field in ("verdict", "nodes", "shards"):
            expect(field in document, f"no {field}")
        equal(len(document["nodes"]), 3)
        leaders.add(document["shards"][0]["leader"])
    equal(len(leaders), 1, "leaders")


@case("/version names the program")
def version():
    code, _, body = http_get(cluster.http(1), "/version")
    equal(code, 200)
    expect(re.fullmatch(r"\d+\.\d+\.\d+", json.loads(body)["version"]), body)


@case("an unknown path is 404, a wrong method 405 with Allow, both as JSON")
def errors():
    code, headers, body = http_get(cluster.http(1), "/nope")
    equal(code, 404)
    document = json.loads(body)
    for field in ("error", "message"):
        expect(field in document, f"no {field} in {document}")
    code, headers, body = http_get(cluster.http(1), "/status", method="DELETE")
    equal(code, 405)
    contains(headers.get("Allow", ""), "GET")
    expect("error" in json.loads(body))
    code, _, body = http_get(cluster.http(1), "/livez", method="HEAD")
    expect(code in (200, 405) and body == b"", "HEAD has no body")


@case("several requests on one connection are answered in order; Connection: close ends it")
def keep_alive():
    answer = raw_exchange(cluster.http(1),
                          b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
                          b"GET /nope HTTP/1.1\r\nHost: x\r\n\r\n"
                          b"GET /version HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
                          b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
    codes = [part.split(b" ")[0] for part in answer.split(b"HTTP/1.1 ")[1:]]
    equal(codes, [b"200", b"404", b"200"])


@case("HTTP/1.0 is answered and closed")
def http10():
    answer = raw_exchange(cluster.http(1), b"GET /livez HTTP/1.0\r\n\r\n")
    expect(answer.startswith(b"HTTP/1.1 200") or answer.startswith(b"HTTP/1.0 200"), answer[:60])


@case("a request cannot be smuggled behind another")
def smuggling():
    hidden = b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n"
    for head in (b"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                 b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
                 b"Content-Length: 0\r\nContent-Length: 40\r\n\r\n",
                 b"Content-Length: 4, 5\r\n\r\n", b"Content-Length: +4\r\n\r\n",
                 b"Content-Length: 0x4\r\n\r\n", b"Transfer-Encoding: xchunked\r\n\r\n",
                 b"Transfer-Encoding: chunked, identity\r\n\r\n",
                 b"Transfer-Encoding : chunked\r\n\r\n",
                 b"X: a\r\n Transfer-Encoding: chunked\r\n\r\n", b"X: a\nY: b\r\n\r\n",
                 b"X: \0\r\n\r\n", b"X: a\rb\r\n\r\n"):
        answer = raw_exchange(cluster.http(1),
                              b"POST /status HTTP/1.1\r\nHost: x\r\n" + head + hidden)
        expect(b" 200 " not in answer.split(b"\r\n")[0], f"{head!r}: {answer[:80]!r}")
        contains(answer[:12], "HTTP/1.1 4", repr(head))
        equal(answer.count(b"HTTP/1.1 "), 1, f"{head!r}: answers")


@case("curl gets what the README says")
def curl():
    need("curl")
    code, out, err = run(["curl", "-sS", "-i", f"http://127.0.0.1:{cluster.http(2)}/readyz"])
    equal(code, 0, err)
    contains(out, "HTTP/1.1 200")


@case("without a majority /readyz turns 503, /livez stays 200, local reads go on, nothing hangs")
def minority():
    equal(resp(cluster.resp(1), "SET", "seen", "before"), "OK")
    for node in cluster.all_nodes():
        wait_until(lambda node=node: resp(cluster.resp(node), "GET", "seen", "LEVEL", "local") ==
                   b"before", 10, f"node {node} has applied")
    leader = cluster.leader()
    survivor = leader % 3 + 1
    for node in cluster.all_nodes():
        if node != survivor:
            cluster.processes[node].kill()
    wait_until(lambda: both(survivor) == (200, 503), 15, "/livez 200 and /readyz 503")
    equal(resp(cluster.resp(survivor), "GET", "seen", "LEVEL", "local"), b"before")
    expect(answers_ping(cluster.resp(survivor)))
    reply = resp(cluster.resp(survivor), "SET", "seen", "after")
    expect(not isinstance(reply, str), f"no OK without a majority: {reply!r}")


@case("/readyz is 200 again when the majority is back")
def back():
    for node in cluster.all_nodes():
        if not cluster.processes[node].is_running():
            cluster.start(node)
    cluster.wait_ready()
    equal(resp(cluster.resp(1), "SET", "seen", "now"), "OK")


if __name__ == "__main__":
    main()
