/* The state machine alone: entries in, replies and state out. */
#include "base/err.h"
#include "base/os/heap.h"
#include "base/prng.h"
#include "harness/test.h"
#include "node/machine/machine.h"
#include "node/machine/machine_private.h"

#include <stdio.h>

#define MS0 UINT64_C(1700000000000)

struct bench {
    struct engine *engine;
    struct machine machine;
    struct buf reply;
    raft_index index;
    uint64_t ms; /* Leader's wall clock; shard time is bound to it. */
};

static void bench_open(struct bench *bench)
{
    *bench = (struct bench){.engine = memory_engine_new(), .ms = MS0};
    REQUIRE(machine_init(&bench->machine, bench->engine, 1) == Q_OK);
}

static void bench_close(struct bench *bench)
{
    machine_deinit(&bench->machine);
    buf_deinit(&bench->reply);
    bench->engine->ops->close(bench->engine);
}

/* Applies without committing. */
static struct reply_item apply(struct bench *bench, const struct request *request)
{
    const size_t size = request_encoded_size(request);
    uint8_t *bytes = heap_alloc_raw(size);
    struct writer w = writer_of(bytes, size);
    request_encode(request, &w);
    REQUIRE(!w.failed);
    const struct raft_entry entry = {.term = 1,
                                     .hlc = (bench->ms << HLC_COUNTER_BITS) + ++bench->index,
                                     .kind = RAFT_ENTRY_COMMAND,
                                     .payload = bytes_of(bytes, size)};
    buf_clear(&bench->reply);
    REQUIRE(machine_apply(&bench->machine, bench->index, &entry, &bench->reply) == Q_OK);
    heap_free(bytes);
    struct reader r = reader_of(buf_bytes(&bench->reply));
    struct reply_item item = {0};
    REQUIRE(reply_read(&r, &item));
    return item;
}

static struct reply_item write_one(struct bench *bench, struct request request)
{
    const struct reply_item item = apply(bench, &request);
    REQUIRE(machine_commit(&bench->machine) == Q_OK);
    return item;
}

static struct reply_item read_one(struct bench *bench, struct request request)
{
    buf_clear(&bench->reply);
    machine_read(&bench->machine, &request, &bench->reply);
    struct reader r = reader_of(buf_bytes(&bench->reply));
    struct reply_item item = {0};
    REQUIRE(reply_read(&r, &item));
    return item;
}

#define ARGS(...)                                                                                  \
    .args = (const struct bytes[]){__VA_ARGS__},                                                   \
    .arg_count = sizeof((const struct bytes[]){__VA_ARGS__}) / sizeof(struct bytes)
#define T(text) bytes_of_text(text)

static bool is_text(struct reply_item item, const char *text)
{
    return item.kind != REPLY_NIL && bytes_equal(item.bytes, T(text));
}

TEST(set_conditions_decide_by_the_value_there)
{
    struct bench b;
    bench_open(&b);
    EXPECT(write_one(&b, (struct request){.op = OP_SET, .flags = REQUEST_XX, ARGS(T("k"), T("1"))})
               .kind == REPLY_NIL);
    EXPECT(is_text(
        write_one(&b, (struct request){.op = OP_SET, .flags = REQUEST_NX, ARGS(T("k"), T("1"))}),
        "OK"));
    EXPECT(write_one(&b, (struct request){.op = OP_SET, .flags = REQUEST_NX, ARGS(T("k"), T("2"))})
               .kind == REPLY_NIL);
    EXPECT(write_one(
               &b,
               (struct request){.op = OP_SET, .flags = REQUEST_IFEQ, ARGS(T("k"), T("3"), T("no"))})
               .kind == REPLY_NIL);
    EXPECT(is_text(write_one(&b, (struct request){.op = OP_SET,
                                                  .flags = REQUEST_IFEQ,
                                                  ARGS(T("k"), T("3"), T("1"))}),
                   "OK"));
    EXPECT(is_text(
        write_one(
            &b, (struct request){.op = OP_SET, .flags = REQUEST_RETURN_OLD, ARGS(T("k"), T("4"))}),
        "3"));
    EXPECT(is_text(read_one(&b, (struct request){.op = OP_GET, ARGS(T("k"))}), "4"));
    bench_close(&b);
}

