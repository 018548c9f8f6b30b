#include "sim/shrink.h"

#include "base/check.h"
#include "base/os/clock.h"
#include "base/os/heap.h"
#include "sim/attempt.h"
#include "sim/ddmin.h"
#include "sim/option_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define LIMIT_MIN_MS     2000
#define LIMIT_FACTOR     4 /* A smaller run may take so many times as long as the first. */
#define FINE_ENOUGH      16
#define COMMON_PPM       100000
#define VARIATIONS_FIRST 2
#define VARIATIONS_LAST  64 /* When these bring nothing more, it is small enough. */

/* What is cut by number and not made plain at once. */
static const char *const SIZES[] = {"nodes", "clients",  "operations",   "duration_us",
                                    "keys",  "pipeline", "value_padding"};
/* What must stay: without it there is no failure, or it is another one. */
static const char *const KEPT[] = {"variation", "selftest", "partition_nodes", "partition_pattern",
                                   "partition_leader"};

struct shrinker {
    const struct shrink_limits *limits;
    struct sim_options best;
    struct attempt first; /* How the given run ended. */
    struct attempt now;   /* How the smallest one so far ends. */
    uint64_t started_ms;
    uint64_t attempt_limit_ms;
    uint32_t variations; /* Of each smaller run to try. */
    uint64_t attempts;
    bool progressed;
};

static uint64_t elapsed_ms(const struct shrinker *shrinker)
{
    return clock_monotonic_ms() - shrinker->started_ms;
}

static bool is_late(const struct shrinker *shrinker)
{
    return elapsed_ms(shrinker) >= shrinker->limits->time_limit_ms;
}

static void tell(const struct shrinker *shrinker, const char *step)
{
    const struct sim_options *best = &shrinker->best;
    const struct world_result *result = &shrinker->now.result;
    (void)printf("shrink: %-28s nodes %u, operations %u, %.1f s", step, best->node_count,
                 best->operation_count, (double)best->duration_us / 1e6);
    if (result->has_ended) {
        (void)printf(", faults %" PRIu64 ", events %" PRIu64, result->faults, result->events);
    }
    (void)printf(" (%" PRIu64 " runs, %.1f s)\n", shrinker->attempts,
                 (double)elapsed_ms(shrinker) / 1000);
}

/* ---- one step ---- */

/* How long a run may take so that the whole keeps its limit. */
static uint64_t limit_ms(const struct shrinker *shrinker)
{
    const uint64_t gone_ms = elapsed_ms(shrinker);
    const uint64_t left_ms =
        gone_ms < shrinker->limits->time_limit_ms ? shrinker->limits->time_limit_ms - gone_ms : 0;
    return left_ms < shrinker->attempt_limit_ms ? left_ms : shrinker->attempt_limit_ms;
}

/* The numbers of faults that cannot happen say nothing. */
static void forget_unused(struct sim_options *options)
{
    for (size_t i = 0; i < FAULT_CLASSES; i++) {
        if (options->fault_interval_us[i] == 0) {
            memset(options->only_faults.bits[i], 0, sizeof options->only_faults.bits[i]);
        }
    }
}

/* Takes these options when they, or a variation of them, fail in the same way. */
static bool try(struct shrinker *shrinker, struct sim_options *options)
{
    const char *error = NULL;
    if (is_late(shrinker) || !sim_options_fit(options, &error)) {
        return false;
    }
    forget_unused(options);
    struct sim_options tries[SHRINK_JOBS_MAX];
    struct attempt ends[SHRINK_JOBS_MAX];
    uint32_t next = 0;
    while (next < shrinker->variations && !is_late(shrinker)) {
        uint32_t count = 0;
        while (count < shrinker->limits->jobs && next < shrinker->variations) {
            tries[count] = *options;
            tries[count++].variation += next++;
        }
        attempt_run(tries, count, limit_ms(shrinker), ends);
        shrinker->attempts += count;
        for (uint32_t i = 0; i < count; i++) {
            if (attempt_is_alike(&ends[i], &shrinker->first)) {
                shrinker->best = tries[i];
                shrinker->now = ends[i];
                shrinker->progressed = true;
                return true;
            }
        }
    }
    return false;
}

static bool is_among(size_t number, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (option_find(names[i]) == number) {
            return true;
        }
    }
    return false;
}

/* ---- the end of the run ---- */

