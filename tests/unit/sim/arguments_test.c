/* sim/arguments and sim/report: what may be asked for, and that a report says how to ask again. */
#include "harness/test.h"
#include "sim/arguments.h"

#define WORDS_MAX 16

static char error[512];

/* Splits at '|'; `arguments` is zeroed first. */
static bool parses(const char *line, struct arguments *arguments)
{
    static char text[2048];
    static char program[] = "quorate-sim";
    char *words[WORDS_MAX] = {program};
    int count = 1;
    (void)snprintf(text, sizeof text, "%s", line);
    for (char *at = text; *at != '\0';) {
        char *end = at + strcspn(at, "|");
        REQUIRE(count < WORDS_MAX);
        words[count++] = at;
        at = *end == '\0' ? end : end + 1;
        *end = '\0';
    }
    *arguments = (struct arguments){.has_seed = false};
    error[0] = '\0';
    return arguments_parse(count, words, arguments, error, sizeof error);
}

static bool is_refused(const char *line, const char *because)
{
    struct arguments arguments;
    return !parses(line, &arguments) && strstr(error, because) != NULL;
}

TEST(a_seed_or_many_are_asked_for)
{
    struct arguments arguments;
    EXPECT(parses("--seed|42|--verbose", &arguments) && arguments.campaign.verbose);
    EXPECT(arguments.campaign.first_seed == 42 && arguments.campaign.seed_count == 1);
    EXPECT(parses("--seeds|100|--start|7|--jobs|64|--stop", &arguments));
    EXPECT(arguments.campaign.jobs == 64 && arguments.campaign.seed_count == 100);
    EXPECT(parses("--seeds-file|tests/seeds.txt", &arguments));
    EXPECT(parses("--seed|1|--shrink|--tail|20|--jobs|16|--time-limit|5", &arguments));
    EXPECT(arguments.shrinks && arguments.tail == 20);
    EXPECT(arguments.campaign.time_limit_ms == 5000);
    EXPECT(parses("--help", &arguments) && arguments.helps);
    EXPECT(parses("--options", &arguments) && arguments.lists);
}

TEST(options_are_set_by_name)
{
    struct arguments arguments;
    EXPECT(parses("--seed|1|--set|nodes=3 keys=2|--set|keys=4", &arguments));
    const struct option_changes *changes = &arguments.campaign.changes;
    EXPECT(changes->values[option_find("nodes")] == 3 && changes->values[option_find("keys")] == 4);
    EXPECT(parses("--seed|1|--nodes|5", &arguments));
    EXPECT(changes->values[option_find("nodes")] == 5);
    EXPECT(parses("--plant-selftest", &arguments) && changes->is_given[option_find("selftest")]);
    EXPECT(is_refused("--seed|1|--set|bla=1", "bla=1: is no option"));
    EXPECT(is_refused("--seed|1|--set|nodes=8", "nodes=8: is out of bounds: 1 to 7"));
    EXPECT(is_refused("--seed|1|--nodes|3 keys=2", "is not a number"));
    EXPECT(is_refused("--seed|5|--set|election_min_ms=5000", "seed 5: election_min_ms must be"));
    EXPECT(is_refused("--seed|1|--set", "value is missing"));
}

TEST(wrong_arguments_are_refused)
{
    EXPECT(is_refused("", "one is needed"));
    EXPECT(is_refused("--bla|1", "--bla: is no argument"));
    EXPECT(is_refused("--seed", "value is missing"));
    EXPECT(is_refused("--seed|x", "--seed: is not a number"));
    EXPECT(is_refused("--seed|-1", "--seed: is not a number"));
    EXPECT(is_refused("--seeds|10|--jobs|65", "--jobs: is not"));
    EXPECT(is_refused("--seeds|10|--jobs|0", "--jobs: is not"));
    EXPECT(is_refused("--seeds|10|--shrink", "only with --seed"));
    EXPECT(is_refused("--seeds|10|--verbose", "only with --seed"));
    EXPECT(is_refused("--seed|1|--shrink|--verbose", "not with --verbose"));
    EXPECT(is_refused("--seed|1|--shrink|--jobs|17", "16 at most"));
    EXPECT(is_refused("--seed|1|--tail|5", "only with --shrink"));
    EXPECT(is_refused("--seed|1|--plant|B00", "B00"));
}

TEST(partitions_become_seeds)
{
    struct arguments arguments;
    const struct campaign_options *campaign = &arguments.campaign;
    EXPECT(parses("--partitions|3", &arguments) && campaign->seed_count == 192);
    EXPECT(parses("--partitions|3|--pattern|45", &arguments));
    EXPECT(campaign->first_seed == 135 && campaign->seed_count == 3);
    EXPECT(parses("--partitions|3|--pattern|45|--leader|3", &arguments));
    EXPECT(campaign->first_seed == 137 && campaign->seed_count == 1);
    EXPECT(is_refused("--partitions|4", "must be 3 or 5"));
    EXPECT(is_refused("--partitions|3|--pattern|64", "no such pattern"));
    EXPECT(is_refused("--partitions|3|--leader|1", "leader without --pattern"));
    EXPECT(is_refused("--partitions|3|--pattern|1|--leader|4", "no such leader"));
    EXPECT(is_refused("--seed|1|--pattern|3", "only with --partitions"));
}

