/* sim/coverage: what a campaign counts, and what it calls a gap. */
#include "harness/test.h"
#include "sim/coverage.h"

/* A seed that reaches all marks and in which every class happens twice. */
static struct seed_coverage full_seed(void)
{
    struct seed_coverage seed;
    for (size_t i = 0; i < MARK_COUNT; i++) {
        seed.marks[i] = true;
    }
    for (size_t i = 0; i < FAULT_CLASSES; i++) {
        seed.faults[i] = 2;
    }
    return seed;
}

TEST(seeds_that_reach_a_mark_and_all_times_a_fault_happened_are_counted)
{
    struct coverage coverage = {0};
    struct seed_coverage seed = full_seed();
    coverage_add(&coverage, &seed);
    seed.marks[MARK_RAFT_CONFLICT] = false;
    seed.faults[FAULT_KILL] = 0;
    coverage_add(&coverage, &seed);
    EXPECT(coverage.seeds == 2);
    EXPECT(coverage.mark_seeds[MARK_RAFT_CONFLICT] == 1);
    EXPECT(coverage.mark_seeds[MARK_RAFT_CHECK_QUORUM] == 2);
    EXPECT(coverage.fault_seeds[FAULT_KILL] == 1);
    EXPECT(coverage.faults[FAULT_KILL] == 2);
    EXPECT(coverage.fault_seeds[FAULT_POWER] == 2);
    EXPECT(coverage.faults[FAULT_POWER] == 4);
}

TEST(a_campaign_that_reached_everything_is_complete)
{
    struct coverage coverage = {0};
    const struct seed_coverage seed = full_seed();
    coverage_add(&coverage, &seed);
    EXPECT(coverage_judge(&coverage));
}

TEST(one_mark_that_no_seed_reached_is_a_gap)
{
    struct coverage coverage = {0};
    struct seed_coverage seed = full_seed();
    seed.marks[MARK_COUNT - 1] = false;
    for (int i = 0; i < 10; i++) {
        coverage_add(&coverage, &seed);
    }
    EXPECT(!coverage_judge(&coverage));
    seed.marks[MARK_COUNT - 1] = true;
    coverage_add(&coverage, &seed); /* One in eleven is enough. */
    EXPECT(coverage_judge(&coverage));
}

/* Whether a class that happened in so many of 1,000 seeds is enough. */
static bool is_enough(uint32_t seeds)
{
    struct coverage coverage = {0};
    for (uint32_t i = 0; i < 1000; i++) {
        struct seed_coverage seed = full_seed();
        seed.faults[FAULT_ROT] = i < seeds;
        coverage_add(&coverage, &seed);
    }
    return coverage_judge(&coverage);
}

TEST(a_class_of_faults_must_happen_in_a_fifth_of_the_seeds)
{
    EXPECT(is_enough(1000));
    EXPECT(is_enough(200));
    EXPECT(!is_enough(199));
    EXPECT(!is_enough(0));
}

TEST_MAIN(CASE(seeds_that_reach_a_mark_and_all_times_a_fault_happened_are_counted),
          CASE(a_campaign_that_reached_everything_is_complete),
          CASE(one_mark_that_no_seed_reached_is_a_gap),
          CASE(a_class_of_faults_must_happen_in_a_fifth_of_the_seeds))
