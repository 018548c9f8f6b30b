#include "sim/check/checks.h"

void check_leader_quorum(struct oracle *oracle, const struct mirror *mirror, const struct raft *raft)
{
    if (mirror->role != RAFT_LEADER || mirror->role_before != RAFT_LEADER) {
        return;
    }
    /* The check runs once per timeout over what was heard since the one before: two timeouts, and
     * one more for luck. */
    const uint64_t patience_ms = (uint64_t)raft->config.election_max_ms * 3;
    size_t heard = 1;
    for (size_t i = 0; i < raft->config.voter_count; i++) {
        const struct raft_progress *progress = &raft->progress[i];
        heard += progress->id != mirror->id && progress->heard_at_ms + patience_ms >= raft->now_ms;
    }
    if (raft->now_ms < patience_ms || heard > raft->config.voter_count / 2) {
        return;
    }
    violation_report(oracle->violation, "leader_quorum",
                     "node %u stays leader of term %llu having heard %zu of %zu voters in %llu ms",
                     mirror->id, (unsigned long long)mirror->term, heard, raft->config.voter_count,
                     (unsigned long long)patience_ms);
}
