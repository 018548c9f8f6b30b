#include "harness/node_world.h"

#include "base/err.h"
#include "base/os/heap.h"
#include "base/os/log.h"

enum peer_message_type world_message_type(const struct world_message *message)
{
    return (enum peer_message_type)message->body[0];
}

static uint64_t world_monotonic(void *context)
{
    return ((struct world_place *)context)->world->now_ms;
}

uint64_t world_wall(void *context)
{
    return 1700000000000 + ((struct world_place *)context)->world->now_ms;
}

static struct buf *world_peer_begin(void *context, node_id to)
{
    struct world_place *place = context;
    struct world *world = place->world;
    if (world->stopping || world->cut[place->id][to] || world->places[to].node == NULL) {
        return NULL;
    }
    buf_clear(&place->out);
    return &place->out;
}

void world_post(struct world *world, const struct world_message *model, uint64_t at_ms)
{
    struct world_message *message = heap_alloc_raw(sizeof *message + model->size);
    memcpy(message, model, sizeof *message + model->size);
    message->deliver_at_ms = at_ms;
    struct list *before = &world->queue;
    while (before->previous != &world->queue &&
           LIST_ITEM(before->previous, struct world_message, link)->deliver_at_ms > at_ms) {
        before = before->previous;
    }
    list_append(before, &message->link);
}

static uint64_t world_arrival(struct world *world)
{
    const uint32_t most = world->delay_max_ms > 0 ? world->delay_max_ms : 1;
    return world->now_ms + prng_between(&world->prng, 1, most);
}

static void world_peer_end(void *context, node_id to)
{
    struct world_place *place = context;
    struct world *world = place->world;
    const struct bytes body = buf_bytes(&place->out);
    struct world_message *message = heap_alloc_raw(sizeof *message + body.size);
    *message = (struct world_message){.from = place->id,
                                      .to = to,
                                      .cluster_id = place->node ? node_cluster_id(place->node) : 0,
                                      .size = body.size};
    memcpy(message->body, body.data, body.size);
    enum world_verdict verdict = world->judge != NULL ? world->judge(world, message) : WORLD_PASS;
    if (body.size > FRAME_SIZE_MAX - 64) {
        verdict = WORLD_DROP; /* As peer_link_end. */
    }
    if (verdict == WORLD_PASS && prng_between(&world->prng, 1, 100) <= world->lose_percent) {
        verdict = WORLD_DROP;
    }
    if (verdict == WORLD_PASS && prng_between(&world->prng, 1, 100) <= world->twice_percent) {
        verdict = WORLD_TWICE;
    }
    if (verdict != WORLD_DROP) {
        world_post(world, message, world_arrival(world));
    }
    if (verdict == WORLD_TWICE) {
        world_post(world, message, world_arrival(world));
    }
    heap_free(message);
}

static void world_log_start(void *context)
{
    ((struct world_place *)context)->job = true;
}

static void world_tell_connected(struct world *world, node_id id, bool connected)
{
    for (node_id other = 1; other <= world->count; other++) {
        if (other != id && world->places[other].node != NULL) {
            node_peer_changed(world->places[other].node, id, connected);
        }
    }
}

int world_try_start(struct world *world, node_id id, char *error, size_t error_size)
{
    struct world_place *place = &world->places[id];
    REQUIRE(place->node == NULL);
    struct node_options options = world->options;
    options.address_count = world->count;
    for (size_t i = 0; i < world->count; i++) {
        (void)snprintf(options.addresses[i], sizeof options.addresses[i], "127.0.0.1:%zu",
                       7001 + i);
    }
    (void)snprintf(options.self, sizeof options.self, "127.0.0.1:%u", 7000 + id);
    place->starts++;
    options.seed = (uint64_t)id * 1000 + place->starts;
    place->env = (struct env){.context = place,
                              .monotonic_ms = world_monotonic,
                              .wall_ms = world_wall,
                              .peer_begin = world_peer_begin,
                              .peer_end = world_peer_end,
                              .log_start = world_log_start};
    place->job = false;
    if (world->tweak != NULL) {
        world->tweak(place, &options);
    }
    place->env.files = place->node_files != NULL ? place->node_files : place->files;
    place->env.engine = place->node_engine != NULL ? place->node_engine : place->engine;
    const int err = node_start(&options, &place->env, &place->node, error, error_size);
    if (err == Q_OK) {
        world_tell_connected(world, id, true);
    }
    return err;
}