/* Fewer operations in as much less time: the run is the same as long as it lasts. */
static bool try_shorter(struct shrinker *shrinker, uint32_t operations)
{
    struct sim_options options = shrinker->best;
    const uint64_t pace_us = options.duration_us / (options.operation_count + UINT64_C(1));
    const uint64_t duration_us = pace_us * (operations + UINT64_C(1));
    if (operations >= options.operation_count ||
        duration_us < option_at(option_find("duration_us"))->min) {
        return false;
    }
    options.operation_count = operations;
    options.duration_us = duration_us;
    return try(shrinker, &options);
}

static void cut_end(struct shrinker *shrinker)
{
    /* Nothing that comes after the violation is needed for it. */
    const struct world_result *now = &shrinker->now.result;
    const uint64_t pace_us =
        shrinker->best.duration_us / (shrinker->best.operation_count + UINT64_C(1));
    if (now->has_ended && pace_us > 0 && now->violation.at_us / pace_us < UINT32_MAX) {
        (void)try_shorter(shrinker, (uint32_t)(now->violation.at_us / pace_us));
    }
    uint32_t low = 0;
    while (shrinker->best.operation_count - low >
               1 + shrinker->best.operation_count / FINE_ENOUGH &&
           !is_late(shrinker)) {
        const uint32_t middle = low + (shrinker->best.operation_count - low) / 2;
        if (!try_shorter(shrinker, middle)) {
            low = middle;
        }
    }
    tell(shrinker, "the end cut off");
}

/* ---- what is on ---- */

static bool fails_with(void *context, const uint32_t *kept, size_t count)
{
    struct shrinker *shrinker = context;
    struct sim_options options = shrinker->best;
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        bool is_kept = is_among(i, SIZES, sizeof SIZES / sizeof SIZES[0]) ||
                       is_among(i, KEPT, sizeof KEPT / sizeof KEPT[0]);
        for (size_t k = 0; k < count && !is_kept; k++) {
            is_kept = kept[k] == i;
        }
        if (!is_kept) {
            option_put(&options, i, option_at(i)->plain);
        }
    }
    return try(shrinker, &options);
}

/* Faults, network and clocks off, timing plain: whatever is not needed. */
static void make_plain(struct shrinker *shrinker)
{
    uint32_t numbers[OPTION_COUNT];
    size_t count = 0;
    for (uint32_t i = 0; i < OPTION_COUNT; i++) {
        const bool is_plain = option_get(&shrinker->best, i) == option_at(i)->plain;
        if (!is_plain && !is_among(i, SIZES, sizeof SIZES / sizeof SIZES[0]) &&
            !is_among(i, KEPT, sizeof KEPT / sizeof KEPT[0])) {
            numbers[count++] = i;
        }
    }
    (void)ddmin(numbers, count, fails_with, shrinker);
    tell(shrinker, "plain what may be");
}

/* ---- how much of it ---- */

static bool try_size(struct shrinker *shrinker, size_t number, uint64_t value)
{
    struct sim_options options = shrinker->best;
    option_put(&options, number, value);
    return try(shrinker, &options);
}

static void cut_size(struct shrinker *shrinker, size_t number)
{
    uint64_t low = option_at(number)->min;
    if (option_get(&shrinker->best, number) == low || try_size(shrinker, number, low)) {
        return;
    }
    while (!is_late(shrinker)) {
        const uint64_t high = option_get(&shrinker->best, number);
        if (high - low <= 1 + high / FINE_ENOUGH) {
            return;
        }
        const uint64_t middle = low + (high - low) / 2;
        if (!try_size(shrinker, number, middle)) {
            low = middle;
        }
    }
}

/* What is still on and rare had better be common: then the failure comes soon in short runs too. */
static void make_common(struct shrinker *shrinker)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct option *option = option_at(i);
        const uint64_t value = option_get(&shrinker->best, i);
        const size_t size = strlen(option->name);
        const bool is_rate = size > 4 && strcmp(option->name + size - 4, "_ppm") == 0;
        if (is_rate && value != option->plain && value < COMMON_PPM && option->max >= COMMON_PPM) {
            (void)try_size(shrinker, i, COMMON_PPM);
        }
    }
    tell(shrinker, "common what is rare");
}

static void cut_sizes(struct shrinker *shrinker)
{
    for (size_t i = 0; i < sizeof SIZES / sizeof SIZES[0]; i++) {
        cut_size(shrinker, option_find(SIZES[i]));
    }
    tell(shrinker, "less of everything");
}

/* ---- single faults ---- */

