/* core/hlc: times never repeat and never go back, whatever the wall clock does. */
#include "base/prng.h"
#include "core/hlc/hlc.h"
#include "harness/test.h"

TEST(a_time_is_the_wall_clock_when_that_has_moved_on)
{
    struct hlc hlc = {0};
    EXPECT(hlc_now(&hlc, 1000) == (UINT64_C(1000) << 16));
    EXPECT(hlc_now(&hlc, 1001) == (UINT64_C(1001) << 16));
    EXPECT(hlc_to_ms(hlc.last) == 1001);
}

TEST(times_grow_while_the_wall_clock_stands_still_or_goes_back)
{
    struct hlc hlc = {0};
    const hlc_time first = hlc_now(&hlc, 1000);
    EXPECT(hlc_now(&hlc, 1000) == first + 1);
    EXPECT(hlc_now(&hlc, 5) == first + 2);
    EXPECT(hlc_now(&hlc, 0) == first + 3);
}

TEST(the_counter_runs_over_into_the_milliseconds)
{
    struct hlc hlc = {0};
    hlc_time last = hlc_now(&hlc, 7);
    for (int i = 0; i < 70000; i++) {
        const hlc_time next = hlc_now(&hlc, 7);
        EXPECT(next == last + 1);
        last = next;
    }
    EXPECT(hlc_to_ms(last) == 8);
    EXPECT(hlc_now(&hlc, 8) > last);
    EXPECT(hlc_to_ms(hlc_now(&hlc, 9)) == 9);
}

TEST(later_times_are_greater_than_observed_ones)
{
    struct hlc hlc = {0};
    hlc_observe(&hlc, hlc_from_ms(500) + 3);
    EXPECT(hlc_now(&hlc, 400) == hlc_from_ms(500) + 4);
    hlc_observe(&hlc, hlc_from_ms(100)); /* Older: changes nothing. */
    EXPECT(hlc_now(&hlc, 400) == hlc_from_ms(500) + 5);
    EXPECT(hlc_now(&hlc, 600) == hlc_from_ms(600));
}

TEST(order_holds_under_random_walls_and_observations)
{
    struct prng prng;
    prng_init(&prng, 1);
    struct hlc hlc = {0};
    hlc_time last = 0;
    for (int i = 0; i < 100000; i++) {
        if (prng_chance(&prng, 1, 4)) {
            const hlc_time other = hlc_from_ms(prng_below(&prng, 2000)) + prng_below(&prng, 65536);
            hlc_observe(&hlc, other);
            last = other > last ? other : last;
        }
        const uint64_t wall = prng_below(&prng, 2000);
        const hlc_time next = hlc_now(&hlc, wall);
        EXPECT(next > last);
        EXPECT(next >= hlc_from_ms(wall));
        last = next;
    }
}

TEST(a_wall_beyond_the_range_counts_as_its_end)
{
    EXPECT(hlc_from_ms(HLC_MS_MAX) == HLC_MS_MAX << 16);
    EXPECT(hlc_from_ms(HLC_MS_MAX + 1) == HLC_MS_MAX << 16);
    struct hlc hlc = {0};
    const hlc_time last = hlc_now(&hlc, UINT64_MAX);
    EXPECT(hlc_to_ms(last) == HLC_MS_MAX);
    EXPECT(hlc_now(&hlc, UINT64_MAX) == last + 1);
}

TEST(a_time_is_ahead_only_past_the_allowed_drift)
{
    EXPECT(!hlc_is_ahead(hlc_from_ms(1500) + 65535, 1000, 500));
    EXPECT(hlc_is_ahead(hlc_from_ms(1501), 1000, 500));
    EXPECT(!hlc_is_ahead(hlc_from_ms(10), 1000, 0));
    EXPECT(hlc_is_ahead(hlc_from_ms(HLC_MS_MAX), 0, 500));
}

TEST_MAIN(CASE(a_time_is_the_wall_clock_when_that_has_moved_on),
          CASE(times_grow_while_the_wall_clock_stands_still_or_goes_back),
          CASE(the_counter_runs_over_into_the_milliseconds),
          CASE(later_times_are_greater_than_observed_ones),
          CASE(order_holds_under_random_walls_and_observations),
          CASE(a_wall_beyond_the_range_counts_as_its_end),
          CASE(a_time_is_ahead_only_past_the_allowed_drift))
