/* The clocks of one simulated machine: monotonic with an offset and drift, wall with jumps.
 *
 * The monotonic clock never goes back; it stands still while the machine is suspended. The wall
 * clock may do anything: jump, stand still, go back between two readings.
 *
 * World time is in microseconds and perfect; nobody inside the cluster ever sees it.
 */
#ifndef Q_SIM_CLOCK_H
#define Q_SIM_CLOCK_H

#include "base/prng.h"

struct sim_clock {
    uint64_t boot_us;   /* Monotonic reading at `origin_us` and before. */
    uint64_t origin_us; /* World time of boot, or of what last changed the clock. */
    int32_t drift_ppm;
    int64_t wall_offset_ms;
    uint64_t wall_stands_ms; /* It reads this; 0 = it goes. */
    uint32_t wall_jitter_ms; /* Each reading is up to so much too early. */
};

/* 2026-01-01, what a perfect wall clock reads when the world begins. */
#define SIM_WALL_BASE_MS UINT64_C(1767225600000)

/* A machine boots: its monotonic clock starts anew at a random reading (as CLOCK_BOOTTIME does),
 * drift stays. */
void sim_clock_boot(struct sim_clock *clock, struct prng *prng, uint64_t now_us);
/* It ticks at another rate from now on. */
void sim_clock_set_drift(struct sim_clock *clock, uint64_t now_us, int32_t drift_ppm);
/* The monotonic clock stands still until then; a second call, with an earlier time, shortens that.
 */
void sim_clock_suspend(struct sim_clock *clock, uint64_t now_us, uint64_t until_us);
uint64_t sim_clock_monotonic_ms(const struct sim_clock *clock, uint64_t now_us);
uint64_t sim_clock_wall_ms(const struct sim_clock *clock, struct prng *prng, uint64_t now_us);
/* First world time at which, as it goes now, the monotonic clock reads at least `deadline_ms`;
 * UINT64_MAX stays. */
uint64_t sim_clock_world_us(const struct sim_clock *clock, uint64_t deadline_ms);

#endif
