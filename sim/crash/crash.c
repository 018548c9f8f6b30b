#include "sim/crash/crash.h"

#include "base/check.h"
#include "base/hash.h"
#include "base/os/heap.h"
#include "sim/crash/cuts.h"
#include "sim/crash/trial.h"
#include "sim/crash/workloads.h"

#include <inttypes.h>
#include <stdio.h>

#define VIOLATIONS_MAX 5 /* Of one workload; the rest would be more of the same. */

/* A set of hashes: open addressing, 0 marks a free slot. */
struct seen {
    uint64_t *slots; /* Owned. */
    size_t capacity; /* A power of two. */
    size_t count;
};

struct enumeration {
    const struct crash_workload *workload;
    const struct crash_options *options;
    struct crash_place *place;
    struct crash_result *result;
    struct rig_options rig;
    const struct crash_chain *history;
    struct seen states; /* Machines. */
    struct seen tried;  /* Machines with what was promised. */
};

/* ---- sets ---- */

static void put_hash(uint64_t *slots, size_t capacity, uint64_t hash)
{
    size_t at = (size_t)hash & (capacity - 1);
    while (slots[at] != 0) {
        at = (at + 1) & (capacity - 1);
    }
    slots[at] = hash;
}

static void grow(struct seen *seen)
{
    const size_t capacity = seen->capacity == 0 ? 1024 : seen->capacity * 2;
    uint64_t *slots = heap_alloc(capacity * sizeof *slots);
    for (size_t i = 0; i < seen->capacity; i++) {
        if (seen->slots[i] != 0) {
            put_hash(slots, capacity, seen->slots[i]);
        }
    }
    heap_free(seen->slots);
    seen->slots = slots;
    seen->capacity = capacity;
}

/* True when it was not there yet. */
static bool seen_add(struct seen *seen, uint64_t hash)
{
    hash += hash == 0;
    if (seen->count * 2 >= seen->capacity) {
        grow(seen);
    }
    size_t at = (size_t)hash & (seen->capacity - 1);
    while (seen->slots[at] != 0) {
        if (seen->slots[at] == hash) {
            return false;
        }
        at = (at + 1) & (seen->capacity - 1);
    }
    seen->slots[at] = hash;
    seen->count++;
    return true;
}

static uint64_t mix(uint64_t a, uint64_t b)
{
    const uint64_t both[2] = {a, b};
    return hash_bytes(bytes_of(both, sizeof both));
}

/* ---- telling ---- */

void crash_print_violation(const struct crash_workload *workload,
                           const struct crash_options *options,
                           const struct crash_place *place,
                           const struct violation *violation)
{
    (void)printf("VIOLATION workload=%s cut=%" PRIu64, workload->name, place->cuts[0]);
    for (size_t i = 1; i < place->depth; i++) {
        (void)printf(".%" PRIu64, place->cuts[i]);
    }
    (void)printf(
        " checker=%s\n  %s\n  replay: quorate-sim --crash-states --workload %s --seed %" PRIu64
        " --cut %" PRIu64 " --again %" PRIu64 " --verbose\n",
        violation->checker, violation->reason, workload->name, options->seed, place->cuts[0],
        options->again);
}

/* What was done and what became of it. */
static void trace_cut(const struct enumeration *e,
                      const struct cuts *cuts,
                      const struct tape_cut *cut)
{
    static const char *const FATES[] = {"lost", "kept", "torn", "kept in part"};
    const struct tape_cursor *cursor = &cuts->cursor;
    if (!e->options->verbose || e->options->only_cut == CRASH_NO_CUT) {
        return;
    }
    (void)printf("level %zu, cut %" PRIu64
                 ": after %zu of %zu operations %s, engine version %zu of "
                 "%zu to %zu%s\n",
                 e->place->depth, e->place->cuts[e->place->depth - 1], cursor->at, cuts->end,
                 cut->is_kill ? "the process is killed" : "the power fails", cut->version,
                 cursor->flushed, cursor->version, cut->is_sized ? ", sizes kept" : "");
    size_t pending = 0;
    for (size_t i = 0; i < cursor->at; i++) {
        char text[160];
        tape_op_text(&cursor->tape->ops[i], text, sizeof text);
        const bool is_pending = pending < cursor->pending_count && cursor->pending[pending] == i;
        const char *fate = !is_pending    ? ""
                           : cut->is_kill ? "outstanding"
                                          : FATES[cut->fates[pending]];
        pending += is_pending;
        (void)printf("  %4zu %-60s %s", i, text, fate);
        if (is_pending && !cut->is_kill && cut->fates[pending - 1] == FATE_TORN) {
            (void)printf(" after %zu bytes", cut->tear_size);
        }
        (void)printf("\n");
    }
}

