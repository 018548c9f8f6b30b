/* base/prng: the simulator replays seeds, so the sequence itself is a promise. */
#include "base/prng.h"
#include "harness/test.h"

/* The authors' reference implementation, state {1, 2, 3, 4}. */
TEST(the_generator_is_xoshiro256_starstar)
{
    struct prng prng = {.state = {1, 2, 3, 4}};
    const uint64_t wanted[] = {11520u,
                               0u,
                               1509978240u,
                               1215971899390074240u,
                               1216172134540287360u,
                               607988272756665600u,
                               16172922978634559625u,
                               8476171486693032832u};
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        EXPECT(prng_next(&prng) == wanted[i]);
    }
}

TEST(seeds_decide_the_sequence_and_zero_is_a_seed)
{
    struct prng a;
    struct prng b;
    struct prng c;
    prng_init(&a, 0);
    prng_init(&b, 0);
    prng_init(&c, 1);
    bool differs = false;
    for (int i = 0; i < 100; i++) {
        const uint64_t value = prng_next(&a);
        EXPECT(value == prng_next(&b));
        differs = differs || value != prng_next(&c);
    }
    EXPECT(differs);
    EXPECT((a.state[0] | a.state[1] | a.state[2] | a.state[3]) != 0);
}

TEST(bounds_are_kept_and_every_value_turns_up)
{
    struct prng prng;
    prng_init(&prng, 42);
    int seen[7] = {0};
    for (int i = 0; i < 7000; i++) {
        const uint64_t value = prng_between(&prng, 300, 306);
        EXPECT(value >= 300 && value <= 306);
        seen[value - 300]++;
    }
    for (int i = 0; i < 7; i++) {
        EXPECT(seen[i] > 800 && seen[i] < 1200);
    }
    EXPECT(prng_below(&prng, 1) == 0);
    EXPECT(prng_between(&prng, 5, 5) == 5);
}

TEST(chances_are_about_what_they_say)
{
    struct prng prng;
    prng_init(&prng, 7);
    int hits = 0;
    for (int i = 0; i < 10000; i++) {
        hits += prng_chance(&prng, 1, 4);
        EXPECT(!prng_chance(&prng, 0, 10));
        EXPECT(prng_chance(&prng, 10, 10));
    }
    EXPECT(hits > 2300 && hits < 2700);
}

TEST_MAIN(CASE(the_generator_is_xoshiro256_starstar),
          CASE(seeds_decide_the_sequence_and_zero_is_a_seed),
          CASE(bounds_are_kept_and_every_value_turns_up),
          CASE(chances_are_about_what_they_say))