void world_start(struct world *world, node_id id)
{
    char error[512] = "";
    const int err = world_try_start(world, id, error, sizeof error);
    if (err != Q_OK) {
        print_message("# node_start: %s\n", error);
    }
    REQUIRE(err == Q_OK);
}

void world_crash(struct world *world, node_id id, size_t keep)
{
    struct world_place *place = &world->places[id];
    world->stopping = true; /* The dead send nothing. */
    node_free(place->node);
    world->stopping = false;
    place->node = NULL;
    place->job = false;
    memory_engine_crash(place->engine, keep);
    world_tell_connected(world, id, false);
}

void world_prepare(struct world *world, size_t count)
{
    REQUIRE(count <= WORLD_NODES_MAX);
    log_configure(LOG_OFF, false);
    *world = (struct world){.count = count, .now_ms = 1000};
    world->options = (struct node_options){
        .heartbeat_ms = 50,
        .election_min_ms = 300,
        .election_max_ms = 600,
        .request_timeout_ms = 5000,
        .value_size_max = VALUE_SIZE_DEFAULT,
        .log_keep_bytes = LOG_KEEP_BYTES,
        .wal_segment_size = (uint64_t)256 * 1024,
        .parked_max = 1000,
    };
    prng_init(&world->prng, 4711);
    list_init(&world->queue);
    for (node_id id = 1; id <= count; id++) {
        struct world_place *place = &world->places[id];
        place->world = world;
        place->id = id;
        temporary_directory_make(&place->directory);
        place->files = os_files_new(place->directory.path);
        REQUIRE(place->files != NULL);
        place->engine = memory_engine_new();
    }
}

void world_open(struct world *world, size_t count)
{
    world_prepare(world, count);
    for (node_id id = 1; id <= count; id++) {
        world_start(world, id);
    }
}

void world_close(struct world *world)
{
    world->stopping = true;
    for (node_id id = 1; id <= world->count; id++) {
        struct world_place *place = &world->places[id];
        node_free(place->node);
        place->engine->ops->close(place->engine);
        os_files_free(place->files);
        temporary_directory_remove(&place->directory);
        buf_deinit(&place->out);
    }
    while (!list_is_empty(&world->queue)) {
        struct list *link = list_first(&world->queue);
        list_remove(link);
        heap_free(LIST_ITEM(link, struct world_message, link));
    }
}

void world_do_job(struct world_place *place)
{
    while (place->node != NULL && place->job && !place->disk_holds) {
        place->job = false;
        int err = wal_job_write(node_wal(place->node));
        err = err == Q_OK ? wal_job_sync(node_wal(place->node)) : err;
        node_log_done(place->node, err);
        node_turn(place->node);
    }
}

void world_deliver(struct world *world)
{
    struct list *link = list_first(&world->queue);
    while (link != NULL &&
           LIST_ITEM(link, struct world_message, link)->deliver_at_ms <= world->now_ms) {
        struct world_message *message = LIST_ITEM(link, struct world_message, link);
        list_remove(link);
        struct node *to = world->places[message->to].node;
        if (to != NULL && !world->cut[message->from][message->to]) {
            node_receive(to, message->from, message->cluster_id,
                         bytes_of(message->body, message->size));
        }
        heap_free(message);
        link = list_first(&world->queue);
    }
}

void world_turns(struct world *world)
{
    for (node_id id = 1; id <= world->count; id++) {
        struct world_place *place = &world->places[id];
        if (place->node != NULL) {
            const char *error = NULL;
            node_turn(place->node);
            world_do_job(place);
            const bool is_well = node_health(place->node, &error) == Q_OK;
            if (!is_well && !place->may_fail) {
                print_message("# node %u: %s\n", id, error);
            }
            REQUIRE(is_well || place->may_fail);
        }
    }
}

void world_step(struct world *world)
{
    world->now_ms++;
    world_deliver(world);
    world_turns(world);
}

