/* The clocks of one simulated machine: monotonic with an offset and drift, wall with jumps.
 *
 * World time is in microseconds and perfect; nobody inside the cluster ever sees it.
 */
#ifndef Q_SIM_CLOCK_H
#define Q_SIM_CLOCK_H

#include "base/prng.h"

struct sim_clock {
    uint64_t boot_us;   /* Monotonic reading at `origin_us`. */
    uint64_t origin_us; /* World time of boot. */
    int32_t drift_ppm;
    int64_t wall_offset_ms;
};

/* 2026-01-01, what a perfect wall clock reads when the world begins. */
#define SIM_WALL_BASE_MS UINT64_C(1767225600000)

/* A machine boots: its monotonic clock starts anew at a random reading (as CLOCK_BOOTTIME does),
 * drift stays. */
void sim_clock_boot(struct sim_clock *clock, struct prng *prng, uint64_t now_us);
uint64_t sim_clock_monotonic_ms(const struct sim_clock *clock, uint64_t now_us);
uint64_t sim_clock_wall_ms(const struct sim_clock *clock, uint64_t now_us);
/* First world time at which the monotonic clock reads at least `deadline_ms`; UINT64_MAX stays. */
uint64_t sim_clock_world_us(const struct sim_clock *clock, uint64_t deadline_ms);

#endif
