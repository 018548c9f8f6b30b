/* sim/partitions: the arithmetic of patterns, and the checks on states they must object to. */
#include "base/os/heap.h"
#include "base/os/log.h"
#include "harness/test.h"
#include "sim/world.h"

#include <string.h>

#define UNDIRECTED_5 1024

static bool both_up(const struct link_map *links, node_id a, node_id b)
{
    return a == b || (links->up[a][b] && links->up[b][a]);
}

/* Every set of a majority's size, spelled out: the other way to say it. */
static bool majority_by_brute_force(uint32_t nodes, const struct link_map *links)
{
    static const node_id PAIRS[][3] = {{1, 2, 2}, {1, 3, 3}, {2, 3, 3}};
    static const node_id TRIPLES[][3] = {{1, 2, 3}, {1, 2, 4}, {1, 2, 5}, {1, 3, 4}, {1, 3, 5},
                                         {1, 4, 5}, {2, 3, 4}, {2, 3, 5}, {2, 4, 5}, {3, 4, 5}};
    const node_id(*sets)[3] = nodes == 3 ? PAIRS : TRIPLES;
    for (size_t i = 0; i < (nodes == 3 ? 3 : 10); i++) {
        const node_id *set = sets[i];
        if (both_up(links, set[0], set[1]) && both_up(links, set[0], set[2]) &&
            both_up(links, set[1], set[2])) {
            return true;
        }
    }
    return false;
}

static uint32_t count_up(uint32_t nodes, const struct link_map *links)
{
    uint32_t count = 0;
    for (node_id a = 1; a <= nodes; a++) {
        for (node_id b = 1; b <= nodes; b++) {
            count += links->up[a][b];
        }
    }
    return count;
}

struct tally {
    uint32_t majorities;
    uint32_t disagreements;
};

static struct tally count_majorities(uint32_t nodes, uint32_t patterns)
{
    struct tally tally = {0};
    for (uint32_t pattern = 0; pattern < patterns; pattern++) {
        struct link_map links;
        partitions_links(nodes, pattern, &links);
        const bool found = partitions_majority_is_connected(nodes, &links);
        tally.majorities += found;
        tally.disagreements += found != majority_by_brute_force(nodes, &links);
    }
    return tally;
}

TEST(a_connected_majority_is_found_as_by_brute_force)
{
    /* Of 3 pairs none is up both ways in 3^3 of 4^3 patterns. */
    const struct tally of_3 = count_majorities(3, 64);
    EXPECT(of_3.majorities == 64 - 27 && of_3.disagreements == 0);
    /* 388 graphs on 5 labelled nodes have no triangle (OEIS A213434). */
    const struct tally of_5 = count_majorities(5, UNDIRECTED_5);
    EXPECT(of_5.majorities == 1024 - 388 && of_5.disagreements == 0);
    EXPECT(count_majorities(5, partitions_pattern_count(5)).disagreements == 0);
}

TEST(each_bit_is_one_link_of_three_nodes_and_one_pair_of_five)
{
    struct link_map links;
    partitions_links(3, 0, &links);
    EXPECT(count_up(3, &links) == 0);
    partitions_links(3, 63, &links);
    EXPECT(count_up(3, &links) == 6 && !links.up[1][1] && !links.up[0][1]);
    partitions_links(5, UNDIRECTED_5 - 1, &links);
    EXPECT(count_up(5, &links) == 20);
    partitions_links(3, 1 << 2, &links);
    EXPECT(count_up(3, &links) == 1 && links.up[2][1]);
    partitions_links(5, 1 << 9, &links);
    EXPECT(count_up(5, &links) == 2 && links.up[4][5] && links.up[5][4]);
}

static uint32_t count_twins(uint32_t nodes)
{
    const uint32_t count = partitions_pattern_count(nodes);
    struct link_map *all = heap_alloc(count * sizeof *all);
    uint32_t twins = 0;
    for (uint32_t pattern = 0; pattern < count; pattern++) {
        partitions_links(nodes, pattern, &all[pattern]);
        for (uint32_t other = 0; other < pattern; other++) {
            twins += memcmp(&all[pattern], &all[other], sizeof *all) == 0;
        }
    }
    heap_free(all);
    return twins;
}

TEST(no_two_patterns_are_the_same)
{
    EXPECT(count_twins(3) == 0);
    EXPECT(count_twins(5) == 0);
}

TEST(seeds_go_through_every_pattern_and_leader_and_begin_again)
{
    struct sim_options options = {.partition_nodes = 3, .verbose = true};
    bool seen[64][4] = {{false}};
    for (uint64_t seed = 0; seed < 192; seed++) {
        partitions_options(&options, seed);
        REQUIRE(options.partition_pattern < 64);
        REQUIRE(options.partition_leader >= 1 && options.partition_leader <= 3);
        bool *at = &seen[options.partition_pattern][options.partition_leader];
        EXPECT(!*at);
        *at = true;
    }
    EXPECT(options.verbose && options.node_count == 3 && options.client_count == 3);
    partitions_options(&options, 192 + 5);
    EXPECT(options.partition_pattern == 1 && options.partition_leader == 3);
    EXPECT(options.seed == 197 && options.partition_resets); /* Other delays, the other way. */
    partitions_options(&options, 384 + 5);
    EXPECT(options.partition_pattern == 1 && !options.partition_resets);
    EXPECT(partitions_run_count(5) == partitions_pattern_count(5) * 5);
}

