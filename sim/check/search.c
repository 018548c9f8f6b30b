/* Wing and Gong's search for a linearization of one key, with Lowe's cache.
 *
 * Invocations and returns of the sure operations form a linked list in order of time. The search
 * takes an operation that is possible now and whose invocation stands before the first return in
 * the list, lifts both of its entries out and goes on from the front; at a return it must undo
 * the last choice. A configuration (set of operations taken, state) that was met before leads
 * nowhere new. The set is known by the xor of a random 128-bit mark per operation (seen.h).
 *
 * Values of registers are unique, which prunes most of the tree: a value may not be overwritten
 * while somebody still has to see it and nobody is left to write it again, a step that is possible
 * and changes nothing is taken at once, and no block of zones.h begins before one that has to come
 * earlier.
 *
 * UNKNOWN operations are no part of the list on register keys: options.c says when they are brought
 * in. On keys of mixed kinds they stand in it without a return, which is exact but slow when there
 * are many.
 *
 * J. Wing, C. Gong: Testing and verifying concurrent objects, 1993. G. Lowe: Testing for
 * linearizability, 2017.
 */
#include "sim/check/search.h"

#include "base/check.h"
#include "base/os/heap.h"
#include "base/prng.h"
#include "sim/check/seen.h"

#include <stdlib.h>

#define STEPS_DEFAULT 20000000
#define TEXT_SIZE     400
#define SEED          20170317

/* One invocation or return in the list. Entry 0 is the list's head. */
struct entry {
    uint64_t stamp;
    size_t step;
    bool is_return;
    size_t match; /* The other entry of the same step; NONE without a return. */
    size_t next;  /* NONE at the end. */
    size_t previous;
};

/* A block that is not begun, in the list of these by first_end. Entry 0 is the list's head. */
struct pending {
    const struct block *block;
    size_t next; /* 0 at the end. */
    size_t previous;
};

/* A choice that may have to be undone. */
struct choice {
    size_t entry;
    size_t option;
    bool was_free;     /* It changed nothing: no other choice can do better. */
    size_t brought_in; /* How many unsure steps it took first; on top of the `taken` stack. */
    uint32_t state_before;
};

struct run {
    struct search search;
    struct seen seen; /* Configurations met. */
    /* Owned. */
    struct entry *entries;
    struct pending *pending;
    size_t *pending_of; /* By block: its place in `pending`. */
    struct choice *choices;
    size_t *taken; /* Unsure steps brought in, newest last. */
    size_t *plan;
    size_t entry_count;
    size_t choice_count;
    size_t taken_count;
    size_t sure_left; /* Sure steps not yet taken. */
    uint32_t state;
    uint64_t set[2];
    /* The furthest the search got, for the reason of a violation. */
    size_t best_left;
    size_t best_stuck; /* The step whose return could not be passed. */
    uint32_t best_state;
};

/* Remembers the present configuration. False when it was met before. */
static bool is_new(struct run *run)
{
    struct prng mix;
    prng_init(&mix, run->state);
    const uint64_t a = run->set[0] ^ prng_next(&mix);
    const uint64_t b = run->set[1] ^ prng_next(&mix);
    return seen_add(&run->seen, a, b);
}

/* Takes the block out of the list, or back into it; in reverse order of taking out. */
static void begin_block(struct run *run, size_t block, bool begun)
{
    const size_t at = run->pending_of[block];
    const struct pending *p = &run->pending[at];
    run->pending[p->previous].next = begun ? p->next : at;
    run->pending[p->next].previous = begun ? p->previous : at;
}

/* False when some block that is not begun must come before the step's. */
static bool may_begin(const struct run *run, size_t step)
{
    const size_t block = run->search.steps[step].block;
    if (block == BLOCK_NONE) {
        return true;
    }
    const struct pending *self = &run->pending[run->pending_of[block]];
    const struct pending *first = &run->pending[run->pending[0].next];
    if (first == self) {
        first = &run->pending[self->next];
    }
    return first->block == NULL || first->block->first_end > self->block->last_start;
}

static void mark(struct run *run, size_t step, bool done)
{
    struct step *s = &run->search.steps[step];
    Q_CHECK(s->done != done);
    s->done = done;
    if (run->search.lazy) {
        step_count(&run->search, step, done);
    }
    if (s->block != BLOCK_NONE) {
        begin_block(run, s->block, done);
    }
    run->set[0] ^= s->mark[0];
    run->set[1] ^= s->mark[1];
}

