#include "sim/check/checks.h"

static bool is_durable(const struct mirror *holder, raft_index index, struct link_hash link)
{
    if (link.term == 0 || index <= holder->durable_start || index <= holder->start_index) {
        return true; /* Below the start of a log: it is in the state there. */
    }
    const struct link_hash held = oracle_durable_at(holder, index);
    return held.term == link.term && held.chain == link.chain;
}

void check_match(struct oracle *oracle, const struct mirror *mirror, const struct raft *raft)
{
    if (!is_durable(mirror, raft->stable_index, mirror_at(mirror, raft->stable_index))) {
        violation_report(oracle->violation, "match",
                         "node %u takes its entries up to %llu for durable; on its disk they end "
                         "at %llu",
                         mirror->id, (unsigned long long)raft->stable_index,
                         (unsigned long long)mirror->durable_last);
        return;
    }
    if (mirror->role != RAFT_LEADER) {
        return;
    }
    for (size_t i = 0; i < raft->config.voter_count; i++) {
        const raft_index match = raft->progress[i].match_index;
        const struct mirror *holder = &oracle->mirrors[raft->progress[i].id];
        /* A voter of a later term may have dropped them since, and this leader is none. */
        if (holder->term > mirror->term || holder->durable_term > mirror->term ||
            is_durable(holder, match, mirror_at(mirror, match))) {
            continue;
        }
        violation_report(oracle->violation, "match",
                         "node %u, leader of term %llu, believes that node %u holds entry %llu; "
                         "its disk ends at %llu or differs",
                         mirror->id, (unsigned long long)mirror->term, holder->id,
                         (unsigned long long)match, (unsigned long long)holder->durable_last);
    }
}
