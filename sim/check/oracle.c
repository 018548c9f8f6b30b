#include "sim/check/oracle.h"

#include "base/check.h"
#include "base/hash.h"
#include "base/os/heap.h"

void chain_reach(struct chain *chain, raft_index index)
{
    if (index < chain->capacity) {
        return;
    }
    Q_CHECK(index <= ORACLE_INDEX_MAX);
    raft_index capacity = chain->capacity == 0 ? 256 : chain->capacity;
    while (capacity <= index) {
        capacity *= 2;
    }
    chain->at = heap_realloc(chain->at, capacity * sizeof *chain->at);
    memset(chain->at + chain->capacity, 0, (capacity - chain->capacity) * sizeof *chain->at);
    chain->capacity = capacity;
}

void oracle_init(struct oracle *oracle, size_t node_count, struct violation *violation)
{
    Q_CHECK(node_count > 0 && node_count <= NODES_MAX);
    *oracle = (struct oracle){.node_count = node_count, .violation = violation};
    for (size_t i = 1; i <= node_count; i++) {
        oracle->mirrors[i].id = (node_id)i;
        oracle->mirrors[i].unsaved_from = 1;
    }
}

void oracle_deinit(struct oracle *oracle)
{
    for (size_t i = 1; i <= oracle->node_count; i++) {
        heap_free(oracle->mirrors[i].log.at);
        heap_free(oracle->mirrors[i].durable.at);
        heap_free(oracle->mirrors[i].job.at);
    }
    for (raft_index i = 0; i < oracle->index_capacity; i++) {
        heap_free(oracle->indexes[i].seen);
    }
    heap_free(oracle->indexes);
    heap_free(oracle->terms);
    *oracle = (struct oracle){0};
}

struct index_record *oracle_index(struct oracle *oracle, raft_index index)
{
    if (index > ORACLE_INDEX_MAX) {
        violation_report(oracle->violation, "runaway", "log index %llu", (unsigned long long)index);
        return NULL;
    }
    if (index >= oracle->index_capacity) {
        raft_index capacity = oracle->index_capacity == 0 ? 256 : oracle->index_capacity;
        while (capacity <= index) {
            capacity *= 2;
        }
        oracle->indexes = heap_realloc(oracle->indexes, capacity * sizeof *oracle->indexes);
        memset(oracle->indexes + oracle->index_capacity, 0,
               (capacity - oracle->index_capacity) * sizeof *oracle->indexes);
        oracle->index_capacity = capacity;
    }
    return &oracle->indexes[index];
}

struct term_record *oracle_term(struct oracle *oracle, raft_term term)
{
    if (term > ORACLE_TERM_MAX) {
        violation_report(oracle->violation, "runaway", "term %llu", (unsigned long long)term);
        return NULL;
    }
    if (term >= oracle->term_capacity) {
        raft_term capacity = oracle->term_capacity == 0 ? 64 : oracle->term_capacity;
        while (capacity <= term) {
            capacity *= 2;
        }
        oracle->terms = heap_realloc(oracle->terms, capacity * sizeof *oracle->terms);
        memset(oracle->terms + oracle->term_capacity, 0,
               (capacity - oracle->term_capacity) * sizeof *oracle->terms);
        oracle->term_capacity = capacity;
    }
    return &oracle->terms[term];
}

struct link_hash oracle_durable_at(const struct mirror *mirror, raft_index index)
{
    if (index > mirror->durable_last || index >= mirror->durable.capacity) {
        return (struct link_hash){0};
    }
    return mirror->durable.at[index];
}

size_t oracle_durable_count(const struct oracle *oracle, raft_index index, struct link_hash link)
{
    size_t count = 0;
    for (size_t i = 1; i <= oracle->node_count; i++) {
        const struct mirror *mirror = &oracle->mirrors[i];
        const struct link_hash held = oracle_durable_at(mirror, index);
        const bool same = held.term == link.term && held.chain == link.chain;
        count += index <= mirror->durable_start || same;
    }
    return count;
}

struct link_hash mirror_at(const struct mirror *mirror, raft_index index)
{
    if (index > mirror->last_index || index < mirror->start_index || index == 0 ||
        index >= mirror->log.capacity) {
        return (struct link_hash){0};
    }
    return mirror->log.at[index];
}

static uint64_t chain_hash(uint64_t previous, const struct raft_entry *entry)
{
    const uint64_t fields[4] = {previous, entry->term, entry->hlc, (uint64_t)entry->kind};
    return hash_bytes_seeded(entry->payload, hash_bytes(bytes_of(fields, sizeof fields)));
}

/* Last index up to which the node's log is still what the mirror holds. */
static raft_index common_index(const struct mirror *mirror, const struct raft_log *log)
{
    raft_index at = mirror->last_index < log->last_index ? mirror->last_index : log->last_index;
    while (at > log->start_index && at > mirror->start_index &&
           raft_log_at(log, at)->term != mirror->log.at[at].term) {
        at--;
    }
    return at;
}