static void lift(struct run *run, size_t entry)
{
    const struct entry *e = &run->entries[entry];
    run->entries[e->previous].next = e->next;
    if (e->next != NONE) {
        run->entries[e->next].previous = e->previous;
    }
}

static void unlift(struct run *run, size_t entry)
{
    const struct entry *e = &run->entries[entry];
    run->entries[e->previous].next = entry;
    if (e->next != NONE) {
        run->entries[e->next].previous = entry;
    }
}

/* Undoes the newest choice and returns it. */
static struct choice undo(struct run *run)
{
    Q_CHECK(run->choice_count > 0);
    const struct choice choice = run->choices[--run->choice_count];
    const struct entry *e = &run->entries[choice.entry];
    if (e->match != NONE) {
        unlift(run, e->match);
        run->sure_left++;
    }
    unlift(run, choice.entry);
    mark(run, e->step, false);
    for (size_t i = 0; i < choice.brought_in; i++) {
        mark(run, run->taken[--run->taken_count], false);
    }
    run->state = choice.state_before;
    return choice;
}

/* Does one step. False, with nothing done, when it is impossible, or would overwrite a value that
 * others still have to see. */
static bool do_step(struct run *run, size_t step)
{
    uint32_t state = run->state;
    if (!may_begin(run, step) || !step_apply(&run->search, step, run->state, &state)) {
        return false;
    }
    mark(run, step, true);
    if (run->search.lazy && state != run->state && !value_may_go(&run->search, run->state)) {
        mark(run, step, false);
        return false;
    }
    run->state = state;
    return true;
}

/* Takes the unsure steps of `plan` and then the step of `entry`, if all of them are possible. */
static bool take(struct run *run, size_t entry, size_t option, const struct plan *plan)
{
    const struct entry *e = &run->entries[entry];
    const uint32_t state_before = run->state;
    size_t done = 0;
    while (done < plan->count && do_step(run, plan->steps[done])) {
        done++;
    }
    if (done < plan->count || !do_step(run, e->step)) {
        while (done > 0) {
            mark(run, plan->steps[--done], false);
        }
        run->state = state_before;
        return false;
    }
    for (size_t i = 0; i < plan->count; i++) {
        run->taken[run->taken_count++] = plan->steps[i];
    }
    lift(run, entry);
    if (e->match != NONE) {
        lift(run, e->match);
        run->sure_left--;
    }
    run->choices[run->choice_count++] = (struct choice){
        .entry = entry, .option = option, .brought_in = plan->count, .state_before = state_before};
    return true;
}

/* The stamp of the first return in the list: nothing that starts after it may be taken now. */
static uint64_t first_return(const struct run *run)
{
    size_t at = run->entries[0].next;
    while (at != NONE && !run->entries[at].is_return) {
        at = run->entries[at].next;
    }
    return at == NONE ? STAMP_NEVER : run->entries[at].stamp;
}

/* Tries the options of the invocation `entry` from `option` on. True when one led somewhere new. */
static bool try_entry(struct run *run, size_t entry, size_t option, uint64_t *steps_left)
{
    struct plan plan = {.steps = run->plan};
    const uint64_t deadline = run->search.lazy ? first_return(run) : 0;
    for (; *steps_left > 0; option++) {
        (*steps_left)--;
        if (run->search.lazy) {
            if (!plan_option(&run->search, run->entries[entry].step, run->state, deadline, option,
                             &plan)) {
                return false;
            }
        } else if (option > 0) {
            return false;
        }
        if (take(run, entry, option, &plan)) {
            if (is_new(run)) {
                return true;
            }
            (void)undo(run); /* It is the one just made. */
        }
    }
    return false;
}

/* The first invocation before the first return whose step changes nothing; NONE without one. */
static size_t find_free(const struct run *run)
{
    size_t at = run->search.lazy ? run->entries[0].next : NONE;
    while (at != NONE && !run->entries[at].is_return) {
        if (step_is_free(&run->search, run->entries[at].step, run->state)) {
            return at;
        }
        at = run->entries[at].next;
    }
    return NONE;
}

/* Takes everything that is possible and changes nothing. False when that led to a configuration
 * met before. Moving such a step to the front of a linearization never breaks it, so there is
 * nothing else to try in its place. */
