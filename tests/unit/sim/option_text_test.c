/* sim/option_text: what is printed can be read back, and what is wrong is refused. */
#include "base/os/heap.h"
#include "harness/test.h"
#include "sim/option_text.h"

#define SEEDS 1000

static bool parses(struct option_changes *changes, const char *pairs)
{
    char error[200] = "";
    const bool ok = option_changes_parse(changes, pairs, error, sizeof error);
    REQUIRE(ok == (error[0] == '\0'));
    return ok;
}

static bool is_refused(const char *pairs, const char *because)
{
    struct option_changes changes = {0};
    char error[200] = "";
    return !option_changes_parse(&changes, pairs, error, sizeof error) &&
           strstr(error, because) != NULL;
}

/* A set with a single fault, a range, a whole row and its ends. */
static void add_faults(struct sim_options *options)
{
    fault_set_add(&options->only_faults, FAULT_KILL, 1);
    fault_set_add(&options->only_faults, FAULT_KILL, FAULTS_NAMED_MAX);
    for (uint64_t number = 63; number <= 66; number++) {
        fault_set_add(&options->only_faults, FAULT_POWER, number);
    }
    for (uint64_t number = 1; number <= FAULTS_NAMED_MAX; number++) {
        fault_set_add(&options->only_faults, FAULT_LINK, number);
    }
}

static bool are_equal(const struct sim_options *a, const struct sim_options *b)
{
    bool equal = a->seed == b->seed && a->only_faults.is_limited == b->only_faults.is_limited &&
                 memcmp(a->only_faults.bits, b->only_faults.bits, sizeof a->only_faults.bits) == 0;
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        equal &= option_get(a, i) == option_get(b, i);
    }
    return equal;
}

/* Prints the options, reads them back over those of `base` and compares. */
static bool comes_back(const struct sim_options *options,
                       void (*print)(const struct sim_options *, struct buf *))
{
    struct buf text = {0};
    print(options, &text);
    buf_append(&text, bytes_of("", 1));
    struct option_changes changes = {0};
    struct sim_options again = {0};
    const char *error = NULL;
    const bool ok = parses(&changes, (const char *)buf_bytes(&text).data) &&
                    option_changes_resolve(&changes, options->seed, &again, &error) &&
                    are_equal(options, &again);
    buf_deinit(&text);
    return ok;
}

TEST(what_a_thousand_seeds_draw_is_printed_and_read_back)
{
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct sim_options options = {0};
        sim_options_draw(&options, seed);
        if (seed % 5 == 0) {
            add_faults(&options);
        } else if (seed % 5 == 1) {
            options.only_faults.is_limited = true;
        }
        REQUIRE(comes_back(&options, sim_options_print));
        REQUIRE(comes_back(&options, sim_options_print_short));
    }
    EXPECT(true);
}

TEST(what_a_seed_draws_is_within_bounds_and_fits_together)
{
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct sim_options options = {0};
        const char *error = NULL;
        sim_options_draw(&options, seed);
        REQUIRE(sim_options_fit(&options, &error));
        for (size_t i = 0; i < OPTION_COUNT; i++) {
            REQUIRE(option_get(&options, i) >= option_at(i)->min);
            REQUIRE(option_get(&options, i) <= option_at(i)->max);
        }
    }
    EXPECT(true);
}

TEST(plain_options_fit_together_and_are_what_the_table_says)
{
    struct sim_options options = {.verbose = true};
    const char *error = NULL;
    sim_options_plain(&options, 7);
    EXPECT(options.seed == 7 && options.verbose && sim_options_fit(&options, &error));
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        REQUIRE(option_get(&options, i) == option_at(i)->plain);
    }
}

TEST(no_two_options_have_the_same_name)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        REQUIRE(option_find(option_at(i)->name) == i);
    }
    EXPECT(option_find("no_such") == OPTION_COUNT);
}

