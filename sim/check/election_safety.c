#include "sim/check/checks.h"

static size_t count_votes(const struct oracle *oracle,
                          const struct term_record *record,
                          node_id candidate)
{
    size_t count = 0;
    for (size_t i = 1; i <= oracle->node_count; i++) {
        count += record->votes[i] == candidate;
    }
    return count;
}

static void name_leader(struct oracle *oracle, const struct mirror *mirror)
{
    struct term_record *record = oracle_term(oracle, mirror->term);
    if (record == NULL) {
        return;
    }
    if (record->leader == NODE_NONE) {
        record->leader = mirror->id;
        const size_t count = count_votes(oracle, record, mirror->id);
        if (count < oracle->node_count / 2 + 1) {
            violation_report(oracle->violation, "election_safety",
                             "node %u leads term %llu by %zu durable votes of %zu", mirror->id,
                             (unsigned long long)mirror->term, count, oracle->node_count);
        }
    }
    if (record->leader != mirror->id) {
        violation_report(oracle->violation, "election_safety", "term %llu has leaders %u and %u",
                         (unsigned long long)mirror->term, record->leader, mirror->id);
    }
}

void check_election_safety(struct oracle *oracle, const struct mirror *mirror)
{
    if (mirror->role == RAFT_LEADER) {
        name_leader(oracle, mirror);
        return;
    }
    if (mirror->leader == mirror->id) {
        violation_report(oracle->violation, "election_safety",
                         "node %u names itself as leader of term %llu without being it", mirror->id,
                         (unsigned long long)mirror->term);
        return;
    }
    const struct term_record *record = oracle_term(oracle, mirror->term);
    if (record != NULL && mirror->leader != NODE_NONE && record->leader != mirror->leader) {
        violation_report(oracle->violation, "election_safety",
                         "node %u follows %u in term %llu, whose leader is %u", mirror->id,
                         mirror->leader, (unsigned long long)mirror->term, record->leader);
    }
}
