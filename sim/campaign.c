#include "sim/campaign.h"

#include "base/check.h"
#include "base/os/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define JOBS_MAX 64
#define FITS_MAX 100000 /* Seeds looked at beforehand: about a second. */

/* A worker: a process that is told seeds over one pipe and answers over another. */
struct worker {
    uint64_t seed; /* The one it runs. */
    pid_t pid;
    int seeds;   /* We write. */
    int results; /* We read. */
    bool is_busy;
};

static void print_violation(const struct campaign_options *options,
                            const struct world_result *result)
{
    struct buf text = {0};
    report_violation(&options->origin, &options->changes, result, &text);
    const struct bytes bytes = buf_bytes(&text);
    (void)fwrite(bytes.data, 1, bytes.size, stdout);
    (void)fflush(stdout);
    buf_deinit(&text);
}

/* A mixing step, so that sums of seeds' hashes do not cancel out. */
static uint64_t mix(uint64_t seed, uint64_t hash)
{
    uint64_t value = (seed * UINT64_C(0x9E3779B97F4A7C15)) ^ hash;
    value = (value ^ value >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    return value ^ value >> 31;
}

static void add(const struct campaign_options *options,
                const struct world_result *one,
                struct campaign_result *result)
{
    result->seeds++;
    result->simulated_us += one->simulated_us;
    result->operations += one->operations;
    result->faults += one->faults;
    result->hash += mix(one->seed, one->hash);
    result->undecided += one->undecided;
    if (one->heap_peak > result->heap_peak) {
        result->heap_peak = one->heap_peak;
        result->heap_peak_seed = one->seed;
    }
    partitions_add(&result->partition, &one->partition);
    coverage_add(&result->coverage, &one->coverage);
    if (options->print_hashes) {
        (void)printf("seed=%" PRIu64 " hash=%016" PRIx64 "\n", one->seed, one->hash);
    }
    if (one->violation.found) {
        result->violations++;
        print_violation(options, one);
    }
}

bool campaign_fits(const struct campaign_options *options,
                   uint64_t *out_seed,
                   const char **out_error)
{
    if (option_changes_are_empty(&options->changes)) {
        return true; /* What is drawn fits. */
    }
    for (uint64_t i = 0; i < options->seed_count && i < FITS_MAX; i++) {
        struct sim_options world = {0};
        const uint64_t seed = options->first_seed + i;
        if (!option_changes_resolve(&options->changes, seed, &world, out_error)) {
            *out_seed = seed;
            return false;
        }
    }
    return true;
}

void campaign_run_seed(const struct campaign_options *options,
                       uint64_t seed,
                       struct world_result *out)
{
    struct sim_options world = {.verbose = options->verbose};
    const char *error = NULL;
    Q_CHECK(option_changes_resolve(&options->changes, seed, &world, &error));
    world_run(&world, out);
    if (out->violation.found && !world.verbose) { /* Shown to a human: it had better be true. */
        struct world_result again;
        world_run(&world, &again);
        out->hash_again = again.hash;
    }
}

static bool transfer(int fd, void *data, size_t size, bool writes)
{
    uint8_t *at = data;
    while (size > 0) {
        const ssize_t count = writes ? write(fd, at, size) : read(fd, at, size);
        if (count <= 0) {
            if (count < 0 && errno == EINTR) {
                continue;
            }
            return false;
        }
        at += count;
        size -= (size_t)count;
    }
    return true;
}

static _Noreturn void work(const struct campaign_options *options, int seeds, int results)
{
    uint64_t seed = 0;
    while (transfer(seeds, &seed, sizeof seed, false)) {
        struct world_result one;
        campaign_run_seed(options, seed, &one);
        if (!transfer(results, &one, sizeof one, true)) {
            break;
        }
    }
    _exit(0);
}

/* `all`: the child must not hold the others' pipes open. */
static void start_worker(const struct campaign_options *options,
                         struct worker *all,
                         struct worker *worker)
{
    int seeds[2];
    int results[2];
    Q_CHECK(pipe(seeds) == 0 && pipe(results) == 0);
    (void)fflush(stdout);
    worker->pid = fork();
    Q_CHECK(worker->pid >= 0);
    if (worker->pid == 0) {
        (void)close(seeds[1]);
        (void)close(results[0]);
        for (uint32_t i = 0; i < options->jobs; i++) {
            if (all[i].pid != 0 && &all[i] != worker) {
                (void)close(all[i].seeds);
                (void)close(all[i].results);
            }
        }
        work(options, seeds[0], results[1]);
    }
    (void)close(seeds[0]);
    (void)close(results[1]);
    worker->seeds = seeds[1];
    worker->results = results[0];
    worker->is_busy = false;
}

static void stop_worker(struct worker *worker)
{
    (void)close(worker->seeds);
    (void)close(worker->results);
    while (waitpid(worker->pid, NULL, 0) < 0 && errno == EINTR) {
    }
}

/* The worker has died of the seed: that is a violation, and a new worker takes its place. */
static void bury(const struct campaign_options *options,
                 struct worker *all,
                 struct worker *worker,
                 struct campaign_result *result)
{
    struct world_result one = {.seed = worker->seed, .hash = UINT64_MAX};
    violation_report(&one.violation, "assertion",
                     "the process died (a failed Q_CHECK or a sanitizer; see stderr above)");
    add(options, &one, result);
    stop_worker(worker);
    start_worker(options, all, worker);
}

static bool may_go_on(const struct campaign_options *options,
                      const struct campaign_result *result,
                      uint64_t given,
                      uint64_t started_ms)
{
    if (given == options->seed_count || (options->stop_at_violation && result->violations > 0)) {
        return false;
    }
    return options->time_limit_ms == 0 ||
           clock_monotonic_ms() - started_ms < options->time_limit_ms;
}

/* Takes the result of the seed a worker was given. */
static void take_result(const struct campaign_options *options,
                        struct worker *workers,
                        struct worker *worker,
                        struct campaign_result *result)
{
    struct world_result one;
    if (!worker->is_busy) {
        return;
    }
    worker->is_busy = false;
    if (transfer(worker->results, &one, sizeof one, false)) {
        add(options, &one, result);
    } else {
        bury(options, workers, worker, result);
    }
}

void campaign_run(const struct campaign_options *options, struct campaign_result *result)
{
    Q_CHECK(options->jobs > 0 && options->jobs <= JOBS_MAX);
    struct worker workers[JOBS_MAX] = {{0}};
    const uint64_t started_ms = clock_monotonic_ms();
    for (uint32_t i = 0; i < options->jobs; i++) {
        start_worker(options, workers, &workers[i]);
    }
    /* Seeds are handed out in rounds and collected in order: simple, and violations print in the
     * same order whatever the load. */
    uint64_t given = 0;
    uint32_t busy = 1;
    while (busy > 0) {
        busy = 0;
        for (uint32_t i = 0; i < options->jobs; i++) {
            struct worker *worker = &workers[i];
            take_result(options, workers, worker, result);
            if (may_go_on(options, result, given, started_ms)) {
                worker->seed = options->first_seed + given++;
                worker->is_busy = transfer(worker->seeds, &worker->seed, sizeof worker->seed, true);
            }
            busy += worker->is_busy;
        }
    }
    for (uint32_t i = 0; i < options->jobs; i++) {
        stop_worker(&workers[i]);
    }
}

void campaign_print(const struct campaign_result *result)
{
    (void)printf("heap: at most %.1f MB, seed %" PRIu64 "\n", (double)result->heap_peak / 1e6,
                 result->heap_peak_seed);
    (void)printf("seeds=%" PRIu64 " hours=%.3f ops=%" PRIu64 " faults=%" PRIu64
                 " violations=%" PRIu64 " undecided=%" PRIu64 " hash=%016" PRIx64 "\n",
                 result->seeds, (double)result->simulated_us / 3.6e9, result->operations,
                 result->faults, result->violations, result->undecided, result->hash);
}
