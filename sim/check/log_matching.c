#include "base/os/heap.h"
#include "sim/check/checks.h"

static void match(struct oracle *oracle,
                  const struct mirror *mirror,
                  raft_index index,
                  struct index_record *record)
{
    const struct link_hash held = mirror->log.at[index];
    for (uint32_t i = 0; i < record->count; i++) {
        if (record->seen[i].term != held.term) {
            continue;
        }
        if (record->seen[i].chain != held.chain) {
            violation_report(oracle->violation, "log_matching",
                             "node %u: entry %llu of term %llu differs from another node's, or "
                             "follows another prefix",
                             mirror->id, (unsigned long long)index, (unsigned long long)held.term);
        }
        return;
    }
    record->seen = heap_realloc(record->seen, (record->count + 1) * sizeof *record->seen);
    record->seen[record->count++] = held;
}

void check_log_matching(struct oracle *oracle, const struct mirror *mirror)
{
    for (raft_index at = mirror->changed_from; at <= mirror->last_index; at++) {
        struct index_record *record = oracle_index(oracle, at);
        if (record == NULL) {
            return;
        }
        match(oracle, mirror, at, record);
    }
}
