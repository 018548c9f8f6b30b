#include "harness/fault_world.h"

#include "base/err.h"
#include "base/os/heap.h"
#include "node/node_private.h"

#define LIST_KEY      "list"
#define WAIT_STEPS    20000
#define LEVEL_MS      60000
#define SCAN_COUNT    1000
#define POWER_SEED    20180614
#define REQUEST_ID_MS UINT64_C(1700000000000)

/* ---- the world ---- */

void fault_world_prepare(struct fault_world *f, size_t count)
{
    f->victim = NODE_NONE;
    f->state = VICTIM_WELL;
    f->error_code = Q_OK;
    f->error[0] = '\0';
    f->pledge_count = 0;
    world_prepare(&f->world, count);
    for (node_id id = 1; id <= count; id++) {
        struct world_place *place = &f->world.places[id];
        fault_files_init(&f->disks[id]);
        fault_engine_init(&f->engines[id], place->engine);
        place->node_files = &f->disks[id].files;
        place->node_engine = &f->engines[id].engine;
    }
}

void fault_world_close(struct fault_world *f)
{
    world_close(&f->world);
    for (node_id id = 1; id <= f->world.count; id++) {
        fault_files_deinit(&f->disks[id]);
    }
}

static void take_down(struct fault_world *f, enum victim_state state, int err, const char *error)
{
    f->state = state;
    f->error_code = err;
    (void)snprintf(f->error, sizeof f->error, "%s", error);
}

void fault_world_start(struct fault_world *f, node_id id)
{
    char error[512] = "";
    const int err = world_try_start(&f->world, id, error, sizeof error);
    if (err == Q_OK) {
        return;
    }
    REQUIRE(f->world.places[id].node == NULL);
    REQUIRE(f->disks[id].open_count == 0);
    if (id != f->victim) {
        print_message("# node %u does not start: %s\n", id, error);
    }
    REQUIRE(id == f->victim);
    take_down(f, VICTIM_REFUSED, err, error);
}

void fault_world_start_all(struct fault_world *f)
{
    for (node_id id = 1; id <= f->world.count; id++) {
        if (f->world.places[id].node == NULL) {
            fault_world_start(f, id);
        }
    }
}

void fault_world_kill(struct fault_world *f, node_id id, size_t keep)
{
    world_crash(&f->world, id, keep);
    REQUIRE(f->disks[id].open_count == 0);
}

void fault_world_step(struct fault_world *f)
{
    if (f->victim != NODE_NONE) {
        f->world.places[f->victim].may_fail = true;
    }
    world_step(&f->world);
    if (f->victim == NODE_NONE || f->world.places[f->victim].node == NULL) {
        return;
    }
    const char *error = "";
    const int err = node_health(f->world.places[f->victim].node, &error);
    if (err != Q_OK) {
        take_down(f, VICTIM_STOPPED, err, error);
        fault_world_kill(f, f->victim, prng_below(&f->world.prng, 4));
    }
}

void fault_world_run(struct fault_world *f, uint64_t ms)
{
    for (uint64_t i = 0; i < ms; i++) {
        fault_world_step(f);
    }
}

static bool is_settled(const struct fault_world *f)
{
    const struct world *world = &f->world;
    const node_id leader = world_leader(world);
    if (leader == NODE_NONE) {
        return false;
    }
    const struct raft *leading = node_raft(world->places[leader].node);
    for (node_id id = 1; id <= world->count; id++) {
        const struct node *node = world->places[id].node;
        if (node != NULL && (node_raft(node)->leader != leader ||
                             node_raft(node)->applied_index < leading->term_start_index)) {
            return false;
        }
    }
    return true;
}

void fault_world_settle(struct fault_world *f)
{
    for (int i = 0; i < WAIT_STEPS && f->state == VICTIM_WELL && !is_settled(f); i++) {
        fault_world_step(f);
    }
    REQUIRE(f->state != VICTIM_WELL || is_settled(f));
}

void fault_world_power_cut(struct fault_world *f)
{
    for (node_id id = 1; id <= f->world.count; id++) {
        if (f->world.places[id].node != NULL) {
            fault_world_kill(f, id, 0);
        }
        struct prng prng;
        prng_init(&prng, POWER_SEED);
        fault_crash(&f->disks[id], FAULT_LOSE_ALL, &prng);
    }
}

/* ---- requests ---- */