static void look_at_log(struct oracle *oracle, struct mirror *mirror, const struct raft_log *log)
{
    const raft_index last_before = mirror->last_index;
    chain_reach(&mirror->log, log->last_index + 1);
    raft_index common = common_index(mirror, log);
    mirror->lost_from = common < last_before ? common + 1 : 0;
    if (log->start_index > common || mirror->log.at[common].term == 0 ||
        (common == log->start_index && mirror->log.at[common].term != log->start_term)) {
        /* A snapshot or a restart: what precedes the log is the committed prefix. */
        const struct index_record *record = oracle_index(oracle, log->start_index);
        common = log->start_index;
        if (record != NULL) {
            mirror->log.at[common] = record->committed;
        }
    }
    mirror->start_index = log->start_index;
    mirror->last_index = log->last_index;
    mirror->changed_from = common + 1;
    for (raft_index at = common + 1; at <= log->last_index; at++) {
        const struct raft_entry *entry = raft_log_at(log, at);
        mirror->log.at[at].term = entry->term;
        mirror->log.at[at].chain = chain_hash(mirror->log.at[at - 1].chain, entry);
    }
    if (mirror->changed_from < mirror->unsaved_from) {
        mirror->unsaved_from = mirror->changed_from;
    }
}

void mirror_look(struct oracle *oracle, struct mirror *mirror, const struct raft *raft)
{
    mirror->role_before = mirror->role;
    mirror->term_before = mirror->term;
    mirror->vote_before = mirror->vote;
    mirror->commit_before = mirror->commit_index;
    mirror->applied_before = mirror->applied_index;
    mirror->role = raft->role;
    mirror->term = raft->hard.term;
    mirror->vote = raft->hard.vote;
    mirror->leader = raft->leader;
    mirror->commit_index = raft->commit_index;
    mirror->applied_index = raft->applied_index;
    mirror->changed_from = mirror->last_index + 1;
    mirror->lost_from = 0;
    if (raft->log.last_index > ORACLE_INDEX_MAX / 2) {
        violation_report(oracle->violation, "runaway", "node %u: log index %llu", mirror->id,
                         (unsigned long long)raft->log.last_index);
        return;
    }
    const raft_index last = raft->log.last_index;
    if (last != mirror->last_index || raft->log.start_index > last ||
        raft_log_last_term(&raft->log) != mirror_at(mirror, last).term) {
        look_at_log(oracle, mirror, &raft->log);
    }
    mirror->start_index = raft->log.start_index;
}

void mirror_job_begins(struct mirror *mirror,
                       raft_index saving_index,
                       struct raft_hard_state hard,
                       raft_index start_index)
{
    const raft_index last = saving_index < mirror->last_index ? saving_index : mirror->last_index;
    mirror->job_from = mirror->unsaved_from;
    mirror->job_last = last;
    mirror->job_term = hard.term;
    mirror->job_vote = hard.vote;
    mirror->job_start = start_index;
    if (mirror->job_from <= last) {
        chain_reach(&mirror->job, last);
        for (raft_index at = mirror->job_from; at <= last; at++) {
            mirror->job.at[at] = mirror->log.at[at];
        }
        mirror->unsaved_from = last + 1;
    }
}

void mirror_job_synced(struct mirror *mirror)
{
    if (mirror->job_from <= mirror->job_last) {
        chain_reach(&mirror->durable, mirror->job_last);
        for (raft_index at = mirror->job_from; at <= mirror->job_last; at++) {
            mirror->durable.at[at] = mirror->job.at[at];
        }
        mirror->durable_last = mirror->job_last;
    }
    if (mirror->job_start == mirror->job_last && mirror->durable_last > mirror->job_last) {
        mirror->durable_last = mirror->job_last; /* An installed snapshot voided the whole log. */
    }
    if (mirror->job_start > mirror->durable_start) {
        mirror->durable_start = mirror->job_start;
    }
    if (mirror->job_term >= mirror->durable_term) {
        mirror->durable_term = mirror->job_term;
        mirror->durable_vote = mirror->job_vote;
    }
    mirror->job_from = mirror->job_last + 1;
}

void mirror_crashed(struct mirror *mirror)
{
    mirror->is_up = false;
}

void mirror_recovered(struct oracle *oracle,
                      struct mirror *mirror,
                      const struct raft *raft,
                      bool disk_is_clean)
{
    mirror->is_up = true;
    mirror->start_index = 0;
    mirror->last_index = 0;
    if (mirror->log.capacity > 0) {
        memset(mirror->log.at, 0, mirror->log.capacity * sizeof *mirror->log.at);
    }
    mirror_look(oracle, mirror, raft);
    mirror->role_before = RAFT_FOLLOWER;
    mirror->term_before = mirror->term;
    mirror->vote_before = mirror->vote;
    mirror->commit_before = mirror->commit_index;
    mirror->applied_before = mirror->applied_index;
    mirror->lost_from = 0;
    if (disk_is_clean) {
        chain_reach(&mirror->durable, mirror->last_index);
        for (raft_index at = mirror->start_index + 1; at <= mirror->last_index; at++) {
            mirror->durable.at[at] = mirror->log.at[at];
        }
        mirror->durable_last = mirror->last_index;
        mirror->durable_start = mirror->start_index;
        mirror->durable_term = mirror->term;
        mirror->durable_vote = mirror->vote;
    }
    mirror->unsaved_from = mirror->durable_last + 1;
    mirror->job_from = 1;
    mirror->job_last = 0;
}
