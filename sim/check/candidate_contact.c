#include "sim/check/checks.h"

void check_candidate_contact(struct oracle *oracle, const struct mirror *mirror, size_t heard)
{
    if (mirror->role != RAFT_CANDIDATE || mirror->term == mirror->term_before) {
        return;
    }
    if (heard + 1 < oracle->node_count / 2 + 1) {
        violation_report(oracle->violation, "candidate_contact",
                         "node %u raised its term to %llu having heard %zu of %zu peers: a vote "
                         "without a pre-vote",
                         mirror->id, (unsigned long long)mirror->term, heard,
                         oracle->node_count - 1);
    }
}
