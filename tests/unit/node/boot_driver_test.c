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
    world_run(&world, 300);
    const uint64_t first = round;
    world_crash(&world, 1, 0);
    world_start(&world, 1);
    round = 0;
    world_run(&world, 300);
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
    world_run(&world, 300);
    EXPECT(node_cluster_id(world.places[1].node) == 0);
    world_crash(&world, 1, 0);
    world.tweak = move_to_a_list_of_one;
    world_start(&world, 1);
    world_run(&world, 1500);
    EXPECT(node_cluster_id(world.places[1].node) != 0);
    world_crash(&world, 1, 0);
    world_start(&world, 1);
    EXPECT(node_cluster_id(world.places[1].node) != 0);
    world_close(&world);
}

TEST_MAIN(CASE(each_start_says_hello_in_a_round_of_its_own),
          CASE(an_address_corrected_before_the_cluster_formed_is_the_one_that_counts))
