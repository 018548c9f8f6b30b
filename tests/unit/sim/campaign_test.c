/* sim/campaign: sums over seeds that do not depend on how they were run; when it stops. */
#include "base/os/log.h"
#include "harness/test.h"
#include "sim/campaign.h"

#include <string.h>

#define SMALL "draw=0 nodes=1 clients=2 operations=20 duration_us=2000000"

static struct campaign_options campaign_of(const char *pairs, uint64_t seeds, uint32_t jobs)
{
    struct campaign_options options = {.first_seed = 5,
                                       .seed_count = seeds,
                                       .jobs = jobs,
                                       .origin = {.program = "quorate-sim", .commit = "test"}};
    char error[200] = "";
    log_configure(LOG_OFF, false);
    REQUIRE(option_changes_parse(&options.changes, pairs, error, sizeof error));
    return options;
}

TEST(sums_and_hash_are_those_of_the_single_seeds_whatever_the_jobs)
{
    struct campaign_result results[2] = {{0}};
    const struct campaign_options one = campaign_of(SMALL, 6, 1);
    const struct campaign_options three = campaign_of(SMALL, 6, 3);
    campaign_run(&one, &results[0]);
    campaign_run(&three, &results[1]);
    struct campaign_result sum = {0};
    for (uint64_t seed = 5; seed < 11; seed++) {
        struct world_result alone;
        campaign_run_seed(&one, seed, &alone);
        EXPECT(alone.seed == seed && alone.has_ended && !alone.violation.found);
        sum.operations += alone.operations;
        sum.simulated_us += alone.simulated_us;
        sum.heap_peak = alone.heap_peak > sum.heap_peak ? alone.heap_peak : sum.heap_peak;
    }
    for (size_t i = 0; i < 2; i++) {
        EXPECT(results[i].seeds == 6 && results[i].violations == 0 && results[i].undecided == 0);
        EXPECT(results[i].operations == sum.operations && sum.operations > 24);
        EXPECT(results[i].simulated_us == sum.simulated_us);
        EXPECT(results[i].hash == results[0].hash);
        EXPECT(results[i].heap_peak > sum.heap_peak / 2 &&
               results[i].heap_peak < sum.heap_peak * 2);
        EXPECT(results[i].heap_peak_seed >= 5 && results[i].heap_peak_seed < 11);
    }
}

TEST(other_seeds_give_another_hash)
{
    struct campaign_options options = campaign_of(SMALL, 3, 1);
    struct campaign_result results[2] = {{0}};
    campaign_run(&options, &results[0]);
    options.first_seed = 6;
    campaign_run(&options, &results[1]);
    EXPECT(results[0].hash != results[1].hash);
}

TEST(a_violation_is_counted_and_stops_the_campaign_when_that_is_wanted)
{
    static const char LOSES[] = "draw=0 nodes=1 clients=4 operations=300 duration_us=5000000 "
                                "selftest=1";
    struct campaign_options options = campaign_of(LOSES, 3, 1);
    struct campaign_result all = {0};
    struct campaign_result first = {0};
    campaign_run(&options, &all);
    EXPECT(all.seeds == 3 && all.violations == 3);
    options.stop_at_violation = true;
    campaign_run(&options, &first);
    EXPECT(first.seeds == 1 && first.violations == 1);
}

TEST(after_the_time_limit_no_seed_is_started)
{
    struct campaign_options options = campaign_of(SMALL, 1000000, 2);
    struct campaign_result result = {0};
    options.time_limit_ms = 1;
    campaign_run(&options, &result);
    EXPECT(result.seeds < 1000);
}

TEST(options_that_contradict_each_other_are_told_with_their_seed)
{
    const struct campaign_options good = campaign_of("heartbeat_ms=20", 3, 1);
    const struct campaign_options bad =
        campaign_of("heartbeat_ms=900 election_min_ms=300 election_max_ms=600", 3, 1);
    uint64_t seed = 0;
    const char *error = "";
    EXPECT(campaign_fits(&good, &seed, &error));
    EXPECT(!campaign_fits(&bad, &seed, &error));
    EXPECT(seed == 5 && strstr(error, "heartbeat_ms") != NULL);
}

TEST_MAIN(CASE(sums_and_hash_are_those_of_the_single_seeds_whatever_the_jobs),
          CASE(other_seeds_give_another_hash),
          CASE(a_violation_is_counted_and_stops_the_campaign_when_that_is_wanted),
          CASE(after_the_time_limit_no_seed_is_started),
          CASE(options_that_contradict_each_other_are_told_with_their_seed))