/* Whom a client asks: the leader, else anybody who is up. */
static node_id somebody(const struct fault_world *f)
{
    node_id id = world_leader(&f->world);
    for (node_id other = 1; id == NODE_NONE && other <= f->world.count; other++) {
        id = f->world.places[other].node != NULL ? other : NODE_NONE;
    }
    return id;
}

/* Asks and waits; the answer of a node that is going down counts. */
static void ask(struct fault_world *f, struct answer *answer, struct request request)
{
    answer_ask(&f->world, somebody(f), answer, request, 0);
    for (int i = 0; i < WAIT_STEPS && answer->count == 0; i++) {
        fault_world_step(f);
    }
    REQUIRE(answer->count == 1);
}

static bool text_starts(const struct answer *answer, const char *text)
{
    const struct bytes wanted = bytes_of_text(text);
    return answer->item.bytes.size >= wanted.size &&
           memcmp(answer->item.bytes.data, wanted.data, wanted.size) == 0;
}

static enum pledge_state state_of(const struct answer *answer)
{
    if (answer->item.kind != REPLY_ERROR) {
        return PLEDGE_ACKED;
    }
    if (text_starts(answer, "OUTCOMEUNKNOWN ")) {
        return PLEDGE_UNKNOWN;
    }
    const bool is_refused = text_starts(answer, "CLUSTERDOWN ") || text_starts(answer, "BUSY ") ||
                            text_starts(answer, "TRYAGAIN ");
    if (!is_refused) {
        print_message("# a write is answered: %.*s\n", (int)answer->item.bytes.size,
                      (const char *)answer->item.bytes.data);
    }
    REQUIRE(is_refused);
    return PLEDGE_REFUSED;
}

static void key_of_pledge(size_t number, char key[PLEDGE_KEY_SIZE])
{
    (void)snprintf(key, PLEDGE_KEY_SIZE, "k%zu", number);
}

/* The value of a SET: `size` bytes that no other number gives. */
static void value_of_pledge(size_t number, size_t size, char *out)
{
    for (size_t i = 0; i < size; i++) {
        out[i] = (char)('a' + (number * 7 + i * 3 + i / 26) % 26);
    }
    const int length = snprintf(out, size, "%zu:", number);
    out[length < (int)size ? length : 0] = '-';
}

static void send_pledge(struct fault_world *f, size_t number, struct answer *answer)
{
    const struct pledge *pledge = &f->pledges[number];
    char key[PLEDGE_KEY_SIZE];
    char text[48];
    char *value = heap_alloc_raw(pledge->size + 1);
    key_of_pledge(number, key);
    value_of_pledge(number, pledge->size, value);
    struct bytes args[] = {bytes_of_text(key), bytes_of(value, pledge->size)};
    struct request request = {.op = OP_SET, .args = args, .arg_count = 2};
    if (pledge->kind == PLEDGE_PUSH) {
        (void)snprintf(text, sizeof text, "%zu", number);
        args[0] = bytes_of_text(LIST_KEY);
        args[1] = bytes_of_text(text);
        request.op = OP_RPUSH;
    } else if (pledge->kind == PLEDGE_INCREMENT) {
        (void)snprintf(text, sizeof text, "%llu-p%zu", (unsigned long long)REQUEST_ID_MS, number);
        request = (struct request){.op = OP_INCRBY,
                                   .args = args,
                                   .arg_count = 1,
                                   .a = 1,
                                   .request_id = bytes_of_text(text)};
    }
    ask(f, answer, request);
    heap_free(value);
}

void pledge_make(struct fault_world *f, enum pledge_kind kind, size_t size)
{
    if (somebody(f) == NODE_NONE) {
        return;
    }
    REQUIRE(f->pledge_count < PLEDGES_MAX && size >= 16 && size <= PLEDGE_VALUE_MAX);
    const size_t number = f->pledge_count++;
    f->pledges[number] = (struct pledge){.kind = kind, .size = size};
    struct answer answer = {0};
    send_pledge(f, number, &answer);
    f->pledges[number].state = state_of(&answer);
    answer_deinit(&answer);
}

void pledge_make_many(struct fault_world *f, size_t count, size_t size)
{
    for (size_t i = 0; i < count; i++) {
        pledge_make(f, PLEDGE_SET, size);
    }
}

/* ---- reading back ---- */