static void report(struct enumeration *e, const struct violation *violation)
{
    e->result->violations++;
    crash_print_violation(e->workload, e->options, e->place, violation);
}

static bool is_over(const struct enumeration *e)
{
    return e->result->violations >= (e->options->stop_at_violation ? 1 : VIOLATIONS_MAX);
}

/* ---- one crash ---- */

/* What is promised, as far as it matters to a trial. */
static uint64_t hash_promise(const struct ledger *ledger, size_t at)
{
    const struct ledger_mark *mark = ledger_mark_at(ledger, at);
    const size_t oldest = ledger_oldest(ledger, at);
    uint64_t hash = mix(mix(mark->nonce, mark->incarnation), mark->state_index);
    hash = mix(hash, mix(mark->cluster_id, mix(mark->committed, mark->peers_with_map)));
    if (oldest >= ledger->version_count) {
        return hash;
    }
    const struct ledger_version *version = &ledger->versions[oldest];
    hash = mix(hash, mix(version->hard.term, version->hard.vote));
    hash = mix(hash, mix(version->start_index, version->start_term));
    return hash_bytes_seeded(bytes_of(version->hashes, version->count * sizeof *version->hashes),
                             hash);
}

/* Makes the state after a cut. False when it was tried before. */
static bool make_state(struct enumeration *e,
                       const struct cuts *cuts,
                       const struct tape_cut *cut,
                       const struct ledger *ledger,
                       struct tape *out_tape)
{
    tape_cut(&cuts->cursor, cut, out_tape);
    const uint64_t hash = tape_hash(out_tape);
    e->result->states += seen_add(&e->states, hash);
    if (!seen_add(&e->tried, mix(hash, hash_promise(ledger, cuts->cursor.at)))) {
        tape_deinit(out_tape);
        return false;
    }
    e->result->hash += mix(hash, cuts->cursor.at);
    return true;
}

/* Tries the state after a cut of what `before` did, at the present place: its start. False when it
 * was tried before; then there is nothing to finish. */
static bool try_cut(struct enumeration *e,
                    const struct cuts *cuts,
                    const struct tape_cut *cut,
                    const struct rig *before,
                    struct trial *out_trial)
{
    const size_t level = e->place->depth - 1;
    e->result->cuts[level]++;
    struct tape tape;
    if (!make_state(e, cuts, cut, &before->ledger, &tape)) {
        return false;
    }
    trace_cut(e, cuts, cut);
    const struct trial_crash crash = {.ledger = &before->ledger,
                                      .at = cuts->cursor.at,
                                      .was_killed = cut->is_kill,
                                      .history = e->history,
                                      .map = rig_map(before)};
    trial_init(out_trial, &tape, &crash, &e->rig, 100 * e->place->depth);
    e->result->recoveries[level]++;
    return true;
}

/* The rest of it: it works on, and recovers once more. After crashes of its start were tried,
 * because what it promises from now on is not owed to them. */
static void finish(struct enumeration *e, struct trial *trial)
{
    const size_t level = e->place->depth - 1;
    if (!trial->violation.found) {
        trial_go_on(trial, e->place->cuts[level] % 2 == 1);
        e->result->recoveries[level]++;
    }
    if (trial->violation.found) {
        report(e, &trial->violation);
    }
    trial_deinit(trial);
}

/* ---- levels ---- */

/* Crashes of the recovery of a trial, a sample of each point; `number` tells it from others. */
static void sample_recovery(struct cuts *cuts, const struct trial *trial, uint64_t seed)
{
    cuts_init(cuts, crash_machine_tape(trial->machine), trial->first, trial->end, seed);
    cuts_sample(cuts);
}

static void enumerate_third(struct enumeration *e, const struct trial *before)
{
    struct cuts cuts;
    struct tape_cut cut;
    uint64_t *number = &e->place->cuts[2];
    sample_recovery(&cuts, before, mix(e->place->cuts[0], e->place->cuts[1]));
    e->place->depth = 3;
    for (*number = 0; !is_over(e) && cuts_next(&cuts, &cut); (*number)++) {
        struct trial trial;
        if (try_cut(e, &cuts, &cut, &before->rig, &trial)) {
            finish(e, &trial);
        }
    }
    e->place->depth = 2;
    cuts_deinit(&cuts);
}

