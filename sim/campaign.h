/* Many seeds in worker processes, so that a seed which kills its process is still reported. */
#ifndef Q_SIM_CAMPAIGN_H
#define Q_SIM_CAMPAIGN_H

#include "sim/coverage.h"
#include "sim/report.h"

struct campaign_options {
    struct option_changes changes; /* The rest is drawn per seed. */
    bool verbose;
    struct origin origin;
    uint64_t first_seed;
    uint64_t seed_count;
    uint32_t jobs;
    uint64_t time_limit_ms; /* 0 = none: no new seed is started after it. */
    bool stop_at_violation;
    bool print_hashes; /* One line a seed: seed=N hash=X */
};

struct campaign_result {
    uint64_t seeds;
    uint64_t simulated_us; /* Per cluster, summed. */
    uint64_t operations;
    uint64_t faults;
    uint64_t violations;
    uint64_t undecided;                 /* Keys whose linearizability took too long to judge. */
    uint64_t heap_peak;                 /* Of one seed, in bytes ... */
    uint64_t heap_peak_seed;            /* ... and which one it was. */
    struct partition_summary partition; /* When partitions are enumerated. */
    struct coverage coverage;
    uint64_t hash; /* Does not depend on the order in which seeds ended. */
};

/* False when the options of one of the seeds do not fit together; *out_error says why, and
 * *out_seed which. */
bool campaign_fits(const struct campaign_options *options,
                   uint64_t *out_seed,
                   const char **out_error);
/* Runs one seed in this process; the options must fit. */
void campaign_run_seed(const struct campaign_options *options,
                       uint64_t seed,
                       struct world_result *out);
/* Runs them all in `jobs` worker processes; prints each violation. */
void campaign_run(const struct campaign_options *options, struct campaign_result *result);
/* What the seeds needed, and the last line:
 * seeds=N hours=H ops=N faults=N violations=N undecided=N hash=X */
void campaign_print(const struct campaign_result *result);

#endif
