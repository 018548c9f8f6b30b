/* What a campaign has reached: marks of the production code and classes of faults, by seed.
 *
 * A campaign that is clean because it no longer gets anywhere is worth nothing. So what was reached
 * is counted, and `--require-marks` makes a gap a failure like any other.
 */
#ifndef Q_SIM_COVERAGE_H
#define Q_SIM_COVERAGE_H

#include "base/mark.h"
#include "sim/options.h"

/* Of the seeds of a campaign each class of fault must happen in so many, in percent. */
#define COVERAGE_FAULT_PERCENT 20

/* Of one seed. */
struct seed_coverage {
    bool marks[MARK_COUNT];
    uint32_t faults[FAULT_CLASSES]; /* How often it happened and found something to break. */
};

/* Of many. */
struct coverage {
    uint64_t seeds;
    uint64_t mark_seeds[MARK_COUNT]; /* How many of them reached it. */
    uint64_t fault_seeds[FAULT_CLASSES];
    uint64_t faults[FAULT_CLASSES];
};

void coverage_add(struct coverage *coverage, const struct seed_coverage *seed);
/* One line a mark and a class: in how many seeds. */
void coverage_print(const struct coverage *coverage);
/* Prints a violation of checker `marks` that names every mark not reached and every class that
 * happened in too few seeds. True when there is none. */
bool coverage_judge(const struct coverage *coverage);

#endif
