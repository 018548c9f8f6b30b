/* The command line of quorate-sim. */
#ifndef Q_SIM_ARGUMENTS_H
#define Q_SIM_ARGUMENTS_H

#include "sim/campaign.h"
#include "sim/crash/crash.h"

struct arguments {
    struct campaign_options campaign;
    const char *seeds_file;
    bool has_seed; /* One seed only. */
    bool shrinks;  /* Make the failure of that seed small. */
    uint32_t tail; /* Lines of the shrunk run's trace to print. */
    bool lists;    /* Print what options there are, do nothing else. */
    bool helps;    /* Print how the program is called, do nothing else. */
    bool prints_marks;
    bool requires_marks;
    bool has_pattern;
    uint64_t pattern;
    uint64_t leader; /* 0 = each. */
    bool wants_crashes;
    struct crash_options crash; /* Seed, jobs and flags are those of the campaign. */
};

/* False, and what is wrong in `out_error`, when the arguments are not to be followed. With planted
 * bugs compiled in it switches one on, if that is asked for. `out` is zeroed. */
bool arguments_parse(
    int count, char **values, struct arguments *out, char *out_error, size_t error_size);
/* How the program is called. */
const char *arguments_usage(void);

#endif