void world_run_for(struct world *world, uint64_t ms)
{
    const uint64_t end = world->now_ms + ms;
    while (world->now_ms < end) {
        world_step(world);
    }
}

node_id world_leader(const struct world *world)
{
    node_id leader = NODE_NONE;
    raft_term term = 0;
    for (node_id id = 1; id <= world->count; id++) {
        const struct node *node = world->places[id].node;
        if (node == NULL) {
            continue;
        }
        const struct raft *raft = node_raft(node);
        if (raft->role == RAFT_LEADER && raft->hard.term > term) {
            leader = id;
            term = raft->hard.term;
        }
    }
    return leader;
}

node_id world_settle(struct world *world)
{
    for (int i = 0; i < 20000; i++) {
        world_step(world);
        const node_id leader = world_leader(world);
        bool settled = leader != NODE_NONE;
        for (node_id id = 1; id <= world->count && settled; id++) {
            const struct node *node = world->places[id].node;
            settled = node == NULL || world->cut[leader][id] ||
                      (node_raft(node)->leader == leader &&
                       node_raft(node)->applied_index >=
                           node_raft(world->places[leader].node)->term_start_index);
        }
        if (settled) {
            return leader;
        }
    }
    test_failed("the cluster settles", __FILE__, __LINE__);
}

node_id world_other(const struct world *world, node_id a, node_id b)
{
    node_id id = 1;
    while (id == a || id == b) {
        id++;
    }
    REQUIRE(id <= world->count);
    return id;
}

void world_cut(struct world *world, node_id a, node_id b, bool cut)
{
    world->cut[a][b] = cut;
    world->cut[b][a] = cut;
}

/* ---- requests ---- */

static void answer_done(struct node_request *request, struct bytes reply)
{
    struct answer *answer = LIST_ITEM(request, struct answer, request);
    answer->count++;
    buf_clear(&answer->reply);
    buf_append(&answer->reply, reply);
    struct reader r = reader_of(buf_bytes(&answer->reply));
    REQUIRE(reply_read(&r, &answer->item));
}

void answer_ask(struct world *world,
                node_id id,
                struct answer *answer,
                struct request request,
                uint32_t timeout_ms)
{
    answer->count = 0;
    answer->request.request = request;
    answer->request.timeout_ms = timeout_ms;
    answer->request.done = answer_done;
    node_submit(world->places[id].node, &answer->request);
}

void answer_set(
    struct world *world, node_id id, struct answer *answer, const char *key, const char *value)
{
    const struct bytes args[] = {bytes_of_text(key), bytes_of_text(value)};
    answer_ask(world, id, answer, (struct request){.op = OP_SET, .args = args, .arg_count = 2}, 0);
}

void answer_increment(
    struct world *world, node_id id, struct answer *answer, const char *key, const char *request_id)
{
    const struct bytes args[] = {bytes_of_text(key)};
    answer_ask(world, id, answer,
               (struct request){.op = OP_INCRBY,
                                .args = args,
                                .arg_count = 1,
                                .a = 1,
                                .request_id = bytes_of_text(request_id)},
               0);
}

void answer_get(struct world *world, node_id id, struct answer *answer, const char *key)
{
    const struct bytes args[] = {bytes_of_text(key)};
    answer_ask(world, id, answer, (struct request){.op = OP_GET, .args = args, .arg_count = 1}, 0);
}

void answer_wait(struct world *world, const struct answer *answer)
{
    for (int i = 0; i < 20000 && answer->count == 0; i++) {
        world_step(world);
    }
    REQUIRE(answer->count == 1);
}

bool answer_starts(const struct answer *answer, const char *text)
{
    const struct bytes wanted = bytes_of_text(text);
    const bool starts = answer->count == 1 && answer->item.bytes.size >= wanted.size &&
                        memcmp(answer->item.bytes.data, wanted.data, wanted.size) == 0;
    if (!starts && answer->count == 1) {
        print_message("# the answer is: %c %lld %.*s\n", answer->item.kind,
                      (long long)answer->item.integer, (int)answer->item.bytes.size,
                      answer->item.bytes.data == NULL ? "" : (const char *)answer->item.bytes.data);
    }
    return starts;
}

void answer_deinit(struct answer *answer)
{
    buf_deinit(&answer->reply);
}
