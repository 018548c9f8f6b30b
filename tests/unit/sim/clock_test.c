/* sim/clock: monotonic clocks never go back, whatever happens to them; wall clocks may. */
#include "harness/test.h"
#include "sim/clock.h"

#define SECOND UINT64_C(1000000)

static struct sim_clock clock_at_zero(void)
{
    return (struct sim_clock){.boot_us = 5 * SECOND};
}

TEST(a_monotonic_clock_drifts_at_its_rate)
{
    struct sim_clock clock = clock_at_zero();
    EXPECT(sim_clock_monotonic_ms(&clock, 10 * SECOND) == 15000);
    clock.drift_ppm = 100000;
    EXPECT(sim_clock_monotonic_ms(&clock, 10 * SECOND) == 16000);
    clock.drift_ppm = -100000;
    EXPECT(sim_clock_monotonic_ms(&clock, 10 * SECOND) == 14000);
}

TEST(a_change_of_rate_does_not_move_the_clock)
{
    struct sim_clock clock = clock_at_zero();
    sim_clock_set_drift(&clock, 10 * SECOND, 100000);
    EXPECT(sim_clock_monotonic_ms(&clock, 10 * SECOND) == 15000);
    EXPECT(sim_clock_monotonic_ms(&clock, 20 * SECOND) == 26000);
    sim_clock_set_drift(&clock, 20 * SECOND, -100000);
    EXPECT(sim_clock_monotonic_ms(&clock, 20 * SECOND) == 26000);
    EXPECT(sim_clock_monotonic_ms(&clock, 30 * SECOND) == 35000);
}

TEST(the_clock_of_a_suspended_machine_stands_still_and_goes_on_from_there)
{
    struct sim_clock clock = clock_at_zero();
    sim_clock_suspend(&clock, 10 * SECOND, 40 * SECOND);
    EXPECT(sim_clock_monotonic_ms(&clock, 39 * SECOND) == 15000);
    EXPECT(sim_clock_monotonic_ms(&clock, 41 * SECOND) == 16000);
    EXPECT(sim_clock_world_us(&clock, 16000) == 41 * SECOND);
    sim_clock_suspend(&clock, 20 * SECOND, 20 * SECOND); /* It wakes up early. */
    EXPECT(sim_clock_monotonic_ms(&clock, 21 * SECOND) == 16000);
}

TEST(a_change_of_rate_does_not_wake_a_suspended_machine)
{
    struct sim_clock clock = clock_at_zero();
    sim_clock_suspend(&clock, 10 * SECOND, 40 * SECOND);
    sim_clock_set_drift(&clock, 20 * SECOND, 100000);
    EXPECT(sim_clock_monotonic_ms(&clock, 40 * SECOND) == 15000);
    EXPECT(sim_clock_monotonic_ms(&clock, 50 * SECOND) == 26000);
}

TEST(the_time_of_a_deadline_is_the_first_at_which_the_clock_reads_it)
{
    struct sim_clock clock = {.boot_us = 123456789, .origin_us = 777, .drift_ppm = 12345};
    for (uint64_t deadline = 123458; deadline < 123500; deadline++) {
        const uint64_t at = sim_clock_world_us(&clock, deadline);
        EXPECT(sim_clock_monotonic_ms(&clock, at) >= deadline);
        EXPECT(sim_clock_monotonic_ms(&clock, at - 1) < deadline);
    }
    EXPECT(sim_clock_world_us(&clock, UINT64_MAX) == UINT64_MAX);
}

TEST(a_wall_clock_goes_stands_and_wavers)
{
    struct sim_clock clock = clock_at_zero();
    struct prng prng;
    prng_init(&prng, 3);
    const uint64_t before = sim_clock_wall_ms(&clock, &prng, 10 * SECOND);
    EXPECT(before == SIM_WALL_BASE_MS + 10000);
    clock.wall_offset_ms = -3600000;
    EXPECT(sim_clock_wall_ms(&clock, &prng, 10 * SECOND) == before - 3600000);
    clock.wall_stands_ms = before;
    EXPECT(sim_clock_wall_ms(&clock, &prng, 99 * SECOND) == before);
    clock.wall_jitter_ms = 50;
    bool went_back = false;
    uint64_t last = 0;
    for (int i = 0; i < 100; i++) {
        const uint64_t now = sim_clock_wall_ms(&clock, &prng, 99 * SECOND);
        EXPECT(now <= before && now >= before - 50);
        went_back |= now < last;
        last = now;
    }
    EXPECT(went_back);
}

TEST_MAIN(CASE(a_monotonic_clock_drifts_at_its_rate),
          CASE(a_change_of_rate_does_not_move_the_clock),
          CASE(the_clock_of_a_suspended_machine_stands_still_and_goes_on_from_there),
          CASE(a_change_of_rate_does_not_wake_a_suspended_machine),
          CASE(the_time_of_a_deadline_is_the_first_at_which_the_clock_reads_it),
          CASE(a_wall_clock_goes_stands_and_wavers))
