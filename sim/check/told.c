#include "sim/check/checks.h"

/* What a message of an earlier term is owed; 0 = nothing. */
static enum raft_message_kind owed_to(const struct raft_message *message)
{
    if (message->kind == RAFT_MSG_HEARTBEAT) {
        return RAFT_MSG_APPEND_REPLY;
    }
    return message->kind == RAFT_MSG_PRE_VOTE ? RAFT_MSG_PRE_VOTE_REPLY : 0;
}

void check_told(struct oracle *oracle, const struct raft *raft, const struct raft_message *message)
{
    const enum raft_message_kind owed = owed_to(message);
    if (owed == 0 || message->term >= raft->hard.term || raft->outbox_count == RAFT_OUTBOX_MAX) {
        return;
    }
    for (size_t i = 0; i < raft->outbox_count; i++) {
        const struct raft_message *reply = &raft->outbox[i].message;
        if (reply->kind == owed && reply->to == message->from && reply->term == raft->hard.term) {
            return;
        }
    }
    violation_report(oracle->violation, "told",
                     "node %u in term %llu leaves node %u, which speaks of term %llu, in the dark",
                     raft->config.self, (unsigned long long)raft->hard.term, message->from,
                     (unsigned long long)message->term);
}
