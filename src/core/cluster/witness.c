#include "core/cluster/witness.h"

#define COUNT_MAX UINT32_MAX

uint64_t incarnation_after(uint64_t before, uint64_t random)
{
    const uint64_t count = incarnation_count(before);
    return (count < COUNT_MAX ? count + 1 : count) << 32 | (random & UINT32_MAX);
}

static bool is_larger(struct witness_promise a, struct witness_promise b)
{
    return a.term != b.term ? a.term > b.term : a.index > b.index;
}

void witness_meet(struct witness *witness, uint64_t incarnation)
{
    if (incarnation <= witness->incarnation) {
        return;
    }
    if (witness->incarnation != 0) {
        witness->earlier_incarnation = witness->incarnation;
    }
    if (is_larger(witness->promise, witness->earlier)) {
        witness->earlier = witness->promise;
    }
    witness->incarnation = incarnation;
    witness->promise = (struct witness_promise){0};
}

void witness_hear(struct witness *witness, struct witness_promise promise)
{
    if (is_larger(promise, witness->promise)) {
        witness->promise = promise;
    }
}

struct testimony witness_testify(const struct witness *witness, uint64_t asker)
{
    if (asker == witness->incarnation) {
        return (struct testimony){.incarnation = witness->earlier_incarnation,
                                  .promise = witness->earlier};
    }
    return (struct testimony){.incarnation = witness->incarnation,
                              .promise = is_larger(witness->promise, witness->earlier)
                                             ? witness->promise
                                             : witness->earlier};
}

bool witness_promise_of(const struct raft_message *message, struct witness_promise *out_promise)
{
    struct witness_promise promise = {.term = message->term};
    switch (message->kind) {
    case RAFT_MSG_VOTE:       /* Asked for once the candidate's own vote is durable. */
    case RAFT_MSG_VOTE_REPLY: /* Gated, rejections too. */
    case RAFT_MSG_HEARTBEAT: break;
    case RAFT_MSG_APPEND:
        promise.index = message->index; /* A leader's own disk; its log only grows in its term. */
        break;
    case RAFT_MSG_APPEND_REPLY:
        if (message->reject || message->index == 0) {
            return false; /* Not gated: rejections, and news of the term to an old leader. */
        }
        promise.index = message->index;
        break;
    case RAFT_MSG_PRE_VOTE:
    case RAFT_MSG_PRE_VOTE_REPLY:
    case RAFT_MSG_HEARTBEAT_REPLY:
    case RAFT_MSG_TIMEOUT_NOW: return false;
    }
    *out_promise = promise;
    return true;
}
