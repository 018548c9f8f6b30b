/* Random histories for tests of sim/check: made by a sequential store behind random delays, so that
 * they are right by construction; or the same with one planted fault. */
#ifndef Q_TESTS_UNIT_SIM_RANDOM_HISTORY_H
#define Q_TESTS_UNIT_SIM_RANDOM_HISTORY_H

#include "base/os/heap.h"
#include "unit/sim/random_drafts.h"

static inline int64_t commas(struct bytes text)
{
    int64_t count = 0;
    const uint8_t *at = text.data;
    const uint8_t *end = text.data + text.size;
    while (at < end) {
        const uint8_t *comma = memchr(at, ',', (size_t)(end - at));
        count += comma == NULL ? 0 : 1;
        at = comma == NULL ? end : comma + 1;
    }
    return count;
}

/* The sequential store. Fills in results when `d` is acknowledged. */
static inline void perform(struct draft *d, bool *present, struct buf *value)
{
    const struct bytes argument = bytes_of_text(d->argument);
    int64_t number = 0;
    int64_t delta = 0;
    switch (d->kind) {
    case HISTORY_READ:
    case HISTORY_RANGE:
        buf_clear(&d->seen);
        buf_append(&d->seen, buf_bytes(value));
        d->absent = !*present;
        return;
    case HISTORY_CAS:
        if (!*present || !bytes_equal(buf_bytes(value), bytes_of_text(d->expected))) {
            (void)snprintf(d->result, sizeof d->result, "0");
            return;
        }
        (void)snprintf(d->result, sizeof d->result, "1");
        buf_clear(value);
        buf_append(value, argument);
        return;
    case HISTORY_WRITE:
        *present = true;
        buf_clear(value);
        buf_append(value, argument);
        return;
    case HISTORY_DELETE:
        (void)snprintf(d->result, sizeof d->result, *present ? "1" : "0");
        *present = false;
        buf_clear(value);
        return;
    case HISTORY_APPEND:
        *present = true;
        buf_append(value, argument);
        (void)snprintf(d->result, sizeof d->result, "%zu", buf_size(value));
        return;
    case HISTORY_PUSH:
        buf_append_text(value, *present ? "," : "");
        *present = true;
        buf_append(value, argument);
        number = 1 + commas(buf_bytes(value));
        (void)snprintf(d->result, sizeof d->result, "%lld", (long long)number);
        return;
    case HISTORY_INCR:
        (void)bytes_to_int64(buf_bytes(value), &number);
        (void)bytes_to_int64(argument, &delta);
        number += delta;
        *present = true;
        buf_clear(value);
        buf_append_format(value, "%lld", (long long)number);
        (void)snprintf(d->result, sizeof d->result, "%lld", (long long)number);
        return;
    }
}

static inline int by_point(const void *left, const void *right)
{
    const struct draft *a = *(struct draft *const *)left;
    const struct draft *b = *(struct draft *const *)right;
    if (a->point != b->point) {
        return a->point < b->point ? -1 : 1;
    }
    return a < b ? -1 : a > b;
}

/* Performs one draft with the fault, if this is a place for it. True when it was planted. */
static inline bool perform_faulty(struct draft *d, struct cell *cell, enum fault fault)
{
    const bool acknowledged = d->outcome == HISTORY_OK;
    struct buf copy = {0};
    bool present = cell->present;
    switch (fault) {
    case FAULT_NONE: return false;
    case FAULT_LOSE:
        if (!acknowledged || reads(d->kind)) {
            return false;
        }
        buf_append(&copy, buf_bytes(&cell->value));
        perform(d, &present, &copy);
        present =
            present != cell->present || !bytes_equal(buf_bytes(&copy), buf_bytes(&cell->value));
        buf_deinit(&copy);
        return present; /* With no effect to lose, try the next one. */
    case FAULT_DOUBLE:
        if (!acknowledged || reads(d->kind) || d->kind == HISTORY_WRITE || d->kind == HISTORY_CAS ||
            d->kind == HISTORY_DELETE) {
            return false; /* The second of two equal writes at once changes nothing. */
        }
        perform(d, &cell->present, &cell->value);
        (void)snprintf(d->expected, sizeof d->expected, "%s", d->result);
        perform(d, &cell->present, &cell->value);
        (void)snprintf(d->result, sizeof d->result, "%s", d->expected);
        return true;
    case FAULT_STALE:
        if (!acknowledged || !reads(d->kind) || cell->last_end >= d->from ||
            cell->earlier_ends >= cell->last_start) {
            return false;
        }
        perform(d, &cell->before_present, &cell->before);
        return true;
    case FAULT_ABORTED:
        if (d->outcome != HISTORY_FAILED || reads(d->kind)) {
            return false;
        }
        perform(d, &cell->present, &cell->value);
        return true;
    }
    return false;
}

