#include "sim/check/checks.h"

static void went_back(struct oracle *oracle,
                      const struct mirror *mirror,
                      const char *what,
                      uint64_t from,
                      uint64_t to)
{
    violation_report(oracle->violation, "monotone", "node %u: %s went back from %llu to %llu",
                     mirror->id, what, (unsigned long long)from, (unsigned long long)to);
}

void check_monotone(struct oracle *oracle, const struct mirror *mirror)
{
    if (mirror->term < mirror->term_before) {
        went_back(oracle, mirror, "term", mirror->term_before, mirror->term);
    }
    if (mirror->commit_index < mirror->commit_before) {
        went_back(oracle, mirror, "commit index", mirror->commit_before, mirror->commit_index);
    }
    if (mirror->applied_index < mirror->applied_before) {
        went_back(oracle, mirror, "applied index", mirror->applied_before, mirror->applied_index);
    }
    if (mirror->applied_index > mirror->commit_index) {
        violation_report(oracle->violation, "monotone", "node %u applied %llu beyond commit %llu",
                         mirror->id, (unsigned long long)mirror->applied_index,
                         (unsigned long long)mirror->commit_index);
    }
    if (mirror->term == mirror->term_before && mirror->vote_before != NODE_NONE &&
        mirror->vote != mirror->vote_before) {
        violation_report(oracle->violation, "monotone",
                         "node %u changed its vote of term %llu from %u to %u", mirror->id,
                         (unsigned long long)mirror->term, mirror->vote_before, mirror->vote);
    }
}

void check_durable_vote(struct oracle *oracle, const struct mirror *mirror)
{
    if (mirror->durable_vote == NODE_NONE) {
        return;
    }
    struct term_record *record = oracle_term(oracle, mirror->durable_term);
    if (record == NULL) {
        return;
    }
    node_id *vote = &record->votes[mirror->id];
    if (*vote == NODE_NONE) {
        *vote = mirror->durable_vote;
    }
    if (*vote != mirror->durable_vote) {
        violation_report(oracle->violation, "monotone",
                         "node %u voted in term %llu for %u and then for %u", mirror->id,
                         (unsigned long long)mirror->durable_term, *vote, mirror->durable_vote);
    }
}