TEST(counters_refuse_text_and_overflow_and_change_nothing)
{
    struct bench b;
    bench_open(&b);
    const struct request one = {.op = OP_INCRBY, .a = 1, ARGS(T("n"))};
    (void)write_one(&b, (struct request){.op = OP_SET, ARGS(T("n"), T("9223372036854775807"))});
    EXPECT(write_one(&b, one).kind == REPLY_ERROR);
    (void)write_one(&b, (struct request){.op = OP_SET, ARGS(T("n"), T("12x"))});
    EXPECT(write_one(&b, one).kind == REPLY_ERROR);
    EXPECT(is_text(read_one(&b, (struct request){.op = OP_GET, ARGS(T("n"))}), "12x"));
    bench_close(&b);
}

TEST(append_stops_at_the_value_limit)
{
    struct bench b;
    bench_open(&b);
    uint8_t *big = heap_alloc(VALUE_SIZE_MAX);
    const struct bytes all = bytes_of(big, VALUE_SIZE_MAX);
    EXPECT(write_one(&b, (struct request){.op = OP_APPEND, ARGS(T("k"), all)}).integer ==
           (int64_t)VALUE_SIZE_MAX);
    EXPECT(write_one(&b, (struct request){.op = OP_APPEND, ARGS(T("k"), T("x"))}).kind ==
           REPLY_ERROR);
    EXPECT(read_one(&b, (struct request){.op = OP_STRLEN, ARGS(T("k"))}).integer ==
           (int64_t)VALUE_SIZE_MAX);
    heap_free(big);
    bench_close(&b);
}