/* Performs one draft, and remembers what was there before when it changed something. */
static inline void perform_well(struct draft *d, struct cell *cell)
{
    const bool present = cell->present;
    struct buf value = {0};
    buf_append(&value, buf_bytes(&cell->value));
    perform(d, &cell->present, &cell->value);
    if (present != cell->present || !bytes_equal(buf_bytes(&value), buf_bytes(&cell->value))) {
        if (cell->last_end > cell->earlier_ends) {
            cell->earlier_ends = cell->last_end;
        }
        cell->last_end = d->outcome == HISTORY_OK ? d->to : UINT64_MAX;
        cell->last_start = d->from;
        cell->before_present = present;
        buf_clear(&cell->before);
        buf_append(&cell->before, buf_bytes(&value));
    }
    buf_deinit(&value);
}

/* Lets the drafts take effect in the order of their points. True when the fault was planted. */
static inline bool run(const struct plan *plan, struct draft *drafts, size_t count)
{
    struct draft **order = heap_alloc(count * sizeof(void *));
    struct cell *cells = heap_alloc(plan->keys * sizeof *cells);
    for (size_t i = 0; i < count; i++) {
        order[i] = &drafts[i];
    }
    qsort(order, count, sizeof(void *), by_point);
    bool planted = false;
    for (size_t i = 0; i < count; i++) {
        struct cell *cell = &cells[order[i]->key];
        /* Somewhere in the middle, so that there is a before and an after. */
        if (!planted && i > count / 3 && perform_faulty(order[i], cell, plan->fault)) {
            planted = true;
        } else if (order[i]->effective) {
            perform_well(order[i], cell);
        }
    }
    for (size_t i = 0; i < plan->keys; i++) {
        buf_deinit(&cells[i].value);
        buf_deinit(&cells[i].before);
    }
    heap_free(cells);
    heap_free((void *)order);
    return planted;
}

/* Records the drafts and frees what they own. */
static inline struct history *record(struct draft *drafts, size_t count)
{
    struct history *history = history_new();
    for (size_t i = 0; i < count; i++) {
        struct draft *d = &drafts[i];
        char key[16];
        (void)snprintf(key, sizeof key, "k%zu", d->key);
        const struct history_call call = {
            .client = d->client,
            .kind = d->kind,
            .key = bytes_of_text(key),
            .argument = bytes_of_text(d->argument),
            .expected = bytes_of_text(d->kind == HISTORY_CAS ? d->expected : "")};
        const size_t number = history_invoke(history, &call, d->from);
        const bool ok = d->outcome == HISTORY_OK;
        if (d->outcome != HISTORY_PENDING) {
            const struct bytes result =
                reads(d->kind) ? buf_bytes(&d->seen) : bytes_of_text(d->result);
            history_return(history, number, d->outcome, ok && d->absent,
                           ok ? result : bytes_of(NULL, 0), d->to);
        }
        buf_deinit(&d->seen);
    }
    return history;
}

static inline struct history *make(const struct plan *plan, bool *out_planted)
{
    struct prng prng;
    prng_init(&prng, plan->seed);
    struct draft *drafts = heap_alloc((plan->operations + plan->keys) * sizeof *drafts);
    const size_t count = draw(plan, &prng, drafts);
    *out_planted = run(plan, drafts, count);
    struct history *history = record(drafts, count);
    heap_free(drafts);
    return history;
}

static inline bool closes(enum family family)
{
    return family == APPENDS || family == LISTS;
}

/* Replaces one acknowledged answer by another one that could have been. */
static inline void tamper(struct prng *prng, struct draft *drafts, size_t count)
{
    struct draft *d = &drafts[prng_below(prng, count)];
    const struct draft *other = &drafts[prng_below(prng, count)];
    if (d->outcome != HISTORY_OK) {
        return;
    }
    if (reads(d->kind)) {
        d->absent = prng_chance(prng, 1, 4);
        if (d->absent) {
            buf_clear(&d->seen);
        } else if (reads(other->kind) && other != d) {
            buf_clear(&d->seen);
            buf_append(&d->seen, buf_bytes(&other->seen));
            d->absent = other->absent;
        } else if (!reads(other->kind) && other->kind != HISTORY_DELETE) {
            buf_clear(&d->seen);
            buf_append_text(&d->seen, other->argument);
        }
    } else if (d->kind == HISTORY_CAS || d->kind == HISTORY_DELETE) {
        d->result[0] = d->result[0] == '1' ? '0' : '1';
    } else if (d->kind != HISTORY_WRITE) {
        (void)snprintf(d->result, sizeof d->result, "%d", (int)prng_between(prng, 1, 12));
    }
}

#endif