/* What a reader found out about a pledge. */
static void settle_pledge(struct fault_world *f, size_t number, bool is_there, bool settles)
{
    struct pledge *pledge = &f->pledges[number];
    if (pledge->state == PLEDGE_UNKNOWN && settles) {
        pledge->state = is_there ? PLEDGE_ACKED : PLEDGE_REFUSED;
    }
    const bool is_right =
        pledge->state == PLEDGE_UNKNOWN || is_there == (pledge->state == PLEDGE_ACKED);
    if (!is_right) {
        print_message("# write %zu was %s, but is %s\n", number,
                      is_there ? "refused" : "acknowledged", is_there ? "there" : "lost");
    }
    REQUIRE(is_right);
}

static void check_value(struct fault_world *f, size_t number, struct bytes found)
{
    const struct pledge *pledge = &f->pledges[number];
    if (pledge->kind == PLEDGE_INCREMENT) {
        REQUIRE(bytes_equal(found, bytes_of_text("1"))); /* Once, however often it was tried. */
        return;
    }
    char *value = heap_alloc_raw(pledge->size + 1);
    value_of_pledge(number, pledge->size, value);
    REQUIRE(bytes_equal(found, bytes_of(value, pledge->size)));
    heap_free(value);
}

/* False: the answer is an error, which only a faulty world may give. */
static bool may_judge(const struct answer *answer, bool settles)
{
    if (settles && answer->item.kind == REPLY_ERROR) {
        print_message("# a read is answered: %.*s\n", (int)answer->item.bytes.size,
                      (const char *)answer->item.bytes.data);
    }
    REQUIRE(!settles || answer->item.kind != REPLY_ERROR);
    return answer->item.kind != REPLY_ERROR;
}

static void read_key(struct fault_world *f, size_t number, bool settles)
{
    char key[PLEDGE_KEY_SIZE];
    key_of_pledge(number, key);
    const struct bytes args[] = {bytes_of_text(key)};
    struct answer answer = {0};
    ask(f, &answer, (struct request){.op = OP_GET, .args = args, .arg_count = 1});
    if (may_judge(&answer, settles)) {
        const bool is_there = answer.item.kind == REPLY_BULK;
        if (is_there) {
            check_value(f, number, answer.item.bytes);
        }
        settle_pledge(f, number, is_there, settles);
    }
    answer_deinit(&answer);
}

/* The list holds numbers in the order in which they were pushed, each once. */
static void read_list(struct fault_world *f, bool settles)
{
    const struct bytes args[] = {bytes_of_text(LIST_KEY)};
    struct answer answer = {0};
    bool is_there[PLEDGES_MAX] = {false};
    ask(f, &answer,
        (struct request){.op = OP_LRANGE, .args = args, .arg_count = 1, .a = 0, .b = -1});
    if (may_judge(&answer, settles)) {
        struct reader r = reader_of(buf_bytes(&answer.reply));
        struct reply_item item;
        int64_t least = 0;
        REQUIRE(reply_read(&r, &item) && item.kind == REPLY_ARRAY);
        while (reply_read(&r, &item)) {
            int64_t number = 0;
            REQUIRE(bytes_to_int64(item.bytes, &number));
            REQUIRE(number >= least && number < (int64_t)f->pledge_count);
            REQUIRE(f->pledges[number].kind == PLEDGE_PUSH);
            is_there[number] = true;
            least = number + 1;
        }
        for (size_t number = 0; number < f->pledge_count; number++) {
            if (f->pledges[number].kind == PLEDGE_PUSH) {
                settle_pledge(f, number, is_there[number], settles);
            }
        }
    }
    answer_deinit(&answer);
}

/* As many keys as the pledges allow. */
static void check_count(const struct fault_world *f, int64_t count)
{
    int64_t least = 0;
    int64_t most = 0;
    bool has_list = false;
    bool may_have_list = false;
    for (size_t number = 0; number < f->pledge_count; number++) {
        const struct pledge *pledge = &f->pledges[number];
        const bool is_there = pledge->state == PLEDGE_ACKED;
        const bool may_be_there = pledge->state != PLEDGE_REFUSED;
        if (pledge->kind == PLEDGE_PUSH) {
            has_list = has_list || is_there;
            may_have_list = may_have_list || may_be_there;
        } else {
            least += is_there;
            most += may_be_there;
        }
    }
    REQUIRE(count >= least + has_list && count <= most + may_have_list);
}