TEST(the_bounds_of_every_option_are_accepted_and_one_past_them_is_not)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct option *option = option_at(i);
        struct option_changes changes = {0};
        char pair[100];
        (void)snprintf(pair, sizeof pair, "%s=%llu %s=%llu", option->name,
                       (unsigned long long)option->min, option->name,
                       (unsigned long long)option->max);
        REQUIRE(parses(&changes, pair) && changes.values[i] == option->max);
        (void)snprintf(pair, sizeof pair, "%s=%llu", option->name,
                       (unsigned long long)option->max + 1);
        REQUIRE(is_refused(pair, "out of bounds"));
        (void)snprintf(pair, sizeof pair, "%s=%lld", option->name, (long long)option->min - 1);
        REQUIRE(is_refused(pair, "out of bounds"));
    }
    EXPECT(true);
}

TEST(what_is_no_pair_is_refused_by_name)
{
    EXPECT(is_refused("nodes=3 bla=1", "bla=1: is no option"));
    EXPECT(is_refused("Nodes=3", "is no option"));
    EXPECT(is_refused("node=3", "is no option"));
    EXPECT(is_refused("nodes", "is not name=value"));
    EXPECT(is_refused("=3", "is not name=value"));
    EXPECT(is_refused("nodes=", "nodes=: is out of bounds: 1 to 7"));
    EXPECT(is_refused("nodes=x", "out of bounds"));
    EXPECT(is_refused("nodes=3x", "out of bounds"));
    EXPECT(is_refused("nodes=03", "out of bounds"));
    EXPECT(is_refused("nodes=-3", "out of bounds"));
    EXPECT(is_refused("nodes=99999999999999999999", "out of bounds"));
    EXPECT(is_refused("draw=2", "must be 0 or 1"));
}

TEST(lists_of_faults_are_read_strictly)
{
    struct option_changes changes = {0};
    EXPECT(parses(&changes, "faults=kill:3,power:1-2") && changes.faults.is_limited);
    EXPECT(fault_set_has(&changes.faults, FAULT_KILL, 3));
    EXPECT(!fault_set_has(&changes.faults, FAULT_KILL, 2));
    EXPECT(!fault_set_has(&changes.faults, FAULT_KILL, 4));
    EXPECT(fault_set_has(&changes.faults, FAULT_POWER, 2));
    EXPECT(!fault_set_has(&changes.faults, FAULT_LINK, 3));
    EXPECT(!fault_set_has(&changes.faults, FAULT_KILL, FAULTS_NAMED_MAX + 1));
    EXPECT(parses(&changes, "faults=none") && !fault_set_has(&changes.faults, FAULT_KILL, 3));
    EXPECT(parses(&changes, "faults=all") && fault_set_has(&changes.faults, FAULT_KILL, 9999));
    EXPECT(parses(&changes, "faults=kill:1024"));
    static const char *const WRONG[] = {
        "faults=",           "faults=bla:1",     "faults=kill",       "faults=kill:",
        "faults=kill:0",     "faults=kill:1025", "faults=kill:1-",    "faults=kill:2-1",
        "faults=kill:1,",    "faults=,kill:1",   "faults=kill:1-2-3", "faults=kill:1,,kill:2",
        "faults=none,kill:1"};
    for (size_t i = 0; i < sizeof WRONG / sizeof WRONG[0]; i++) {
        REQUIRE(is_refused(WRONG[i], "all, none or a list"));
    }
}

TEST(given_options_replace_drawn_ones_and_nothing_else)
{
    struct option_changes changes = {0};
    struct sim_options drawn = {0};
    struct sim_options changed = {0};
    const char *error = NULL;
    EXPECT(option_changes_are_empty(&changes));
    REQUIRE(parses(&changes, "nodes=7\tkill_every_us=1234  loss_ppm=5"));
    EXPECT(!option_changes_are_empty(&changes));
    sim_options_draw(&drawn, 99);
    REQUIRE(option_changes_resolve(&changes, 99, &changed, &error));
    EXPECT(changed.node_count == 7 && changed.fault_interval_us[FAULT_KILL] == 1234);
    EXPECT(changed.network.loss_ppm == 5);
    changed.node_count = drawn.node_count;
    changed.fault_interval_us[FAULT_KILL] = drawn.fault_interval_us[FAULT_KILL];
    changed.network.loss_ppm = drawn.network.loss_ppm;
    EXPECT(are_equal(&drawn, &changed));
}

