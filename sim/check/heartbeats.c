#include "sim/check/checks.h"

void check_heartbeats(struct oracle *oracle,
                      const struct mirror *mirror,
                      node_id peer,
                      uint64_t silent_ms,
                      uint32_t heartbeat_ms)
{
    /* Twice, and a little for drifting clocks and late turns. */
    const uint64_t patience_ms = 2 * (uint64_t)heartbeat_ms + heartbeat_ms / 2;
    if (mirror->role == RAFT_LEADER && silent_ms > patience_ms) {
        violation_report(oracle->violation, "heartbeats",
                         "node %u, leader of term %llu, has sent nothing to node %u for %llu ms",
                         mirror->id, (unsigned long long)mirror->term, peer,
                         (unsigned long long)silent_ms);
    }
}