static bool take_free(struct run *run)
{
    const struct plan nothing = {0};
    for (size_t at = find_free(run); at != NONE; at = find_free(run)) {
        Q_CHECK(take(run, at, 0, &nothing));
        run->choices[run->choice_count - 1].was_free = true;
        if (!is_new(run)) {
            return false;
        }
    }
    return true;
}

/* Undoes choices up to one that has alternatives. False when there is none. */
static bool go_back(struct run *run, size_t *out_at, size_t *out_option)
{
    while (run->choice_count > 0) {
        const struct choice choice = undo(run);
        if (!choice.was_free) {
            *out_at = choice.entry;
            *out_option = choice.option + 1;
            return true;
        }
    }
    return false;
}

enum outcome { FOUND, NOT_FOUND, OUT_OF_STEPS };

static enum outcome explore(struct run *run, uint64_t steps_left)
{
    bool alive = take_free(run);
    size_t at = run->entries[0].next;
    size_t option = 0;
    while (run->sure_left > 0) {
        if (steps_left == 0) {
            return OUT_OF_STEPS;
        }
        if (alive && at != NONE && !run->entries[at].is_return) {
            const bool taken = try_entry(run, at, option, &steps_left);
            alive = !taken || take_free(run);
            at = taken ? run->entries[0].next : run->entries[at].next;
            option = 0;
            continue;
        }
        if (alive && at != NONE && run->sure_left < run->best_left) {
            run->best_left = run->sure_left;
            run->best_stuck = run->entries[at].step;
            run->best_state = run->state;
        }
        if (!go_back(run, &at, &option)) {
            return NOT_FOUND;
        }
        alive = true;
    }
    return FOUND;
}

/* True when the search has a use for the deed: FAILED ones never happened, and reads of unknown
 * outcome say nothing. */
static bool counts(const struct deed *deed)
{
    return deed_is_ok(deed) || (deed_is_unsure(deed) && !kind_is_read(deed->of->kind));
}

static int by_stamp(const void *left, const void *right)
{
    const struct entry *a = left;
    const struct entry *b = right;
    return a->stamp < b->stamp ? -1 : a->stamp > b->stamp;
}

static void build_steps(struct search *search, const struct zones *zones)
{
    struct prng prng;
    prng_init(&prng, SEED);
    search->lazy = true;
    for (size_t i = 0; i < search->suit->count; i++) {
        const struct deed *deed = &search->suit->deeds[i];
        const struct operation *o = deed->of;
        if (!counts(deed)) {
            continue;
        }
        if (deed_is_unsure(deed)) {
            search->unsure[search->unsure_count++] = search->count;
        }
        struct step *s = &search->steps[search->count++];
        const bool absent = o->absent || (o->kind == HISTORY_RANGE && o->result.size == 0);
        *s = (struct step){.deed = deed,
                           .argument = values_number(&search->values, o->argument),
                           .block = zones->block_of[i],
                           .mark = {prng_next(&prng), prng_next(&prng)}};
        if (o->kind == HISTORY_CAS) {
            s->expected = values_number(&search->values, o->expected);
        }
        if (kind_is_read(o->kind) && !absent) {
            s->result = values_number(&search->values, o->result);
        }
        if (o->kind == HISTORY_APPEND || o->kind == HISTORY_PUSH || o->kind == HISTORY_INCR) {
            search->lazy = false;
        }
    }
}

/* Marks the unsure writes whose value a read saw or a CAS named. */
static void find_observed(struct search *search)
{
    bool *spoken_of = heap_alloc(search->values.count * sizeof *spoken_of);
    for (size_t i = 0; i < search->count; i++) {
        const struct step *s = &search->steps[i];
        spoken_of[s->result] = true;
        spoken_of[s->expected] = true;
    }
    for (size_t i = 0; i < search->count; i++) {
        search->steps[i].observed = spoken_of[search->steps[i].argument];
    }
    heap_free(spoken_of);
}

