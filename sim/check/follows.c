#include "sim/check/checks.h"

void check_follows(struct oracle *oracle,
                   node_id node,
                   const struct raft *raft,
                   const struct raft_message *message)
{
    if (message->kind != RAFT_MSG_HEARTBEAT) {
        return; /* Appends may be turned away while a snapshot is being installed. */
    }
    if (message->term < raft->hard.term || message->from == raft->leader) {
        return;
    }
    violation_report(
        oracle->violation, "follows",
        "node %u (role %d, term %llu, leader %u) heard from leader %u of term %llu and "
        "does not follow it",
        node, (int)raft->role, (unsigned long long)raft->hard.term, raft->leader, message->from,
        (unsigned long long)message->term);
}
