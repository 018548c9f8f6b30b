#include "sim/check/checks.h"

void check_loyal(struct oracle *oracle, const struct raft *raft, size_t outbox_before)
{
    for (size_t i = outbox_before; i < raft->outbox_count; i++) {
        const struct raft_message *reply = &raft->outbox[i].message;
        const bool is_vote =
            reply->kind == RAFT_MSG_VOTE_REPLY || reply->kind == RAFT_MSG_PRE_VOTE_REPLY;
        if (is_vote && !reply->reject) {
            violation_report(oracle->violation, "loyal",
                             "node %u, which hears its leader, helps node %u to be elected in term "
                             "%llu",
                             raft->config.self, reply->to, (unsigned long long)reply->term);
        }
    }
}
