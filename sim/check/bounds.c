#include "front/session.h"
#include "node/machine/machine.h"
#include "sim/check/checks.h"

#define GATED_SIZE_MAX 256 /* They carry no entries. */

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

void check_load(struct oracle *oracle,
                const struct mirror *mirror,
                size_t requests_max,
                size_t request_bytes_max,
                const struct node_load *load)
{
    const node_id node = mirror->id;
    over(oracle, node, "requests in flight", load->requests, requests_max);
    if (load->requests > 1) {
        over(oracle, node, "bytes of requests in flight", load->request_bytes, request_bytes_max);
    }
    over(oracle, node, "gated messages", load->gated_messages, GATED_MESSAGES_MAX);
    over(oracle, node, "bytes of gated messages", load->gated_bytes,
         (uint64_t)GATED_MESSAGES_MAX * GATED_SIZE_MAX);
    over(oracle, node, "payloads of log entries", load->payloads,
         mirror->last_index - mirror->start_index);
    over(oracle, node, "request ids", load->id_rows, ID_ROWS_MAX);
    over(oracle, node, "bytes of request ids", load->id_bytes, ID_BYTES_MAX);
}

void check_session(struct violation *violation, size_t input, size_t output)
{
    if (input > REQUEST_SIZE_MAX || output > SESSION_OUTPUT_MAX + VALUE_SIZE_DEFAULT) {
        violation_report(violation, "bounds", "a session holds %zu bytes of input, %zu of output",
                         input, output);
    }
}
