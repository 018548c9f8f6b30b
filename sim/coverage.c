#include "sim/coverage.h"

#include <inttypes.h>
#include <stdio.h>

void coverage_add(struct coverage *coverage, const struct seed_coverage *seed)
{
    coverage->seeds++;
    for (size_t i = 0; i < MARK_COUNT; i++) {
        coverage->mark_seeds[i] += seed->marks[i];
    }
    for (size_t i = 0; i < FAULT_CLASSES; i++) {
        coverage->fault_seeds[i] += seed->faults[i] > 0;
        coverage->faults[i] += seed->faults[i];
    }
}

void coverage_print(const struct coverage *coverage)
{
    for (size_t i = 0; i < MARK_COUNT; i++) {
        (void)printf("mark %s seeds=%" PRIu64 ": %s\n", mark_name((enum mark)i),
                     coverage->mark_seeds[i], mark_text((enum mark)i));
    }
    for (size_t i = 0; i < FAULT_CLASSES; i++) {
        (void)printf("fault %s seeds=%" PRIu64 " times=%" PRIu64 "\n",
                     fault_name((enum fault_class)i), coverage->fault_seeds[i],
                     coverage->faults[i]);
    }
}

static bool is_rare(const struct coverage *coverage, size_t class)
{
    return coverage->fault_seeds[class] * 100 < coverage->seeds * COVERAGE_FAULT_PERCENT;
}

bool coverage_judge(const struct coverage *coverage)
{
    size_t unreached = 0;
    size_t rare = 0;
    for (size_t i = 0; i < MARK_COUNT; i++) {
        unreached += coverage->mark_seeds[i] == 0;
    }
    for (size_t i = 0; i < FAULT_CLASSES; i++) {
        rare += is_rare(coverage, i);
    }
    if (unreached == 0 && rare == 0) {
        return true;
    }
    (void)printf("VIOLATION checker=marks\n  of %d marks %zu were reached in none of %" PRIu64
                 " seeds:\n",
                 (int)MARK_COUNT, unreached, coverage->seeds);
    for (size_t i = 0; i < MARK_COUNT; i++) {
        if (coverage->mark_seeds[i] == 0) {
            (void)printf("  mark %s: %s\n", mark_name((enum mark)i), mark_text((enum mark)i));
        }
    }
    (void)printf("  of %d classes of faults %zu happened in less than %d %% of the seeds:\n",
                 (int)FAULT_CLASSES, rare, COVERAGE_FAULT_PERCENT);
    for (size_t i = 0; i < FAULT_CLASSES; i++) {
        if (is_rare(coverage, i)) {
            (void)printf("  fault %s: in %" PRIu64 "\n", fault_name((enum fault_class)i),
                         coverage->fault_seeds[i]);
        }
    }
    return false;
}
