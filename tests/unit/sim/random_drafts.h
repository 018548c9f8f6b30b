/* Who does what when in a random history: operations before they have been performed. */
#ifndef Q_TESTS_UNIT_SIM_RANDOM_DRAFTS_H
#define Q_TESTS_UNIT_SIM_RANDOM_DRAFTS_H

#include "base/os/buf.h"
#include "base/prng.h"
#include "harness/test.h"
#include "sim/check/history.h"

#include <stdio.h>
#include <stdlib.h>

enum family {
    REGISTERS,
    APPENDS,
    LISTS,
    COUNTERS,
    STEPS,          /* Counters that go up in different steps. */
    MIXED_COUNTERS, /* Up and down. */
    MIXED,          /* Strings that are written, appended to and removed. */
    FAMILIES
};

enum fault {
    FAULT_NONE,
    FAULT_LOSE,   /* An acknowledged update has no effect. */
    FAULT_DOUBLE, /* An acknowledged update takes effect twice. */
    FAULT_STALE,  /* A read returns what was there before an update that had ended. */
    FAULT_ABORTED /* An update that FAILED takes effect. */
};

struct draft {
    uint32_t client;
    enum history_kind kind;
    enum history_outcome outcome;
    bool absent;
    bool effective;
    size_t key;
    char argument[24];
    char expected[24];
    char result[24]; /* Short ones; reads have theirs in `seen`. */
    struct buf seen; /* Owned. */
    uint64_t from;
    uint64_t to;
    uint64_t point; /* When it takes effect. */
};

struct plan {
    uint64_t seed;
    size_t operations;
    size_t keys;
    uint32_t clients;
    uint32_t slow_clients; /* The first ones: their operations last a hundred times as long. */
    uint64_t unknown_percent;
    uint64_t failed_percent;
    bool closing_reads;
    enum family family;
    enum fault fault;
};

struct cell {
    bool present;
    struct buf value; /* Owned. */
    /* For FAULT_STALE: the value before the last update, and when that one ended. */
    bool before_present;
    struct buf before; /* Owned. */
    uint64_t last_end;
    uint64_t last_start;
    uint64_t earlier_ends; /* The latest end among the updates before the last. */
};

static inline enum history_kind pick_kind(struct prng *prng, enum family family)
{
    static const enum history_kind kinds[FAMILIES][8] = {
        [REGISTERS] = {HISTORY_READ, HISTORY_WRITE, HISTORY_CAS, HISTORY_DELETE, HISTORY_READ,
                       HISTORY_WRITE, HISTORY_CAS, HISTORY_READ},
        [APPENDS] = {HISTORY_READ, HISTORY_APPEND, HISTORY_READ, HISTORY_APPEND, HISTORY_READ,
                     HISTORY_APPEND, HISTORY_APPEND, HISTORY_APPEND},
        [LISTS] = {HISTORY_RANGE, HISTORY_PUSH, HISTORY_RANGE, HISTORY_PUSH, HISTORY_PUSH,
                   HISTORY_PUSH, HISTORY_PUSH, HISTORY_PUSH},
        [COUNTERS] = {HISTORY_READ, HISTORY_INCR, HISTORY_READ, HISTORY_INCR, HISTORY_INCR,
                      HISTORY_INCR, HISTORY_INCR, HISTORY_INCR},
        [STEPS] = {HISTORY_READ, HISTORY_INCR, HISTORY_READ, HISTORY_INCR, HISTORY_INCR,
                   HISTORY_INCR, HISTORY_INCR, HISTORY_INCR},
        [MIXED_COUNTERS] = {HISTORY_READ, HISTORY_INCR, HISTORY_READ, HISTORY_INCR, HISTORY_INCR,
                            HISTORY_INCR, HISTORY_INCR, HISTORY_INCR},
        [MIXED] = {HISTORY_READ, HISTORY_WRITE, HISTORY_CAS, HISTORY_DELETE, HISTORY_APPEND,
                   HISTORY_APPEND, HISTORY_READ, HISTORY_WRITE}};
    return kinds[family][prng_below(prng, 8)];
}

static inline bool reads(enum history_kind kind)
{
    return kind == HISTORY_READ || kind == HISTORY_RANGE;
}

static inline void fill_arguments(struct prng *prng,
                                  struct draft *d,
                                  size_t number,
                                  enum family family)
{
    static const char *const tails[] = {"", "x", "yz"};
    int step = 0;
    switch (d->kind) {
    case HISTORY_APPEND:
        (void)snprintf(d->argument, sizeof d->argument, "%zu%s;", number,
                       tails[prng_below(prng, 3)]);
        break;
    case HISTORY_WRITE:
    case HISTORY_CAS:
    case HISTORY_PUSH: (void)snprintf(d->argument, sizeof d->argument, "v%zu", number); break;
    case HISTORY_INCR:
        step = family == COUNTERS ? 3
               : family == STEPS  ? 1 + (int)prng_below(prng, 9)
                                  : (int)prng_below(prng, 5) - 2;
        (void)snprintf(d->argument, sizeof d->argument, "%d", step);
        break;
    case HISTORY_READ:
    case HISTORY_DELETE:
    case HISTORY_RANGE: break;
    }
    if (d->kind == HISTORY_CAS) {
        const size_t back = 1 + prng_below(prng, 8);
        (void)snprintf(d->expected, sizeof d->expected, "v%zu", number > back ? number - back : 0);
    }
}

/* Draws who does what when, and when it takes effect. */
static inline size_t draw(const struct plan *plan, struct prng *prng, struct draft *drafts)
{
    uint64_t clocks[16] = {0};
    uint64_t end = 0;
    size_t count = 0;
    for (; count < plan->operations; count++) {
        struct draft *d = &drafts[count];
        /* Slow ones act as rarely as they are slow, so that all end at about the same time. */
        const bool slow = plan->slow_clients > 0 && prng_chance(prng, 1, 60);
        const uint32_t first = slow ? 0 : plan->slow_clients;
        const uint32_t past = slow ? plan->slow_clients : plan->clients;
        *d = (struct draft){.client = (uint32_t)prng_between(prng, first, past - 1)};
        uint64_t *clock = &clocks[d->client];
        d->kind = pick_kind(prng, plan->family);
        d->key = prng_below(prng, plan->keys);
        fill_arguments(prng, d, count, plan->family);
        d->from = *clock + 1 + prng_below(prng, 10);
        d->to = d->from + prng_below(prng, d->client < plan->slow_clients ? 3000 : 30);
        d->point = prng_between(prng, d->from, d->to);
        d->effective = true;
        d->outcome = HISTORY_OK;
        *clock = d->to;
        if (prng_chance(prng, plan->unknown_percent, 100)) {
            d->outcome = prng_chance(prng, 1, 4) ? HISTORY_PENDING : HISTORY_UNKNOWN;
            d->effective = prng_chance(prng, 1, 2);
            d->point = d->from + prng_below(prng, 200);
        } else if (prng_chance(prng, plan->failed_percent, 100)) {
            d->outcome = HISTORY_FAILED;
            d->effective = false;
        }
        end = d->to > end ? d->to : end;
    }
    for (size_t key = 0; plan->closing_reads && key < plan->keys; key++) {
        struct draft *d = &drafts[count++];
        *d = (struct draft){.kind = plan->family == LISTS ? HISTORY_RANGE : HISTORY_READ,
                            .key = key,
                            .from = end + 300 + key,
                            .to = end + 300 + key,
                            .point = end + 300 + key,
                            .effective = true,
                            .outcome = HISTORY_OK};
    }
    return count;
}

#endif
