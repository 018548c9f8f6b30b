/* The first broken promise of a run: which checker saw it, and what it saw. */
#ifndef Q_SIM_CHECK_VIOLATION_H
#define Q_SIM_CHECK_VIOLATION_H

#include <stdbool.h>
#include <stdint.h>

struct violation {
    bool found;
    uint64_t at_us; /* The run's clock; set by the run, copied by violation_report. */
    char checker[32];
    char reason[1200];
};

/* Keeps the first report only: what follows it is mostly its consequence. */
void violation_report(struct violation *violation, const char *checker, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
