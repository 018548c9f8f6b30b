#include "sim/check/checks.h"

static void over(
    struct oracle *oracle, node_id node, const char *what, uint64_t value, uint64_t max)
{
    if (value > max) {
        violation_report(oracle->violation, "bounds", "node %u: %s is %llu, limit %llu", node, what,
                         (unsigned long long)value, (unsigned long long)max);
    }
}

void check_bounds(struct oracle *oracle, const struct mirror *mirror, const struct raft *raft)
{
    over(oracle, mirror->id, "outbox", raft->outbox_count, RAFT_OUTBOX_MAX);
    over(oracle, mirror->id, "saves in flight", raft->save_count, RAFT_SAVES_MAX);
    if (mirror->role != RAFT_LEADER) {
        return;
    }
    over(oracle, mirror->id, "uncommitted bytes", raft->uncommitted_bytes,
         raft->config.uncommitted_bytes_max + raft->config.append_bytes_max);
    for (size_t i = 0; i < raft->config.voter_count; i++) {
        const struct raft_progress *progress = &raft->progress[i];
        over(oracle, mirror->id, "messages in flight", progress->inflight_count,
             raft->config.inflight_messages_max);
        over(oracle, mirror->id, "bytes in flight", progress->inflight_bytes,
             raft->config.inflight_bytes_max + raft->config.append_bytes_max);
        /* An empty window holds no bytes, or the leak will stall replication one day. */
        if (progress->inflight_count == 0) {
            over(oracle, mirror->id, "bytes in an empty window", progress->inflight_bytes, 0);
        }
    }
}
