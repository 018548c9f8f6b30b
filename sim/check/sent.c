#include "sim/check/checks.h"

static void check_vote_reply(struct oracle *oracle, const struct raft_message *message)
{
    struct term_record *record = oracle_term(oracle, message->term);
    if (message->reject || record == NULL) {
        return;
    }
    if (record->votes[message->from] == NODE_NONE) {
        record->votes[message->from] = message->to; /* A later term was durable with it. */
    }
    const struct mirror *mirror = &oracle->mirrors[message->from];
    const bool is_durable =
        mirror->durable_term > message->term ||
        (mirror->durable_term == message->term && mirror->durable_vote == message->to);
    if (!is_durable || record->votes[message->from] != message->to) {
        violation_report(oracle->violation, "sent",
                         "node %u granted %u its vote of term %llu; on its disk is term %llu, vote "
                         "%u",
                         message->from, message->to, (unsigned long long)message->term,
                         (unsigned long long)mirror->durable_term, mirror->durable_vote);
    }
}

static void check_append_reply(struct oracle *oracle,
                               const struct raft_message *message,
                               raft_index start_index)
{
    const struct mirror *mirror = &oracle->mirrors[message->from];
    const raft_index durable_last =
        mirror->durable_last > start_index ? mirror->durable_last : start_index;
    /* A reply of an earlier term speaks of entries that its next leader may have replaced since. */
    if (!message->reject && message->term >= mirror->durable_term &&
        message->index > durable_last) {
        violation_report(oracle->violation, "sent",
                         "node %u acknowledged entry %llu; its disk ends at %llu", message->from,
                         (unsigned long long)message->index, (unsigned long long)durable_last);
    }
}

void check_sent(struct oracle *oracle, const struct raft_message *message, raft_index start_index)
{
    if (message->from == NODE_NONE || message->from > oracle->node_count) {
        violation_report(oracle->violation, "sent", "a message from node %u", message->from);
        return;
    }
    if (message->kind == RAFT_MSG_VOTE_REPLY) {
        check_vote_reply(oracle, message);
    }
    if (message->kind == RAFT_MSG_APPEND_REPLY) {
        check_append_reply(oracle, message, start_index);
    }
}