static void enumerate_second(struct enumeration *e, const struct trial *before)
{
    struct cuts cuts;
    struct tape_cut cut;
    uint64_t *number = &e->place->cuts[1];
    sample_recovery(&cuts, before, mix(e->options->seed, e->place->cuts[0]));
    e->place->depth = 2;
    for (*number = 0; !is_over(e) && cuts_next(&cuts, &cut); (*number)++) {
        struct trial trial;
        if (!try_cut(e, &cuts, &cut, &before->rig, &trial)) {
            continue;
        }
        if (!trial.violation.found && *number % e->options->again == 0) {
            enumerate_third(e, &trial);
        }
        finish(e, &trial);
    }
    e->place->depth = 1;
    cuts_deinit(&cuts);
}

/* Whether a state of the first level is crashed again while it recovers. */
static bool is_tried_again(const struct enumeration *e)
{
    const struct crash_options *options = e->options;
    return options->again > 0 && (options->only_cut != CRASH_NO_CUT ||
                                  e->result->recoveries[0] / 2 % options->again == 0);
}

/* Which states of the first level are tried when not all are to be: as many as the limit says, from
 * the first operation to the last, and those of each point at least once. */
struct spread {
    uint64_t limit; /* 0 = all. */
    uint64_t total;
    size_t at; /* The point of the last one. */
};

static void spread_init(struct spread *spread,
                        const struct crash_run *run,
                        const struct crash_options *options)
{
    struct cuts cuts;
    struct tape_cut cut;
    const struct tape *tape = crash_machine_tape(run->machine);
    *spread = (struct spread){.limit = options->limit, .at = SIZE_MAX};
    if (spread->limit > 0) {
        cuts_init(&cuts, tape, run->first, tape->op_count, options->seed);
        while (cuts_next(&cuts, &cut)) {
            spread->total++;
        }
        cuts_deinit(&cuts);
    }
}

static bool spread_takes(struct spread *spread, uint64_t number, size_t at)
{
    const bool is_new_point = at != spread->at;
    spread->at = at;
    return is_new_point || spread->total <= spread->limit ||
           number * spread->limit / spread->total != (number + 1) * spread->limit / spread->total;
}

static void enumerate_first(struct enumeration *e, const struct crash_run *run)
{
    struct cuts cuts;
    struct tape_cut cut;
    struct spread spread;
    uint64_t *number = &e->place->cuts[0];
    const struct crash_options *options = e->options;
    const struct tape *tape = crash_machine_tape(run->machine);
    spread_init(&spread, run, options);
    cuts_init(&cuts, tape, run->first, tape->op_count, options->seed);
    e->result->operations = tape->op_count - run->first;
    e->place->depth = 1;
    for (*number = 0; !is_over(e) && cuts_next(&cuts, &cut); (*number)++) {
        struct trial trial;
        if (options->only_cut == CRASH_NO_CUT ? !spread_takes(&spread, *number, cuts.cursor.at)
                                              : options->only_cut != *number) {
            continue;
        }
        if (!try_cut(e, &cuts, &cut, &run->rig, &trial)) {
            continue;
        }
        if (!trial.violation.found && is_tried_again(e)) {
            enumerate_second(e, &trial);
        }
        finish(e, &trial);
    }
    cuts_deinit(&cuts);
}

void crash_enumerate(const struct crash_workload *workload,
                     const struct crash_options *options,
                     struct crash_place *place,
                     struct crash_result *result)
{
    struct crash_run *run = heap_alloc(sizeof *run);
    *place = (struct crash_place){.depth = 1};
    crash_workload_init(run, workload, options->seed);
    rig_stop(&run->rig);
    struct enumeration e = {.workload = workload,
                            .options = options,
                            .place = place,
                            .result = result,
                            .rig = run->rig.options,
                            .history = &run->chain};
    if (run->rig.violation.found) {
        report(&e, &run->rig.violation);
    } else {
        enumerate_first(&e, run);
    }
    heap_free(e.states.slots);
    heap_free(e.tried.slots);
    crash_workload_deinit(run);
    heap_free(run);
}