static void read_counts(struct fault_world *f, bool settles)
{
    struct answer answer = {0};
    ask(f, &answer, (struct request){.op = OP_DBSIZE});
    if (may_judge(&answer, settles)) {
        check_count(f, answer.item.integer);
    }
    if (somebody(f) == NODE_NONE) {
        answer_deinit(&answer);
        return;
    }
    ask(f, &answer, (struct request){.op = OP_SCAN, .b = SCAN_COUNT});
    if (may_judge(&answer, settles)) {
        struct reader r = reader_of(buf_bytes(&answer.reply));
        struct reply_item item;
        REQUIRE(reply_read(&r, &item) && item.kind == REPLY_ARRAY && item.integer == 2);
        REQUIRE(reply_read(&r, &item) && bytes_equal(item.bytes, bytes_of_text("0")));
        REQUIRE(reply_read(&r, &item) && item.kind == REPLY_ARRAY);
        check_count(f, item.integer);
    }
    answer_deinit(&answer);
}

static void read_all(struct fault_world *f, bool settles)
{
    for (size_t number = 0; number < f->pledge_count; number++) {
        if (f->pledges[number].kind != PLEDGE_PUSH && somebody(f) != NODE_NONE) {
            read_key(f, number, settles);
        }
    }
    if (somebody(f) != NODE_NONE) {
        read_list(f, settles);
    }
    if (somebody(f) != NODE_NONE) {
        read_counts(f, settles);
    }
}

void pledges_read(struct fault_world *f)
{
    read_all(f, false);
}

void pledges_check(struct fault_world *f)
{
    REQUIRE(f->state == VICTIM_WELL);
    /* A write with an idempotency id may be sent again: it then counts once. */
    for (size_t number = 0; number < f->pledge_count; number++) {
        struct pledge *pledge = &f->pledges[number];
        if (pledge->kind == PLEDGE_INCREMENT && pledge->state == PLEDGE_UNKNOWN) {
            struct answer answer = {0};
            send_pledge(f, number, &answer);
            REQUIRE(state_of(&answer) == PLEDGE_ACKED);
            pledge->state = PLEDGE_ACKED;
            answer_deinit(&answer);
        }
    }
    read_all(f, true);
}

void pledge_make_all_kinds(struct fault_world *f, size_t rounds)
{
    for (size_t i = 0; i < rounds; i++) {
        pledge_make(f, PLEDGE_SET, 100);
        pledge_make(f, PLEDGE_PUSH, 16);
        pledge_make(f, PLEDGE_INCREMENT, 16);
    }
}

/* ---- scenes ---- */

void fault_world_small_log(struct node_options *options)
{
    options->wal_segment_size = 8192;
    options->log_keep_bytes = 4096;
}

void fault_world_leave_behind(struct fault_world *f)
{
    fault_world_start_all(f);
    fault_world_settle(f);
    pledge_make_all_kinds(f, 2);
    fault_world_run(f, 200);
    f->victim = world_leader(&f->world) == 1 ? 2 : 1;
    fault_world_kill(f, f->victim, 0);
    pledge_make_many(f, 20, 900);
    fault_world_run(f, 500); /* Five looks at the log's size. */
    const node_id leader = world_leader(&f->world);
    REQUIRE(node_raft(f->world.places[leader].node)->log.start_index > 10);
}

void fault_world_stage(struct fault_world *f)
{
    fault_world_leave_behind(f);
    f->engines[f->victim].flush_stalls = true;
    fault_world_start(f, f->victim);
    for (int i = 0; i < 5000; i++) {
        fault_world_step(f);
        if (snapshot_is_installing(f->world.places[f->victim].node)) {
            break;
        }
    }
    REQUIRE(snapshot_is_installing(f->world.places[f->victim].node));
    /* All but META got to the disk by itself. */
    fault_world_kill(f, f->victim, memory_engine_unflushed(f->world.places[f->victim].engine) - 1);
    f->engines[f->victim].flush_stalls = false;
    REQUIRE(fault_find(&f->disks[f->victim].cache, "snapshots/install") != NULL);
}

bool fault_world_is_level(const struct fault_world *f)
{
    const node_id leader = world_leader(&f->world);
    const struct node *node = f->world.places[f->victim].node;
    return leader != NODE_NONE && node != NULL && node->booted && !snapshot_is_installing(node) &&
           node_raft(node)->applied_index == node_raft(f->world.places[leader].node)->applied_index;
}

void fault_world_level(struct fault_world *f)
{
    for (int i = 0; i < LEVEL_MS && f->state == VICTIM_WELL && !fault_world_is_level(f); i++) {
        fault_world_step(f);
    }
}

void fault_world_expect_equal(struct fault_world *f)
{
    REQUIRE(fault_world_is_level(f));
    const uint64_t hash = node_state_hash(f->world.places[f->victim].node);
    REQUIRE(hash == node_state_hash(f->world.places[world_leader(&f->world)].node));
}
