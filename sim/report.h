/* What is told about a seed that failed: the violation, the options, how to run it again. */
#ifndef Q_SIM_REPORT_H
#define Q_SIM_REPORT_H

#include "sim/option_text.h"
#include "sim/world.h"

/* What a run depends on besides its seed. All borrowed. */
struct origin {
    const char *program; /* As it was called. */
    const char *commit;  /* Of its sources; "unknown" outside of git. */
    const char *plant;   /* The planted bug that is on; NULL = none. */
};

/* The command that runs the seed with these changes again, without a newline. */
void report_replay(const struct origin *origin,
                   const struct option_changes *changes,
                   uint64_t seed,
                   struct buf *out);
/* The line of tests/seeds.txt that keeps this run, without a newline. */
void report_line(const struct sim_options *options, struct buf *out);
/* The whole report of a violation; its first line is for scripts too. */
void report_violation(const struct origin *origin,
                      const struct option_changes *changes,
                      const struct world_result *result,
                      struct buf *out);

#endif