TEST(ranges_of_strings_follow_redis)
{
    struct bench b;
    bench_open(&b);
    (void)write_one(&b, (struct request){.op = OP_SET, ARGS(T("k"), T("hello"))});
    const struct {
        int64_t a;
        int64_t b;
        const char *expected;
    } rows[] = {{0, -1, "hello"}, {1, 3, "ell"},    {-3, -1, "llo"}, {3, 1, ""},   {9, 12, ""},
                {-9, 1, "he"},    {0, 99, "hello"}, {-1, -3, ""},    {-9, -8, "h"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        EXPECT(
            is_text(read_one(&b,
                             (struct request){
                                 .op = OP_GETRANGE, .a = rows[i].a, .b = rows[i].b, ARGS(T("k"))}),
                    rows[i].expected));
    }
    bench_close(&b);
}

TEST(a_list_replaced_by_a_string_and_made_anew_starts_empty)
{
    struct bench b;
    bench_open(&b);
    /* More elements than are deleted one by one, all within one uncommitted batch. */
    for (int i = 0; i < 100; i++) {
        (void)apply(&b, &(struct request){.op = OP_RPUSH, ARGS(T("l"), T("old"))});
    }
    (void)apply(&b, &(struct request){.op = OP_SET, ARGS(T("l"), T("string"))});
    (void)apply(&b, &(struct request){.op = OP_DEL, ARGS(T("l"))});
    EXPECT(apply(&b, &(struct request){.op = OP_RPUSH, ARGS(T("l"), T("a"), T("b"))}).integer == 2);
    EXPECT(apply(&b, &(struct request){.op = OP_LPUSH, ARGS(T("l"), T("z"))}).integer == 3);
    EXPECT(is_text(apply(&b, &(struct request){.op = OP_LPOP, .a = -1, ARGS(T("l"))}), "z"));
    REQUIRE(machine_commit(&b.machine) == Q_OK);
    EXPECT(read_one(&b, (struct request){.op = OP_LRANGE, .a = 0, .b = -1, ARGS(T("l"))}).integer ==
           2);
    EXPECT(b.machine.meta.list_count == 1);
    EXPECT(is_text(write_one(&b, (struct request){.op = OP_RPOP, .a = -1, ARGS(T("l"))}), "b"));
    EXPECT(write_one(&b, (struct request){.op = OP_RPOP, .a = 5, ARGS(T("l"))}).integer == 1);
    EXPECT(is_text(read_one(&b, (struct request){.op = OP_TYPE, ARGS(T("l"))}), "none"));
    EXPECT(b.machine.meta.list_count == 0);
    bench_close(&b);
}

TEST(a_pop_whose_reply_would_be_too_large_changes_nothing)
{
    struct bench b;
    bench_open(&b);
    /* Four elements whose bulks come to the limit exactly, and one more. */
    const size_t size = WRITE_REPLY_SIZE_MAX / 4 - 5;
    uint8_t *element = heap_alloc(size);
    for (int i = 0; i < 5; i++) {
        (void)write_one(&b,
                        (struct request){.op = OP_RPUSH, ARGS(T("l"), bytes_of(element, size))});
    }
    EXPECT(is_text(write_one(&b, (struct request){.op = OP_RPOP, .a = 5, ARGS(T("l"))}),
                   "TOOBIG the reply would exceed 32 MiB; ask for fewer elements"));
    EXPECT(read_one(&b, (struct request){.op = OP_LLEN, ARGS(T("l"))}).integer == 5);
    EXPECT(write_one(&b, (struct request){.op = OP_LPOP, .a = 4, ARGS(T("l"))}).integer == 4);
    EXPECT(write_one(&b, (struct request){.op = OP_LPOP, .a = 4, ARGS(T("l"))}).integer == 1);
    EXPECT(read_one(&b, (struct request){.op = OP_LLEN, ARGS(T("l"))}).integer == 0);
    heap_free(element);
    bench_close(&b);
}

TEST(operations_on_the_wrong_type_say_so)
{
    struct bench b;
    bench_open(&b);
    (void)write_one(&b, (struct request){.op = OP_RPUSH, ARGS(T("l"), T("a"))});
    (void)write_one(&b, (struct request){.op = OP_SET, ARGS(T("s"), T("a"))});
    EXPECT(read_one(&b, (struct request){.op = OP_GET, ARGS(T("l"))}).kind == REPLY_ERROR);
    EXPECT(read_one(&b, (struct request){.op = OP_LLEN, ARGS(T("s"))}).kind == REPLY_ERROR);
    EXPECT(write_one(&b, (struct request){.op = OP_RPUSH, ARGS(T("s"), T("a"))}).kind ==
           REPLY_ERROR);
    EXPECT(write_one(&b, (struct request){.op = OP_APPEND, ARGS(T("l"), T("a"))}).kind ==
           REPLY_ERROR);
    EXPECT(b.machine.meta.list_count == 1);
    bench_close(&b);
}

static struct request with_id(const char *id, int64_t delta)
{
    static const struct bytes key[] = {{(const uint8_t *)"n", 1}};
    return (struct request){
        .op = OP_INCRBY, .a = delta, .request_id = T(id), .args = key, .arg_count = 1};
}

TEST(a_repeated_id_gets_its_first_reply_and_does_nothing)
{
    struct bench b;
    bench_open(&b);
    EXPECT(write_one(&b, with_id("1700000000000-a", 5)).integer == 5);
    (void)write_one(&b, with_id("1700000000000-b", 1));
    EXPECT(write_one(&b, with_id("1700000000000-a", 5)).integer == 5);
    EXPECT(is_text(read_one(&b, (struct request){.op = OP_GET, ARGS(T("n"))}), "6"));
    bench_close(&b);
}

TEST(ids_outside_the_window_are_refused_and_do_nothing)
{
    struct bench b;
    bench_open(&b);
    EXPECT(write_one(&b, with_id("1700000000000-a", 5)).integer == 5);
    EXPECT(write_one(&b, with_id("1700000060001-far", 1)).kind == REPLY_ERROR);
    EXPECT(write_one(&b, with_id("1699999399999-old", 1)).kind == REPLY_ERROR);
    EXPECT(write_one(&b, with_id("nonsense", 1)).kind == REPLY_ERROR);
    b.ms = MS0 + ID_KEEP_MS + 1;
    EXPECT(write_one(&b, with_id("1700000600001-new", 1)).integer == 6);
    EXPECT(b.machine.meta.id_rows == 1); /* The first row was forgotten ... */
    const struct reply_item again = write_one(&b, with_id("1700000000000-a", 5));
    EXPECT(again.kind == REPLY_ERROR); /* ... and is not executed a second time. */
    EXPECT(is_text(read_one(&b, (struct request){.op = OP_GET, ARGS(T("n"))}), "6"));
    bench_close(&b);
}

TEST(scan_returns_every_key_once_whatever_the_page_size)
{
    struct bench b;
    bench_open(&b);
    for (int i = 0; i < 300; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, i % 3 == 0 ? "{tag}%d" : "key%d", i);
        (void)apply(&b, &(struct request){.op = OP_SET, ARGS(T(key), T("v"))});
    }
    REQUIRE(machine_commit(&b.machine) == Q_OK);
    for (int64_t count = 1; count < 400; count += 133) {
        int64_t cursor = 0;
        size_t found = 0;
        do {
            buf_clear(&b.reply);
            const struct request scan = {.op = OP_SCAN, .a = cursor, .b = count};
            machine_read(&b.machine, &scan, &b.reply);
            struct reader r = reader_of(buf_bytes(&b.reply));
            struct reply_item item;
            REQUIRE(reply_read(&r, &item) && item.integer == 2);
            REQUIRE(reply_read(&r, &item) && bytes_to_int64(item.bytes, &cursor));
            REQUIRE(reply_read(&r, &item));
            found += (size_t)item.integer;
        } while (cursor != 0);
        EXPECT(found == 300);
    }
    bench_close(&b);
}