static bool fails_with_faults(void *context, const uint32_t *kept, size_t count)
{
    struct shrinker *shrinker = context;
    struct sim_options options = shrinker->best;
    bool is_used[FAULT_CLASSES] = {false};
    options.only_faults = (struct fault_set){.is_limited = true};
    for (size_t i = 0; i < count; i++) {
        const enum fault_class class = (enum fault_class)(kept[i] / FAULTS_NAMED_MAX);
        fault_set_add(&options.only_faults, class, kept[i] % FAULTS_NAMED_MAX + 1);
        is_used[class] = true;
    }
    for (size_t i = 0; i < FAULT_CLASSES; i++) {
        if (!is_used[i]) {
            options.fault_interval_us[i] = 0;
        }
    }
    return try(shrinker, &options);
}

static void cut_faults(struct shrinker *shrinker)
{
    const struct world_result *now = &shrinker->now.result;
    uint32_t *faults = heap_alloc_raw((size_t)FAULT_CLASSES * FAULTS_NAMED_MAX * sizeof *faults);
    size_t count = 0;
    for (uint32_t i = 0; i < FAULT_CLASSES; i++) {
        /* A process that died has not said how many there were. */
        const bool is_known = now->has_ended || shrinker->best.fault_interval_us[i] == 0;
        uint64_t last = is_known ? now->faults_by_class[i] : FAULTS_NAMED_MAX;
        last = last < FAULTS_NAMED_MAX ? last : FAULTS_NAMED_MAX;
        for (uint32_t number = 1; number <= last; number++) {
            if (fault_set_has(&shrinker->best.only_faults, (enum fault_class)i, number)) {
                faults[count++] = i * FAULTS_NAMED_MAX + number - 1;
            }
        }
    }
    (void)ddmin(faults, count, fails_with_faults, shrinker);
    heap_free(faults);
    tell(shrinker, "only the faults needed");
}

/* ---- all of it ---- */

static void tell_numbers(const char *what, uint64_t before, uint64_t after)
{
    (void)printf("  %-11s %8" PRIu64 " -> %" PRIu64 "\n", what, before, after);
}

static void tell_result(const struct shrinker *shrinker, const struct sim_options *given)
{
    const struct world_result *before = &shrinker->first.result;
    const struct world_result *after = &shrinker->now.result;
    const struct sim_options *best = &shrinker->best;
    (void)printf("SHRUNK seed=%" PRIu64 " checker=%s runs=%" PRIu64 " seconds=%.1f%s\n", best->seed,
                 before->violation.checker, shrinker->attempts, (double)elapsed_ms(shrinker) / 1000,
                 is_late(shrinker) ? " (out of time)" : "");
    tell_numbers("nodes", given->node_count, best->node_count);
    tell_numbers("clients", given->client_count, best->client_count);
    if (before->has_ended && after->has_ended) {
        tell_numbers("operations", before->operations, after->operations);
        tell_numbers("faults", before->faults, after->faults);
        tell_numbers("events", before->events, after->events);
        tell_numbers("time in ms", before->simulated_us / 1000, after->simulated_us / 1000);
    } else { /* The dead cannot count; these are upper limits. */
        tell_numbers("operations", given->operation_count, best->operation_count);
        tell_numbers("time in ms", given->duration_us / 1000, best->duration_us / 1000);
    }
}

static bool begin(struct shrinker *shrinker)
{
    attempt_run(&shrinker->best, 1, shrinker->limits->time_limit_ms, &shrinker->first);
    shrinker->attempts++;
    shrinker->now = shrinker->first;
    const uint64_t limit = elapsed_ms(shrinker) * LIMIT_FACTOR;
    shrinker->attempt_limit_ms = limit > LIMIT_MIN_MS ? limit : LIMIT_MIN_MS;
    return shrinker->first.result.violation.found;
}

bool shrink(struct sim_options *options, const struct shrink_limits *limits)
{
    Q_CHECK(limits->jobs > 0 && limits->jobs <= SHRINK_JOBS_MAX);
    struct shrinker *shrinker = heap_alloc(sizeof *shrinker);
    shrinker->limits = limits;
    shrinker->best = *options;
    shrinker->started_ms = clock_monotonic_ms();
    shrinker->variations = VARIATIONS_FIRST;
    const bool failed = begin(shrinker);
    if (failed) {
        tell(shrinker, "given");
        while ((shrinker->progressed || shrinker->variations <= VARIATIONS_LAST) &&
               !is_late(shrinker)) {
            shrinker->progressed = false;
            cut_end(shrinker);
            make_plain(shrinker);
            make_common(shrinker);
            cut_sizes(shrinker);
            cut_faults(shrinker);
            if (!shrinker->progressed) {
                shrinker->variations *= 2;
            }
        }
        tell_result(shrinker, options);
        *options = shrinker->best;
    }
    heap_free(shrinker);
    return failed;
}
