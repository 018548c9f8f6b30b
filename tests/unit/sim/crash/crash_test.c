/* sim/crash: whole workloads under enumeration, briefly; the full length is `make crash`. */
#include "base/os/log.h"
#include "harness/test.h"
#include "sim/crash/crash.h"
#include "sim/crash/workloads.h"

static struct crash_result run(const char *workload, struct crash_options options)
{
    struct crash_place place;
    struct crash_result result = {.states = 0};
    log_configure(LOG_OFF, false);
    crash_enumerate(crash_workload_find(workload), &options, &place, &result);
    return result;
}

static const struct crash_options FEW = {
    .seed = 3, .limit = 60, .again = 20, .only_cut = CRASH_NO_CUT, .jobs = 1};

TEST(every_workload_passes_a_sample_of_its_states)
{
    for (size_t i = 0; i < CRASH_WORKLOAD_COUNT; i++) {
        const struct crash_result result = run(CRASH_WORKLOADS[i].name, FEW);
        EXPECT(result.violations == 0);
        EXPECT(result.operations > 10);
        /* Twice each: after the crash, and after it went on and crashed once more. */
        EXPECT(result.recoveries[0] <= 2 * (FEW.limit + result.operations + 1));
        EXPECT(result.recoveries[0] >= FEW.limit); /* Some states are those of others. */
        const uint64_t recoveries =
            result.recoveries[0] + result.recoveries[1] + result.recoveries[2];
        EXPECT(result.states > 20 && 2 * result.states <= recoveries);
        EXPECT(result.recoveries[1] > 0 && result.recoveries[2] > 0);
    }
}

TEST(a_sample_reaches_from_the_first_operation_to_the_last)
{
    struct crash_options options = FEW;
    options.limit = 1;
    const struct crash_result result = run("compaction", options);
    EXPECT(result.cuts[0] >= result.operations && result.cuts[0] <= result.operations + 2);
}

TEST(the_same_seed_gives_the_same_states)
{
    const struct crash_result once = run("truncate", FEW);
    const struct crash_result again = run("truncate", FEW);
    EXPECT(memcmp(&once, &again, sizeof once) == 0);
    struct crash_options other = FEW;
    other.seed = 4;
    EXPECT(run("truncate", other).hash != once.hash);
}

TEST(a_single_crash_can_be_looked_at)
{
    struct crash_options options = FEW;
    options.only_cut = 12;
    const struct crash_result result = run("append", options);
    EXPECT(result.recoveries[0] == 2 && result.cuts[0] == 1);
    EXPECT(result.recoveries[1] > 0); /* With those of its recovery, whatever their turn. */
}

TEST(no_two_workloads_have_one_name)
{
    for (size_t i = 0; i < CRASH_WORKLOAD_COUNT; i++) {
        EXPECT(crash_workload_find(CRASH_WORKLOADS[i].name) == &CRASH_WORKLOADS[i]);
    }
    EXPECT(crash_workload_find("nothing") == NULL);
}

TEST_MAIN(CASE(every_workload_passes_a_sample_of_its_states),
          CASE(a_sample_reaches_from_the_first_operation_to_the_last),
          CASE(the_same_seed_gives_the_same_states),
          CASE(a_single_crash_can_be_looked_at),
          CASE(no_two_workloads_have_one_name))
