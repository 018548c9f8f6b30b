/* A model of what a log must hold, and a seeded workload that drives a real log beside it.
 *
 * The workload notes the model's value whenever a job begins. After a crash the log must give back
 * the value of one of those moments: not older than the last job that was confirmed, not newer
 * than the last one begun, and never a mixture.
 */
#ifndef Q_TESTS_HARNESS_WAL_MODEL_H
#define Q_TESTS_HARNESS_WAL_MODEL_H

#include "base/err.h"
#include "base/hash.h"
#include "base/prng.h"
#include "harness/test.h"
#include "store/wal.h"

#define MODEL_STREAMS ((size_t)3)
#define MODEL_INDEXES ((size_t)320)
#define MODEL_JOBS    128

/* Entries and states by their hash; 0 = none. */
struct wal_model {
    uint64_t entries[MODEL_STREAMS][MODEL_INDEXES];
    uint64_t states[MODEL_STREAMS];
    uint64_t released[MODEL_STREAMS];
};

static inline uint64_t model_hash(const struct wal_entry *entry)
{
    const uint64_t seed = entry->term * 31 + entry->kind * UINT64_C(7) + entry->hlc;
    return hash_bytes_seeded(entry->payload, seed) | 1;
}

static inline void model_entry(void *context, const struct wal_entry *entry)
{
    struct wal_model *model = context;
    REQUIRE(entry->stream >= 1 && entry->stream <= MODEL_STREAMS);
    REQUIRE(entry->index < MODEL_INDEXES);
    uint64_t *entries = model->entries[entry->stream - 1];
    for (size_t i = (size_t)entry->index; i < MODEL_INDEXES; i++) {
        entries[i] = 0;
    }
    entries[entry->index] = model_hash(entry);
}

static inline void model_state(void *context, group_id stream, struct bytes state)
{
    REQUIRE(stream >= 1 && stream <= MODEL_STREAMS);
    ((struct wal_model *)context)->states[stream - 1] = hash_bytes(state) | 1;
}

static inline void model_reset(void *context, group_id stream)
{
    REQUIRE(stream >= 1 && stream <= MODEL_STREAMS);
    struct wal_model *model = context;
    memset(model->entries[stream - 1], 0, sizeof model->entries[stream - 1]);
    model->released[stream - 1] = 0;
}

static inline struct wal_visitor model_visitor(struct wal_model *model)
{
    *model = (struct wal_model){.states = {0}};
    return (struct wal_visitor){
        .context = model, .entry = model_entry, .state = model_state, .reset = model_reset};
}

/* Everything the workload did up to a crash. */
struct wal_history {
    struct wal_model now;
    struct wal_model jobs[MODEL_JOBS]; /* [0] = before the first job. */
    size_t begun;                      /* Index of the last job begun. */
    size_t confirmed;
    uint64_t next[MODEL_STREAMS]; /* Index of the next entry. */
};

static inline void history_init(struct wal_history *history)
{
    memset(history, 0, sizeof *history);
    for (size_t i = 0; i < MODEL_STREAMS; i++) {
        history->next[i] = 1;
    }
}

/* May `found` be what a log holds that was at `wanted`? Entries up to `released` may be gone. */
static inline bool model_agrees(const struct wal_model *found,
                                const struct wal_model *wanted,
                                const uint64_t released[MODEL_STREAMS])
{
    for (size_t s = 0; s < MODEL_STREAMS; s++) {
        if (found->states[s] != wanted->states[s]) {
            return false;
        }
        for (size_t i = 0; i < MODEL_INDEXES; i++) {
            const bool may_be_gone = i <= released[s] && found->entries[s][i] == 0;
            if (!may_be_gone && found->entries[s][i] != wanted->entries[s][i]) {
                return false;
            }
        }
    }
    return true;
}

/* The job after which the log stopped, from `first` to `last`; -1 when `found` is no such moment.
 */
static inline int history_match(const struct wal_history *history,
                                const struct wal_model *found,
                                size_t first,
                                size_t last)
{
    uint64_t released[MODEL_STREAMS];
    memcpy(released, history->now.released, sizeof released);
    for (size_t job = history->begun; job + 1 > 0; job--) {
        for (size_t s = 0; s < MODEL_STREAMS; s++) {
            const uint64_t here = history->jobs[job].released[s];
            released[s] = here > released[s] ? here : released[s];
        }
        if (job >= first && job <= last && model_agrees(found, &history->jobs[job], released)) {
            return (int)job;
        }
        if (job == 0) {
            break;
        }
    }
    return -1;
}