static void build_list(struct run *run)
{
    run->entry_count = 1;
    for (size_t i = 0; i < run->search.count; i++) {
        const struct deed *deed = run->search.steps[i].deed;
        const bool sure = deed_is_ok(deed);
        if (sure || !run->search.lazy) {
            run->entries[run->entry_count++] = (struct entry){.stamp = deed->started, .step = i};
        }
        if (sure) {
            run->entries[run->entry_count++] =
                (struct entry){.stamp = deed->ended, .step = i, .is_return = true};
            run->sure_left++;
        }
    }
    qsort(&run->entries[1], run->entry_count - 1, sizeof run->entries[0], by_stamp);
    size_t *invocations = heap_alloc(run->search.count * sizeof *invocations);
    for (size_t i = 0; i < run->entry_count; i++) {
        struct entry *e = &run->entries[i];
        e->previous = i == 0 ? NONE : i - 1;
        e->next = i + 1 == run->entry_count ? NONE : i + 1;
        e->match = NONE;
        if (i > 0 && e->is_return) {
            e->match = invocations[e->step];
            run->entries[e->match].match = i;
        } else if (i > 0) {
            invocations[e->step] = i;
        }
    }
    heap_free(invocations);
}

static int by_first_end(const void *left, const void *right)
{
    const struct pending *a = left;
    const struct pending *b = right;
    if (a->block->first_end != b->block->first_end) {
        return a->block->first_end < b->block->first_end ? -1 : 1;
    }
    return a->block < b->block ? -1 : a->block > b->block;
}

static void build_pending(struct run *run, const struct zones *zones)
{
    const size_t count = run->search.lazy ? zones->block_count : 0;
    for (size_t i = 0; i < count; i++) {
        run->pending[i + 1].block = &zones->blocks[i];
    }
    qsort(&run->pending[1], count, sizeof run->pending[0], by_first_end);
    for (size_t i = 0; i <= count; i++) {
        struct pending *p = &run->pending[i];
        p->next = i == count ? 0 : i + 1;
        p->previous = i == 0 ? count : i - 1;
        if (i > 0) {
            run->pending_of[p->block - zones->blocks] = i;
        }
    }
}

static struct verdict explain(const struct run *run, enum outcome outcome)
{
    const struct bytes key = run->search.suit->key;
    struct verdict verdict = verdict_ok();
    if (outcome == OUT_OF_STEPS) {
        verdict = verdict_bad("key %.*s: undecided within the budget of steps", (int)key.size,
                              (const char *)key.data);
        verdict.ok = true;
        verdict.undecided = 1;
    } else if (outcome == NOT_FOUND) {
        char text[TEXT_SIZE];
        const struct bytes value = values_text(&run->search.values, run->best_state);
        verdict = verdict_bad("key %.*s: not linearizable: nothing explains %s; value before it: "
                              "%.*s%s",
                              (int)key.size, (const char *)key.data,
                              deed_text(run->search.steps[run->best_stuck].deed, text, sizeof text),
                              (int)(value.size < 100 ? value.size : 100),
                              value.size == 0 ? "" : (const char *)value.data,
                              run->best_state == VALUE_ABSENT ? "(absent)" : "");
    }
    return verdict;
}

struct verdict search_check(const struct suit *suit, const struct zones *zones, uint64_t steps_max)
{
    struct run run = {.search = {.suit = suit}, .best_left = SIZE_MAX};
    values_init(&run.search.values);
    run.search.steps = heap_alloc(suit->count * sizeof *run.search.steps);
    run.search.unsure = heap_alloc(suit->count * sizeof *run.search.unsure);
    run.entries = heap_alloc((2 * suit->count + 1) * sizeof *run.entries);
    run.pending = heap_alloc((suit->count + 1) * sizeof *run.pending);
    run.pending_of = heap_alloc(suit->count * sizeof *run.pending_of);
    run.choices = heap_alloc(suit->count * sizeof *run.choices);
    run.taken = heap_alloc(suit->count * sizeof *run.taken);
    run.plan = heap_alloc((suit->count + 1) * sizeof *run.plan);
    build_steps(&run.search, zones);
    find_observed(&run.search);
    run.search.mentions = heap_alloc(run.search.values.count * sizeof *run.search.mentions);
    for (size_t i = 0; run.search.lazy && i < run.search.count; i++) {
        step_count(&run.search, i, false);
    }
    build_list(&run);
    build_pending(&run, zones);
    const enum outcome outcome = explore(&run, steps_max == 0 ? STEPS_DEFAULT : steps_max);
    const struct verdict verdict = explain(&run, outcome);
    values_deinit(&run.search.values);
    seen_deinit(&run.seen);
    heap_free(run.search.steps);
    heap_free(run.search.unsure);
    heap_free(run.search.mentions);
    heap_free(run.entries);
    heap_free(run.pending);
    heap_free(run.pending_of);
    heap_free(run.choices);
    heap_free(run.taken);
    heap_free(run.plan);
    return verdict;
}