/* One random request; few keys and ids, so that they meet. */
static void random_write(struct bench *b, struct prng *prng)
{
    char key[8];
    char id[40];
    (void)snprintf(key, sizeof key, "k%llu", (unsigned long long)prng_below(prng, 5));
    b->ms += prng_below(prng, 30000);
    (void)snprintf(id, sizeof id, "%llu-%llu",
                   (unsigned long long)(b->ms - prng_below(prng, 700000)),
                   (unsigned long long)prng_below(prng, 3));
    static const enum op ops[] = {OP_SET,   OP_APPEND, OP_INCRBY, OP_RPUSH,
                                  OP_LPUSH, OP_LPOP,   OP_RPOP,   OP_DEL};
    struct request request = {
        .op = ops[prng_below(prng, sizeof ops / sizeof ops[0])], .a = -1, ARGS(T(key), T("5"))};
    if (request.op != OP_SET && request.op != OP_APPEND && request.op != OP_RPUSH &&
        request.op != OP_LPUSH) {
        request.arg_count = 1;
    }
    if (prng_chance(prng, 1, 3)) {
        request.request_id = T(id);
    }
    (void)apply(b, &request);
}

/* Replicas commit at different points; the state must not show where. */
TEST(batch_boundaries_do_not_show_in_the_state)
{
    for (uint64_t seed = 0; seed < 60; seed++) {
        struct bench a;
        struct bench b;
        struct prng prng_a;
        struct prng prng_b;
        struct prng cut;
        bench_open(&a);
        bench_open(&b);
        prng_init(&prng_a, seed);
        prng_init(&prng_b, seed);
        prng_init(&cut, seed + 1000);
        for (int i = 0; i < 300; i++) {
            random_write(&a, &prng_a);
            random_write(&b, &prng_b);
            REQUIRE(machine_commit(&a.machine) == Q_OK);
            if (prng_chance(&cut, 1, 20)) {
                REQUIRE(machine_commit(&b.machine) == Q_OK);
            }
        }
        REQUIRE(machine_commit(&b.machine) == Q_OK);
        EXPECT(machine_hash(&a.machine) == machine_hash(&b.machine));
        bench_close(&a);
        bench_close(&b);
    }
}

TEST_MAIN(CASE(set_conditions_decide_by_the_value_there),
          CASE(counters_refuse_text_and_overflow_and_change_nothing),
          CASE(append_stops_at_the_value_limit),
          CASE(ranges_of_strings_follow_redis),
          CASE(a_list_replaced_by_a_string_and_made_anew_starts_empty),
          CASE(a_pop_whose_reply_would_be_too_large_changes_nothing),
          CASE(operations_on_the_wrong_type_say_so),
          CASE(a_repeated_id_gets_its_first_reply_and_does_nothing),
          CASE(ids_outside_the_window_are_refused_and_do_nothing),
          CASE(scan_returns_every_key_once_whatever_the_page_size),
          CASE(batch_boundaries_do_not_show_in_the_state))