/* Goes on from what a recovery found. What was released before may be asked for again. */
static inline void history_resume(struct wal_history *history, const struct wal_model *found)
{
    struct wal_model now = *found;
    memcpy(now.released, history->now.released, sizeof now.released);
    history_init(history);
    for (size_t s = 0; s < MODEL_STREAMS; s++) {
        history->next[s] = now.released[s] + 1;
        for (size_t i = 0; i < MODEL_INDEXES; i++) {
            if (now.entries[s][i] != 0 && i >= history->next[s]) {
                history->next[s] = i + 1;
            }
        }
    }
    history->now = now;
    history->jobs[0] = now;
}

static inline void drive_entry(struct wal_history *h, struct wal *wal, struct prng *prng)
{
    static const uint8_t filler[6000] = {1, 2, 3};
    const size_t s = (size_t)prng_below(prng, MODEL_STREAMS);
    uint64_t index = h->next[s];
    const uint64_t released = h->now.released[s];
    if (prng_chance(prng, 1, 8) && index > released + 1) {
        index = prng_between(prng, released + 1, index - 1);
    }
    if (index >= MODEL_INDEXES) {
        return;
    }
    size_t size = (size_t)prng_below(prng, 300);
    size = prng_chance(prng, 1, 12) ? size * 8 : size;
    size = prng_chance(prng, 1, 20) ? sizeof filler : size;
    const struct wal_entry entry = {.stream = (group_id)(s + 1),
                                    .index = index,
                                    .term = prng_next(prng),
                                    .hlc = prng_next(prng),
                                    .kind = (uint8_t)prng_next(prng),
                                    .payload = bytes_of(filler, size)};
    h->next[s] = index + 1;
    model_entry(&h->now, &entry);
    (void)wal_append_entry(wal, &entry);
}

static inline void drive_step(struct wal_history *h, struct wal *wal, struct prng *prng)
{
    const uint64_t dice = prng_below(prng, 100);
    const size_t s = (size_t)prng_below(prng, MODEL_STREAMS);
    const group_id stream = (group_id)(s + 1);
    if (dice < 75) {
        drive_entry(h, wal, prng);
    } else if (dice < 85) {
        uint8_t state[200];
        memset(state, (int)(dice + h->begun), sizeof state);
        const struct bytes bytes = bytes_of(state, (size_t)prng_below(prng, sizeof state));
        model_state(&h->now, stream, bytes);
        (void)wal_append_state(wal, stream, bytes);
    } else if (dice < 87) {
        model_reset(&h->now, stream);
        h->next[s] += prng_below(prng, 3);
        (void)wal_append_reset(wal, stream);
    } else {
        const uint64_t last = h->next[s] - 1;
        const uint64_t upto = prng_between(prng, last / 2, last);
        if (upto > h->now.released[s]) {
            h->now.released[s] = upto;
        }
        wal_release(wal, stream, upto);
    }
}

/* Runs one job to its end; false when it failed. */
static inline bool drive_job(struct wal_history *h, struct wal *wal)
{
    if (!wal_job_begin(wal)) {
        return !wal_has_failed(wal);
    }
    REQUIRE(h->begun + 1 < MODEL_JOBS);
    h->jobs[++h->begun] = h->now;
    int result = wal_job_write(wal);
    if (result == Q_OK) {
        result = wal_job_sync(wal);
    }
    wal_job_end(wal, result);
    if (result == Q_OK) {
        h->confirmed = h->begun;
    }
    REQUIRE(wal_has_failed(wal) == (result != Q_OK));
    return result == Q_OK;
}

/* Up to `jobs` jobs of a few steps each; false when the log failed on the way. */
static inline bool drive(struct wal_history *h, struct wal *wal, struct prng *prng, size_t jobs)
{
    for (size_t i = 0; i < jobs; i++) {
        const uint64_t steps = prng_between(prng, 1, 5);
        for (uint64_t step = 0; step < steps; step++) {
            drive_step(h, wal, prng);
        }
        if (!drive_job(h, wal)) {
            return false;
        }
    }
    return true;
}

#endif
