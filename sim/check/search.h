/* The state of Wing and Gong's search on one key. Private to search.c and options.c. */
#ifndef Q_SIM_CHECK_SEARCH_H
#define Q_SIM_CHECK_SEARCH_H

#include "sim/check/judge.h"
#include "sim/check/values.h"
#include "sim/check/zones.h"

#define NONE SIZE_MAX

/* A deed's own copy of what the search needs. Values are numbers of `struct values`. */
struct step {
    const struct deed *deed;
    uint32_t argument;
    uint32_t expected;
    uint32_t result;  /* Of READ and RANGE; VALUE_ABSENT when the key was not there. */
    bool observed;    /* An unsure write whose value some other deed speaks of. */
    bool done;        /* Already in the order being tried. */
    size_t block;     /* The block of zones.h that it begins; BLOCK_NONE = none. */
    uint64_t mark[2]; /* Random; the set of done steps is known by the xor of their marks. */
};

/* How many steps not yet done speak of a value. */
struct mentions {
    uint32_t observers; /* Sure ones that need it. */
    uint32_t producers; /* That leave it behind, unsure ones included. */
};

/* What must be done before a step is possible, in this order. */
struct plan {
    size_t *steps; /* Borrowed: room for all steps. */
    size_t count;
};

struct search {
    const struct suit *suit;
    /* Owned. */
    struct values values;
    struct step *steps;        /* In order of start. */
    size_t *unsure;            /* Indices of the unsure ones among them, in the same order. */
    struct mentions *mentions; /* By value; only for lazy searches. */
    size_t count;
    size_t unsure_count;
    bool lazy; /* Unsure steps are taken only when a sure one needs them. */
};

/* What `step` makes of `state`. False when it could not have answered as it did there. */
bool step_apply(struct search *search, size_t step, uint32_t state, uint32_t *out_state);

/* True when `step` is possible in `state` and leaves it as it is. */
bool step_is_free(const struct search *search, size_t step, uint32_t state);

/* Counts `step` as done, or as not done again. Only for lazy searches. */
void step_count(struct search *search, size_t step, bool done);

/* True when nobody waits for `value` who could not see it again later: it may be overwritten. Only
 * for lazy searches. */
bool value_may_go(const struct search *search, uint32_t value);

/* The `option`-th way to make `step` possible in `state` by unsure steps that started before the
 * stamp `deadline`. False when there are no more ways. Only for lazy searches. */
bool plan_option(const struct search *search,
                 size_t step,
                 uint32_t state,
                 uint64_t deadline,
                 size_t option,
                 struct plan *out_plan);

#endif
