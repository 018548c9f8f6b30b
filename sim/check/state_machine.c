#include "sim/check/checks.h"

void check_state_hash(struct oracle *oracle, node_id node, raft_index applied, uint64_t hash)
{
    struct index_record *record = oracle_index(oracle, applied);
    if (record == NULL) {
        return;
    }
    if (!record->has_state_hash) {
        record->has_state_hash = true;
        record->state_hash = hash;
        record->state_from = node;
        return;
    }
    if (record->state_hash != hash) {
        violation_report(oracle->violation, "state_machine",
                         "nodes %u and %u differ after applying entry %llu", record->state_from,
                         node, (unsigned long long)applied);
    }
}

void check_digest(struct oracle *oracle, node_id node, raft_index applied, uint64_t digest)
{
    struct index_record *record = oracle_index(oracle, applied);
    if (record == NULL) {
        return;
    }
    if (record->digest_from == NODE_NONE) {
        record->digest_from = node;
        record->digest = digest;
        return;
    }
    if (record->digest != digest) {
        violation_report(oracle->violation, "state_machine",
                         "nodes %u and %u differ at the end of a turn after entry %llu",
                         record->digest_from, node, (unsigned long long)applied);
    }
}
