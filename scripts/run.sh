#!/usr/bin/env bash
# Runs a local cluster of durable nodes in the foreground and says how to talk to it.
#
# usage: scripts/run.sh NODES BASE_PORT
set -euo pipefail
cd "$(dirname "$0")/.."

nodes=$1
port=$2
cat <<HINT
Quorate: $nodes nodes on 127.0.0.1. Node i serves Redis clients on port $port + 10 (i - 1), HTTP on
the port after it, and its peers on the one after that. Once "ready" is printed, try elsewhere:

  redis-cli -p $port set greeting hello
  redis-cli -p $((port + 10 * (nodes - 1))) get greeting
  curl http://127.0.0.1:$((port + 1))/status
  build/release/quorate status --http 127.0.0.1:$((port + 1))

Data stay in ./quorate-dev. Ctrl-C stops all nodes.

HINT
exec build/release/quorate dev --nodes "$nodes" --base-port "$port"
