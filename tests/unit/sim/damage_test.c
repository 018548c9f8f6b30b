/* sim/damage and the faults of disks: each class, on in a run of its own, strikes, and the cluster
 * does what it owes; off, it does not strike. The plants show that what is owed is looked at. */
#include "base/os/log.h"
#include "harness/test.h"
#include "sim/world.h"

/* A short run of three nodes with one class of fault. */
static void run(enum fault_class class, bool is_on, uint64_t seed, struct world_result *out)
{
    struct sim_options options = {.verbose = false};
    sim_options_plain(&options, seed);
    options.node_count = 3;
    options.client_count = 4;
    options.operation_count = 400;
    options.duration_us = 20 * SECOND;
    options.patience_us = SECOND;
    options.switch_percent = 50;
    options.fault_interval_us[class] = is_on ? 3 * SECOND : 0;
    world_run(&options, out);
    if (out->violation.found) {
        print_message("# %s: %s: %s\n", fault_name(class), out->violation.checker,
                      out->violation.reason);
    }
    REQUIRE(!out->violation.found);
}

/* How often it struck in a few runs. */
static uint64_t strikes(enum fault_class class, bool is_on)
{
    uint64_t count = 0;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        struct world_result result;
        run(class, is_on, seed, &result);
        count += result.coverage.faults[class];
    }
    return count;
}

TEST(every_fault_of_disks_strikes_when_it_is_on_and_is_survived)
{
    static const enum fault_class CLASSES[] = {
        FAULT_DISK_SLOW, FAULT_DISK_ERROR, FAULT_DISK_FULL, FAULT_DISK_HUNG, FAULT_DISK_READ,
        FAULT_ROT,       FAULT_LOST,       FAULT_MISDIRECT, FAULT_FILES,     FAULT_ENGINE_ROT,
        FAULT_WIPE,      FAULT_BACKUP,     FAULT_SWAP};
    log_configure(LOG_OFF, false);
    for (size_t i = 0; i < sizeof CLASSES / sizeof CLASSES[0]; i++) {
        const uint64_t count = strikes(CLASSES[i], true);
        print_message("# %s: %llu\n", fault_name(CLASSES[i]), (unsigned long long)count);
        EXPECT(count > 0);
        EXPECT(strikes(CLASSES[i], false) == 0);
    }
}

TEST(no_disk_is_damaged_where_there_is_no_minority_to_spare)
{
    struct sim_options options = {.verbose = false};
    log_configure(LOG_OFF, false);
    for (uint32_t nodes = 1; nodes <= 2; nodes++) {
        struct world_result result;
        sim_options_plain(&options, 7);
        options.node_count = nodes;
        options.operation_count = 100;
        options.duration_us = 10 * SECOND;
        options.fault_interval_us[FAULT_ROT] = SECOND / 2;
        options.fault_interval_us[FAULT_WIPE] = SECOND / 2;
        world_run(&options, &result);
        EXPECT(!result.violation.found);
        EXPECT(result.faults_by_class[FAULT_ROT] > 0);
        EXPECT(result.coverage.faults[FAULT_ROT] == 0 && result.coverage.faults[FAULT_WIPE] == 0);
    }
}

TEST_MAIN(CASE(every_fault_of_disks_strikes_when_it_is_on_and_is_survived),
          CASE(no_disk_is_damaged_where_there_is_no_minority_to_spare))
