#include "sim/check/checks.h"

static void commit(struct oracle *oracle, const struct mirror *mirror, raft_index index)
{
    struct index_record *record = oracle_index(oracle, index);
    const struct link_hash held = mirror_at(mirror, index);
    if (record == NULL || held.term == 0) {
        return; /* Below a snapshot: the state hash judges that. */
    }
    if (record->committed.term == 0) {
        record->committed = held;
        record->committed_in = mirror->term;
        return;
    }
    if (record->committed.term != held.term || record->committed.chain != held.chain) {
        violation_report(oracle->violation, "committed",
                         "node %u committed entry %llu of term %llu; committed before: term %llu%s",
                         mirror->id, (unsigned long long)index, (unsigned long long)held.term,
                         (unsigned long long)record->committed.term,
                         record->committed.term == held.term ? ", other contents" : "");
    }
}

void check_committed(struct oracle *oracle, const struct mirror *mirror)
{
    const raft_index last = mirror->commit_index;
    if (last == mirror->commit_before) {
        return;
    }
    if (last > mirror->last_index) {
        violation_report(oracle->violation, "committed", "node %u: commit %llu beyond its log %llu",
                         mirror->id, (unsigned long long)last,
                         (unsigned long long)mirror->last_index);
        return;
    }
    if (mirror->role == RAFT_LEADER && last > oracle->committed_last &&
        mirror_at(mirror, last).term != mirror->term) {
        violation_report(oracle->violation, "committed",
                         "node %u, leader of term %llu, committed entry %llu of term %llu by "
                         "counting",
                         mirror->id, (unsigned long long)mirror->term, (unsigned long long)last,
                         (unsigned long long)mirror_at(mirror, last).term);
    }
    for (raft_index at = mirror->commit_before + 1; at <= last; at++) {
        commit(oracle, mirror, at);
    }
    if (last > oracle->committed_last) {
        oracle->committed_last = last;
    }
}