/* The command that replays what these arguments ask for. */
static bool replay_is(const char *line, const char *wanted)
{
    struct arguments arguments;
    struct buf out = {0};
    REQUIRE(parses(line, &arguments));
    const struct campaign_options *campaign = &arguments.campaign;
    report_replay(&campaign->origin, &campaign->changes, campaign->first_seed, &out);
    const bool equal = bytes_equal(buf_bytes(&out), bytes_of_text(wanted));
    buf_deinit(&out);
    return equal;
}

TEST(a_replay_forces_what_was_forced_and_nothing_else)
{
    EXPECT(replay_is("--seed|42", "quorate-sim --seed 42"));
    EXPECT(replay_is("--seed|42|--verbose|--jobs|2", "quorate-sim --seed 42"));
    EXPECT(replay_is("--seeds|9|--start|42|--nodes|5", "quorate-sim --seed 42 --set \"nodes=5\""));
    EXPECT(replay_is("--seed|1|--set|keys=2 draw=0|--set|faults=kill:1",
                     "quorate-sim --seed 1 --set \"draw=0 keys=2 faults=kill:1\""));
    EXPECT(replay_is("--partitions|3|--pattern|45|--leader|3",
                     "quorate-sim --partitions 3 --pattern 45 --leader 3"));
    EXPECT(replay_is("--partitions|3|--seed|192|--set|keys=2",
                     "quorate-sim --partitions 3 --seed 192 --set \"keys=2\""));
    EXPECT(replay_is("--seed|7|--set|draw=0 nodes=3 partition_nodes=3 partition_leader=1",
                     "quorate-sim --seed 7 --set \"draw=0 nodes=3 partition_nodes=3 "
                     "partition_leader=1\""));
}

static bool report_has(const struct world_result *result, const char *wanted)
{
    struct arguments arguments;
    struct buf out = {0};
    REQUIRE(parses("--seed|42|--nodes|5", &arguments));
    arguments.campaign.origin.commit = "abc";
    arguments.campaign.origin.plant = "B01";
    report_violation(&arguments.campaign.origin, &arguments.campaign.changes, result, &out);
    buf_append(&out, bytes_of("", 1));
    const bool has = strstr((const char *)buf_bytes(&out).data, wanted) != NULL;
    buf_deinit(&out);
    return has;
}

TEST(a_report_has_all_that_is_needed_to_look_at_a_failure)
{
    struct world_result result = {.seed = 42, .has_ended = true, .hash = 255, .hash_again = 255};
    violation_report(&result.violation, "lists", "something is %s", "lost");
    result.violation.at_us = 1234567;
    EXPECT(report_has(&result, "VIOLATION seed=42 checker=lists at=1.235s\n  something is lost\n"));
    EXPECT(report_has(&result, "\n  commit: abc\n"));
    EXPECT(report_has(&result, "\n  hash: 00000000000000ff, a second run gave the same\n"));
    EXPECT(report_has(&result, "\n    nodes=5 clients="));
    EXPECT(
        report_has(&result, "\n  replay: quorate-sim --seed 42 --set \"nodes=5\" --plant B01\n"));
    EXPECT(report_has(&result, "\n  add to tests/seeds.txt: 42 draw=0 nodes=5 clients="));
    result.hash_again = 254;
    EXPECT(report_has(&result, "BUT A SECOND RUN GAVE 00000000000000fe: not deterministic"));
    result.has_ended = false;
    EXPECT(report_has(&result, "hash: unknown, the process died"));
}

TEST(crash_states_are_asked_for)
{
    struct arguments arguments;
    EXPECT(parses("--crash-states", &arguments) && arguments.wants_crashes);
    EXPECT(arguments.crash.again == CRASH_AGAIN_DEFAULT);
    EXPECT(arguments.crash.only_cut == CRASH_NO_CUT && arguments.crash.limit == 0);
    EXPECT(parses("--crash-states|--workload|vote|--seed|5|--cut|7|--again|0|--limit|9|--verbose",
                  &arguments));
    EXPECT(strcmp(arguments.crash.workload, "vote") == 0 && arguments.crash.seed == 5);
    EXPECT(arguments.crash.only_cut == 7 && arguments.crash.again == 0);
    EXPECT(arguments.crash.limit == 9 && arguments.crash.verbose);
    EXPECT(is_refused("--crash-states|--seeds|4", "not with other things"));
    EXPECT(is_refused("--crash-states|--partitions|3", "not with other things"));
    EXPECT(is_refused("--crash-states|--cut|7", "only with --workload"));
    EXPECT(is_refused("--seed|1|--workload|vote", "only with --crash-states"));
    EXPECT(is_refused("--seed|1|--limit|9", "only with --crash-states"));
    EXPECT(is_refused("--crash-states|--limit|0", "out of bounds"));
}

TEST_MAIN(CASE(a_seed_or_many_are_asked_for),
          CASE(options_are_set_by_name),
          CASE(wrong_arguments_are_refused),
          CASE(partitions_become_seeds),
          CASE(crash_states_are_asked_for),
          CASE(a_replay_forces_what_was_forced_and_nothing_else),
          CASE(a_report_has_all_that_is_needed_to_look_at_a_failure))
