#include "sim/clock.h"

#include "base/check.h"

#define MILLION 1000000

void sim_clock_boot(struct sim_clock *clock, struct prng *prng, uint64_t now_us)
{
    clock->origin_us = now_us;
    clock->boot_us = prng_between(prng, 1000000, UINT64_C(100000000000));
}

static uint64_t rate(const struct sim_clock *clock)
{
    Q_CHECK(clock->drift_ppm > -MILLION / 2 && clock->drift_ppm < MILLION / 2);
    return (uint64_t)(MILLION + clock->drift_ppm);
}

static uint64_t monotonic_us(const struct sim_clock *clock, uint64_t now_us)
{
    const uint64_t passed = now_us > clock->origin_us ? now_us - clock->origin_us : 0;
    return clock->boot_us + passed * rate(clock) / MILLION;
}

uint64_t sim_clock_monotonic_ms(const struct sim_clock *clock, uint64_t now_us)
{
    return monotonic_us(clock, now_us) / 1000;
}

void sim_clock_set_drift(struct sim_clock *clock, uint64_t now_us, int32_t drift_ppm)
{
    clock->boot_us = monotonic_us(clock, now_us);
    clock->origin_us = now_us > clock->origin_us ? now_us : clock->origin_us;
    clock->drift_ppm = drift_ppm;
}

void sim_clock_suspend(struct sim_clock *clock, uint64_t now_us, uint64_t until_us)
{
    Q_CHECK(until_us >= now_us);
    clock->boot_us = monotonic_us(clock, now_us);
    clock->origin_us = until_us;
}

uint64_t sim_clock_wall_ms(const struct sim_clock *clock, struct prng *prng, uint64_t now_us)
{
    uint64_t ms = (uint64_t)((int64_t)(SIM_WALL_BASE_MS + now_us / 1000) + clock->wall_offset_ms);
    if (clock->wall_stands_ms > 0) {
        ms = clock->wall_stands_ms;
    }
    return clock->wall_jitter_ms == 0 ? ms : ms - prng_below(prng, clock->wall_jitter_ms + 1);
}

uint64_t sim_clock_world_us(const struct sim_clock *clock, uint64_t deadline_ms)
{
    if (deadline_ms > UINT64_MAX / MILLION / 1000) {
        return UINT64_MAX;
    }
    const uint64_t deadline_us = deadline_ms * 1000;
    if (deadline_us <= clock->boot_us) {
        return clock->origin_us;
    }
    const uint64_t passed = deadline_us - clock->boot_us;
    return clock->origin_us + (passed * MILLION + rate(clock) - 1) / rate(clock);
}