TEST(a_replay_names_pattern_and_leader_or_the_seed_of_a_later_round)
{
    char text[128];
    partitions_replay(3, 191, text, sizeof text);
    EXPECT(strcmp(text, "--partitions 3 --pattern 63 --leader 3") == 0);
    partitions_replay(3, 192, text, sizeof text);
    EXPECT(strcmp(text, "--partitions 3 --seed 192") == 0);
}

/* A world 30 s into a cut, in which the last write is 1 s ago. */
static struct world *new_world(bool is_owed)
{
    struct world *world = heap_alloc(sizeof *world);
    world->options.partition_nodes = 3;
    partitions_options(&world->options, UINT64_C(63) * 3);
    oracle_init(&world->oracle, 3, &world->violation);
    world->now_us = 40 * SECOND;
    world->partition_watch = (struct partition_watch){.figures.is_owed = is_owed,
                                                      .cut_at_us = 10 * SECOND,
                                                      .cut_term = 5,
                                                      .settled_term = 7,
                                                      .last_write_us = 39 * SECOND};
    world->oracle.mirrors[1].term = 7;
    return world;
}

static bool is_violated(struct world *world)
{
    const bool found = world->violation.found;
    oracle_deinit(&world->oracle);
    heap_free(world);
    return found;
}

TEST(a_pause_of_ten_election_timeouts_is_allowed_and_no_more)
{
    struct world *world = new_world(true);
    world->partition_watch.last_write_us = world->now_us - 6 * SECOND;
    partitions_step(world);
    EXPECT(!is_violated(world));

    world = new_world(true);
    world->partition_watch.last_write_us = world->now_us - 6 * SECOND - MILLISECOND;
    partitions_step(world);
    EXPECT(is_violated(world));

    world = new_world(false); /* Nothing is owed without a majority. */
    world->partition_watch.last_write_us = world->partition_watch.cut_at_us;
    partitions_step(world);
    EXPECT(!is_violated(world));
}

TEST(only_writes_sent_after_the_cut_count)
{
    struct world *world = new_world(true);
    partitions_wrote(world, world->partition_watch.cut_at_us - 1);
    EXPECT(!world->partition_watch.figures.wrote);
    partitions_wrote(world, world->partition_watch.cut_at_us);
    EXPECT(world->partition_watch.figures.wrote);
    EXPECT(world->partition_watch.figures.first_write_us == 30 * SECOND);
    EXPECT(world->partition_watch.last_write_us == world->now_us);
    EXPECT(!is_violated(world));
}

TEST(one_change_of_leader_in_a_minute_is_allowed_and_no_more)
{
    struct world *world = new_world(true);
    world->oracle.mirrors[2].term = 9;
    oracle_term(&world->oracle, 7)->leader = 1; /* Not after the settled term. */
    oracle_term(&world->oracle, 8)->leader = 2;
    partitions_step(world);
    EXPECT(!world->violation.found && world->partition_watch.figures.leader_changes == 1);
    oracle_term(&world->oracle, 9)->leader = 1;
    partitions_step(world);
    EXPECT(is_violated(world));
}

TEST(terms_may_grow_a_little_and_no_more)
{
    struct world *world = new_world(true);
    world->oracle.mirrors[3].term = 9;
    partitions_step(world);
    EXPECT(!world->violation.found && world->partition_watch.figures.term_growth == 4);
    world->oracle.mirrors[3].term = 10;
    partitions_step(world);
    EXPECT(is_violated(world));
}

TEST(a_wanted_leader_that_never_leads_is_reported)
{
    struct world *world = new_world(true);
    world->partition_watch.cut_at_us = 0;
    partitions_end(world);
    EXPECT(is_violated(world));
}

TEST(all_must_be_whole_ten_election_timeouts_after_the_cut)
{
    struct world *world = new_world(false);
    partitions_end(world);
    world->now_us += 6 * SECOND;
    partitions_step_healed(world); /* No node runs: not whole. */
    EXPECT(!world->violation.found);
    world->now_us++;
    partitions_step_healed(world);
    EXPECT(is_violated(world));
}

/* The whole way once, with a chain whose first leader is at its end. */
TEST(a_run_makes_the_leader_cuts_and_writes)
{
    /* 1-2 and 2-3 are up: 1 + 4 + 8 + 32. */
    const uint64_t seed = (uint64_t)45 * 3 + 2;
    struct sim_options options = {.partition_nodes = 3};
    partitions_options(&options, seed);
    struct world_result result;
    log_configure(LOG_OFF, false);
    world_run(&options, &result);
    EXPECT(!result.violation.found && result.faults == 1);
    EXPECT(result.operations > 100 && result.simulated_us > 60 * SECOND);
    const struct partition_figures *figures = &result.partition;
    EXPECT(figures->is_owed && figures->wrote && figures->first_write_us > 0);
    EXPECT(figures->term_growth == 0 && figures->leader_changes == 0);
}

TEST_MAIN(CASE(a_connected_majority_is_found_as_by_brute_force),
          CASE(each_bit_is_one_link_of_three_nodes_and_one_pair_of_five),
          CASE(no_two_patterns_are_the_same),
          CASE(seeds_go_through_every_pattern_and_leader_and_begin_again),
          CASE(a_replay_names_pattern_and_leader_or_the_seed_of_a_later_round),
          CASE(a_pause_of_ten_election_timeouts_is_allowed_and_no_more),
          CASE(only_writes_sent_after_the_cut_count),
          CASE(one_change_of_leader_in_a_minute_is_allowed_and_no_more),
          CASE(terms_may_grow_a_little_and_no_more),
          CASE(a_wanted_leader_that_never_leads_is_reported),
          CASE(all_must_be_whole_ten_election_timeouts_after_the_cut),
          CASE(a_run_makes_the_leader_cuts_and_writes))
