/* Random faults on three nodes that share one counter: each increment happens once or not at all as
 * its answer says, and no read is older than what was answered before it was asked. */
#include "base/os/heap.h"
#include "harness/node_world.h"
#include "node/node_private.h"

#define CLIENTS 8

struct client {
    struct answer answer;
    node_id at; /* Node asked; NODE_NONE = idle. */
    bool writes;
    int64_t floor; /* Largest value answered before the question. */
};

struct run {
    struct world world;
    struct client clients[CLIENTS];
    uint64_t ids;
    int64_t floor; /* Largest value answered to anybody. */
    int64_t done;
    int64_t unknown;
    uint8_t seen[100000]; /* By value: an increment was answered with it. */
};

static int64_t value_of(struct reply_item item)
{
    int64_t value = 0;
    if (item.kind == REPLY_INTEGER) {
        return item.integer;
    }
    for (size_t i = 0; item.kind == REPLY_BULK && i < item.bytes.size; i++) {
        value = value * 10 + item.bytes.data[i] - '0';
    }
    return value;
}

static void judge_answer(struct run *run, struct client *client)
{
    const struct reply_item item = client->answer.item;
    REQUIRE(client->answer.count == 1);
    client->at = NODE_NONE;
    if (item.kind == REPLY_ERROR) {
        const bool unknown = memcmp(item.bytes.data, "OUTCOMEUNKNOWN", 14) == 0;
        run->unknown += client->writes && unknown ? 1 : 0;
        REQUIRE(client->writes || !unknown);
        return;
    }
    const int64_t value = value_of(item);
    if (client->writes) {
        REQUIRE(value > client->floor);
        REQUIRE(run->seen[value] == 0); /* Not twice, and not somebody else's. */
        run->seen[value] = 1;
        run->done++;
    } else {
        REQUIRE(value >= client->floor);
    }
    run->floor = value > run->floor ? value : run->floor;
}

static void client_step(struct run *run, struct client *client)
{
    struct world *world = &run->world;
    if (client->at != NODE_NONE) {
        if (client->answer.count == 0) {
            return;
        }
        judge_answer(run, client);
    }
    const node_id at = (node_id)prng_between(&world->prng, 1, world->count);
    if (world->places[at].node == NULL || prng_between(&world->prng, 1, 100) > 10) {
        return;
    }
    client->at = at;
    client->floor = run->floor;
    client->writes = prng_between(&world->prng, 1, 3) > 1;
    if (client->writes) {
        char id[48] = "";
        if (prng_between(&world->prng, 1, 2) == 1) {
            (void)snprintf(id, sizeof id, "%llu-%llu",
                           (unsigned long long)world_wall(&world->places[1]),
                           (unsigned long long)++run->ids);
        }
        answer_increment(world, at, &client->answer, "n", id);
    } else {
        answer_get(world, at, &client->answer, "n");
    }
}

/* Cuts or mends a connection; both ends notice. */
static void cut_both_ways(struct world *world, node_id a, node_id b)
{
    const bool cut = !world->cut[a][b];
    world_cut(world, a, b, cut);
    if (a != b && world->places[a].node != NULL) {
        node_peer_changed(world->places[a].node, b, !cut);
    }
    if (a != b && world->places[b].node != NULL) {
        node_peer_changed(world->places[b].node, a, !cut);
    }
}

/* Requests of a node that crashes are answered by node_free: that nothing was done of writes that
 * never left it, and doubt of the others, which is what their clients hear in the end. */
static void trouble(struct run *run)
{
    struct world *world = &run->world;
    const node_id id = (node_id)prng_between(&world->prng, 1, world->count);
    struct world_place *place = &world->places[id];
    switch (prng_between(&world->prng, 1, 8)) {
    case 1:
        if (place->node == NULL) {
            world_start(world, id);
        } else {
            world_crash(world, id, prng_between(&world->prng, 0, 50));
        }
        break;
    case 2: cut_both_ways(world, id, (node_id)prng_between(&world->prng, 1, world->count)); break;
    case 3: place->disk_holds = !place->disk_holds; break;
    case 4: world->cut[id][id % world->count + 1] ^= true; break; /* One way. */
    case 5:
        if (place->node != NULL) {
            node_resign(place->node);
        }
        break;
    default: break;
    }
}

static void heal(struct run *run)
{
    struct world *world = &run->world;
    world->lose_percent = 0;
    world->twice_percent = 0;
    memset(world->cut, 0, sizeof world->cut);
    for (node_id id = 1; id <= world->count; id++) {
        world->places[id].disk_holds = false;
        if (world->places[id].node == NULL) {
            world_start(world, id);
        }
    }
}

static void expect_sound(struct run *run)
{
    struct world *world = &run->world;
    const node_id leader = world_settle(world);
    world_run_for(world, 7000); /* Whatever waits has come to its deadline. */
    for (size_t i = 0; i < CLIENTS; i++) {
        if (run->clients[i].at != NODE_NONE) {
            judge_answer(run, &run->clients[i]);
        }
    }
    struct client *last = &run->clients[0];
    answer_get(world, leader, &last->answer, "n");
    answer_wait(world, &last->answer);
    REQUIRE(last->answer.item.kind != REPLY_ERROR);
    const int64_t value = value_of(last->answer.item);
    REQUIRE(value >= run->done && value >= run->floor);
    REQUIRE(value <= run->done + run->unknown);
    world_run_for(world, 1000);
    for (node_id id = 1; id <= world->count; id++) {
        struct node_status status;
        node_status(world->places[id].node, &status);
        raft_check(node_raft(world->places[id].node));
        REQUIRE(status.waiting == 0);
        REQUIRE(node_state_hash(world->places[id].node) ==
                node_state_hash(world->places[leader].node));
    }
}

static void run_seed(uint64_t seed, int milliseconds)
{
    struct run *run = heap_alloc(sizeof *run);
    struct world *world = &run->world;
    world_open(world, 3);
    prng_init(&world->prng, seed);
    world->delay_max_ms = (uint32_t)prng_between(&world->prng, 1, 20);
    world->lose_percent = (uint32_t)prng_between(&world->prng, 0, 10);
    world->twice_percent = (uint32_t)prng_between(&world->prng, 0, 20);
    world->options.log_keep_bytes = prng_between(&world->prng, 1, 2) == 1 ? 2048 : 1 << 20;
    world->options.request_timeout_ms = 1500;
    for (int i = 0; i < milliseconds; i++) {
        for (size_t c = 0; c < CLIENTS; c++) {
            client_step(run, &run->clients[c]);
        }
        if (prng_between(&world->prng, 1, 100) == 1) {
            trouble(run);
        }
        world_step(world);
    }
    heal(run);
    expect_sound(run);
    REQUIRE(run->done > 0);
    world_close(world);
    for (size_t i = 0; i < CLIENTS; i++) {
        answer_deinit(&run->clients[i].answer);
    }
    heap_free(run);
}

TEST(random_faults_neither_lose_nor_repeat_nor_age_anything)
{
    const char *wanted = getenv("SEED");
    if (wanted != NULL) {
        int64_t seed = 0;
        EXPECT(bytes_to_int64(bytes_of_text(wanted), &seed));
        run_seed((uint64_t)seed, 20000);
        EXPECT(true);
        return;
    }
    for (uint64_t seed = 1; seed <= 4; seed++) {
        print_message("# seed %llu\n", (unsigned long long)seed);
        run_seed(seed, 5000);
    }
    EXPECT(true);
}

TEST_MAIN(CASE(random_faults_neither_lose_nor_repeat_nor_age_anything))