TEST(later_changes_are_laid_over_earlier_ones)
{
    struct option_changes first = {0};
    struct option_changes second = {0};
    struct sim_options options = {0};
    const char *error = NULL;
    REQUIRE(parses(&first, "draw=0 nodes=3 keys=2 faults=kill:1"));
    REQUIRE(parses(&second, "nodes=5 faults=none"));
    option_changes_add(&first, &second);
    REQUIRE(option_changes_resolve(&first, 1, &options, &error));
    EXPECT(options.node_count == 5 && options.keys_per_class == 2 && options.client_count == 1);
    EXPECT(!fault_set_has(&options.only_faults, FAULT_KILL, 1));
}

static bool misfits(const char *pairs)
{
    struct option_changes changes = {0};
    struct sim_options options = {0};
    const char *error = "";
    REQUIRE(parses(&changes, pairs));
    const bool fits = option_changes_resolve(&changes, 1, &options, &error);
    REQUIRE(fits == (error[0] == '\0'));
    return !fits;
}

TEST(options_that_contradict_each_other_are_refused)
{
    EXPECT(!misfits("draw=0 election_min_ms=600 election_max_ms=600"));
    EXPECT(misfits("draw=0 election_min_ms=601 election_max_ms=600"));
    EXPECT(!misfits("draw=0 heartbeat_ms=299"));
    EXPECT(misfits("draw=0 heartbeat_ms=300"));
    EXPECT(!misfits("draw=0 nodes=3 partition_nodes=3 partition_pattern=63 partition_leader=3"));
    EXPECT(misfits("draw=0 nodes=3 partition_nodes=3 partition_pattern=64 partition_leader=3"));
    EXPECT(misfits("draw=0 nodes=3 partition_nodes=3 partition_leader=4"));
    EXPECT(misfits("draw=0 nodes=3 partition_nodes=3 partition_leader=0"));
    EXPECT(misfits("draw=0 nodes=5 partition_nodes=3 partition_leader=1"));
    EXPECT(misfits("draw=0 nodes=4 partition_nodes=4 partition_leader=1"));
}

TEST(enumerated_partitions_are_not_drawn_but_can_be_changed)
{
    struct option_changes changes = {0};
    struct sim_options options = {0};
    const char *error = NULL;
    REQUIRE(parses(&changes, "partition_nodes=3 keys=2"));
    EXPECT(option_changes_partition_nodes(&changes) == 3);
    REQUIRE(option_changes_resolve(&changes, 45 * 3 + 2, &options, &error));
    EXPECT(options.partition_pattern == 45 && options.partition_leader == 3);
    EXPECT(options.keys_per_class == 2 && options.client_count == 3);
    EXPECT(comes_back(&options, sim_options_print_short));
    REQUIRE(parses(&changes, "draw=0"));
    EXPECT(option_changes_partition_nodes(&changes) == 0);
}

TEST_MAIN(CASE(what_a_thousand_seeds_draw_is_printed_and_read_back),
          CASE(what_a_seed_draws_is_within_bounds_and_fits_together),
          CASE(plain_options_fit_together_and_are_what_the_table_says),
          CASE(no_two_options_have_the_same_name),
          CASE(the_bounds_of_every_option_are_accepted_and_one_past_them_is_not),
          CASE(what_is_no_pair_is_refused_by_name),
          CASE(lists_of_faults_are_read_strictly),
          CASE(given_options_replace_drawn_ones_and_nothing_else),
          CASE(later_changes_are_laid_over_earlier_ones),
          CASE(options_that_contradict_each_other_are_refused),
          CASE(enumerated_partitions_are_not_drawn_but_can_be_changed))
