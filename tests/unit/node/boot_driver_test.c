/* The node around the boot machine: what it feeds it at start, and what it makes of its map. */
#include "core/cluster/boot.h"
#include "harness/node_world.h"
#include "node/node_private.h"

/* The round in a hello: flags u8, own address with a u16 size, nonce u64, round u64. */
static uint64_t round_of(const struct world_message *message)
{
    struct reader r = reader_of(bytes_of(message->body, message->size));
    (void)read_bytes(&r, PEER_HEADER_SIZE + 1);
    (void)read_bytes(&r, read_u16(&r));
    (void)read_u64(&r);
    const uint64_t round = read_u64(&r);
    REQUIRE(!r.failed);
    return round;
}

static enum world_verdict note_round(struct world *world, const struct world_message *message)
{
    uint64_t *round = world->judge_context;
    if (world_message_type(message) == PEER_HELLO && message->from == 1) {
        *round = round_of(message);
    }
    return WORLD_DROP;
}

TEST(each_start_says_hello_in_a_round_of_its_own)
{
    struct world world;
    uint64_t round = 0;
    world_open(&world, 2);
    world.judge = note_round;
    world.judge_context = &round;
    world_run_for(&world, 300);
    const uint64_t first = round;
    world_crash(&world, 1, 0);
    world_start(&world, 1);
    round = 0;
    world_run_for(&world, 300);
    /* 0 is also what a hello says of a round that its sender has not heard of. */
    EXPECT(first != 0 && round != 0 && round != first);
    world_close(&world);
}

static void move_to_a_list_of_one(const struct world_place *place, struct node_options *options)
{
    (void)place;
    options->address_count = 1;
    (void)snprintf(options->self, sizeof options->self, "127.0.0.1:7009");
    (void)snprintf(options->addresses[0], sizeof options->addresses[0], "127.0.0.1:7009");
}

TEST(an_address_corrected_before_the_cluster_formed_is_the_one_that_counts)
{
    struct world world;
    world_open(&world, 2);
    world_crash(&world, 2, 0);
    world_run_for(&world, 300);
    EXPECT(node_cluster_id(world.places[1].node) == 0);
    world_crash(&world, 1, 0);
    world.tweak = move_to_a_list_of_one;
    world_start(&world, 1);
    world_run_for(&world, 1500);
    EXPECT(node_cluster_id(world.places[1].node) != 0);
    world_crash(&world, 1, 0);
    world_start(&world, 1);
    EXPECT(node_cluster_id(world.places[1].node) != 0);
    world_close(&world);
}

/* Node 1 may form the map and tell 2; what would let 3 form or adopt it is lost. */
static enum world_verdict keep_three_out(struct world *world, const struct world_message *message)
{
    (void)world;
    const bool has_map = (message->body[PEER_HEADER_SIZE] & 2) != 0;
    const bool first = message->from != 2 || world->judge_context == NULL;
    if (message->to != 3 || world_message_type(message) != PEER_HELLO) {
        return WORLD_PASS;
    }
    world->judge_context = message->from == 2 ? world : world->judge_context;
    return has_map || !first ? WORLD_DROP : WORLD_PASS;
}

static void add_a_fourth_address(const struct world_place *place, struct node_options *options)
{
    if (place->id == 3) {
        options->address_count = 4;
        (void)snprintf(options->addresses[3], sizeof options->addresses[3], "127.0.0.1:6999");
    }
}

TEST(a_node_whose_list_is_not_that_of_the_map_it_adopts_stops)
{
    struct world world;
    world_open(&world, 3);
    world.judge = keep_three_out;
    world_run_for(&world, 1000);
    EXPECT(node_cluster_id(world.places[1].node) != 0);
    EXPECT(node_cluster_id(world.places[3].node) == 0);
    world_crash(&world, 3, 0);
    world.judge = NULL;
    world.tweak = add_a_fourth_address;
    world_start(&world, 3);
    struct node *node = world.places[3].node;
    EXPECT(node_self(node) == 4);
    const char *error = NULL;
    for (int i = 0; i < 3000 && node_health(node, &error) == Q_OK && !node->booted; i++) {
        world.now_ms++;
        world_deliver(&world);
        node_turn(node);
        world_do_job(&world.places[3]);
        world.places[3].node = NULL;
        world_turns(&world);
        world.places[3].node = node;
    }
    /* Its peers know it as 3, and its links were made by the list: only a new start helps. */
    EXPECT(!node->booted);
    EXPECT(node_health(node, &error) == Q_EINVAL);
    world_crash(&world, 3, 0);
    world_start(&world, 3);
    EXPECT(node_self(world.places[3].node) == 3);
    world_settle(&world);
    world_close(&world);
}

TEST_MAIN(CASE(each_start_says_hello_in_a_round_of_its_own),
          CASE(an_address_corrected_before_the_cluster_formed_is_the_one_that_counts),
          CASE(a_node_whose_list_is_not_that_of_the_map_it_adopts_stops))
