/* Every allocation of a node fails in turn, on real files: the process ends by abort and says that
 * it is out of memory, and a node that starts on what it leaves has every write it acknowledged.
 */
#include "base/err.h"
#include "harness/child.h"
#include "harness/failing_heap.h"
#include "harness/fault_run.h"
#include "harness/node_world.h"
#include "node/node_private.h"

#include <unistd.h>

#define TIME_LIMIT_S 30
#define WRITES_MAX   ((size_t)200)
/* Of the allocations a run takes one in so many. */
#define STRIDE_MEMORY 17
#define STRIDE_ROCKS  7

struct workload {
    const char *name;
    size_t before; /* Writes of an earlier process. */
    size_t writes;
    size_t size;
    bool is_rocks;  /* Else the engine is the one in memory, and the log keeps everything. */
    bool arms_late; /* Memory runs out when the node serves, else from its start on. */
};

static const struct workload workloads[] = {
    {.name = "first boot", .writes = 5, .size = 100},
    {.name = "restart", .before = 30, .writes = 5, .size = 700},
    {.name = "writes", .before = 5, .arms_late = true, .writes = 60, .size = 300},
    {.name = "restart and full log, RocksDB",
     .is_rocks = true,
     .before = 40,
     .writes = 60,
     .size = 900},
};
#define WORKLOADS (sizeof workloads / sizeof workloads[0])

struct scene {
    struct world world;                  /* One place, and its directory. */
    struct temporary_directory original; /* As it is before the process that fails. */
    const struct workload *workload;
    uint64_t fail_at;
    uint32_t acked[WRITES_MAX * 2]; /* Numbers of the writes the last process acknowledged. */
    size_t acked_count;
};

/* ---- in the child ---- */

static void start(struct scene *scene)
{
    struct world_place *place = &scene->world.places[1];
    char path[96];
    char error[512] = "";
    if (scene->workload->is_rocks) {
        scene->world.options.log_keep_bytes = 16384;
        scene->world.options.wal_segment_size = 16384;
        (void)snprintf(path, sizeof path, "%s/db", place->directory.path);
        REQUIRE(rocks_open(path, &place->node_engine, error, sizeof error) == Q_OK);
    }
    const int err = world_try_start(&scene->world, 1, error, sizeof error);
    if (err != Q_OK) {
        (void)fprintf(stderr, "no start: %s\n", error);
    }
    REQUIRE(err == Q_OK);
    world_settle(&scene->world);
}

static void value_of(uint32_t number, size_t size, char *out)
{
    memset(out, 'a' + (int)(number % 26), size);
    out[size] = '\0';
}

/* Every third is a new element of the list, every third has an idempotency id. */
static void write_one(struct scene *scene, struct answer *answer, uint32_t number)
{
    char key[16];
    char value[1024];
    char id[48] = "";
    (void)snprintf(key, sizeof key, "k%u", number);
    (void)snprintf(id, sizeof id, "%llu-w%u",
                   (unsigned long long)world_wall(&scene->world.places[1]), number);
    value_of(number, scene->workload->size, value);
    const struct bytes args[] = {bytes_of_text(key), bytes_of_text(value)};
    const struct request request = {.op = number % 3 == 0 ? OP_RPUSH : OP_SET,
                                    .args = args,
                                    .arg_count = 2,
                                    .request_id = bytes_of_text(number % 3 == 1 ? id : "")};
    answer_ask(&scene->world, 1, answer, request, 0);
    answer_wait(&scene->world, answer);
    REQUIRE(answer->item.kind != REPLY_ERROR);
}

/* Writes and acknowledges; the last number is that of allocations. */
static void write_many(struct scene *scene, uint32_t first, size_t count, int out_fd)
{
    struct answer answer = {0};
    for (uint32_t number = first; number < first + count; number++) {
        write_one(scene, &answer, number);
        REQUIRE(write(out_fd, &number, sizeof number) == (ssize_t)sizeof number);
        if (number % 8 == 0) {
            world_run_for(&scene->world, 150); /* Time for compaction. */
        }
    }
    answer_deinit(&answer);
    const uint32_t allocations = (uint32_t)failing_heap.count;
    REQUIRE(write(out_fd, &allocations, sizeof allocations) == (ssize_t)sizeof allocations);
}

/* The process before. */
static int prepare(void *context, int out_fd)
{
    struct scene *scene = context;
    start(scene);
    write_many(scene, 0, scene->workload->before, out_fd);
    world_run_for(&scene->world, 300);
    return 0;
}

static int act(void *context, int out_fd)
{
    struct scene *scene = context;
    if (!scene->workload->arms_late) {
        failing_heap_arm(scene->fail_at);
    }
    start(scene);
    if (scene->workload->arms_late) {
        failing_heap_arm(scene->fail_at);
    }
    write_many(scene, (uint32_t)scene->workload->before, scene->workload->writes, out_fd);
    return 0;
}

/* True when the write is there, whole. */
static bool is_there(struct scene *scene, struct answer *answer, uint32_t number)
{
    char key[16];
    char value[1024];
    (void)snprintf(key, sizeof key, "k%u", number);
    value_of(number, scene->workload->size, value);
    const struct bytes args[] = {bytes_of_text(key)};
    const struct request get = {.op = OP_GET, .args = args, .arg_count = 1};
    const struct request range = {.op = OP_LRANGE, .args = args, .arg_count = 1, .b = -1};
    answer_ask(&scene->world, 1, answer, number % 3 == 0 ? range : get, 0);
    answer_wait(&scene->world, answer);
    struct reply_item item = answer->item;
    if (number % 3 == 0) {
        struct reader r = reader_of(buf_bytes(&answer->reply));
        REQUIRE(reply_read(&r, &item) && item.kind == REPLY_ARRAY && item.integer <= 1);
        if (item.integer == 0) {
            return false;
        }
        REQUIRE(reply_read(&r, &item));
    }
    REQUIRE(item.kind == REPLY_NIL || bytes_equal(item.bytes, bytes_of_text(value)));
    return item.kind != REPLY_NIL;
}

/* The process after: what was acknowledged is there, what was never sent is not. */
static int check(void *context, int out_fd)
{
    struct scene *scene = context;
    (void)out_fd;
    start(scene);
    struct answer answer = {0};
    for (size_t i = 0; i < scene->acked_count; i++) {
        if (!is_there(scene, &answer, scene->acked[i])) {
            (void)fprintf(stderr, "write %u is lost\n", scene->acked[i]);
            return 1;
        }
    }
    for (uint32_t number = 0; number < scene->workload->before; number++) {
        REQUIRE(is_there(scene, &answer, number));
    }
    const size_t sent = scene->workload->before + scene->acked_count + 1;
    return is_there(scene, &answer, (uint32_t)sent) ? 2 : 0;
}

/* ---- in the parent ---- */

/* Takes over what a process acknowledged. Returns its number of allocations, if it got that far. */
static uint32_t take_acks(struct scene *scene, struct child_result *result)
{
    const size_t count = buf_size(&result->out) / sizeof(uint32_t);
    REQUIRE(count <= WRITES_MAX * 2);
    scene->acked_count = count;
    memcpy(scene->acked, buf_bytes(&result->out).data, count * sizeof(uint32_t));
    if (result->code != 0) {
        return 0;
    }
    REQUIRE(count > 0);
    scene->acked_count--;
    return scene->acked[count - 1];
}

static void expect_success(const struct child_result *result, const char *what)
{
    if (result->code != 0) {
        print_message("# %s: code %d, signal %d: %s\n", what, result->code, result->signal,
                      result->errors);
    }
    REQUIRE(result->code == 0);
}

/* Runs the workload with one failing allocation and looks at what it left. True when one failed. */
static bool fail_one(struct scene *scene, uint64_t at, uint32_t *out_allocations)
{
    const char *directory = scene->world.places[1].directory.path;
    struct child_result result;
    directory_clear(directory);
    directory_copy(scene->original.path, directory);
    scene->fail_at = at;
    child_run(act, scene, TIME_LIMIT_S, &result);
    const bool has_failed = result.code != 0;
    REQUIRE(!has_failed || failing_heap_stopped(&result));
    const uint32_t allocations = take_acks(scene, &result);
    if (!has_failed) {
        *out_allocations = allocations;
    }
    child_result_deinit(&result);
    child_run(check, scene, TIME_LIMIT_S, &result);
    expect_success(&result, scene->workload->name);
    child_result_deinit(&result);
    return has_failed;
}

static void fail_all(const struct workload *workload)
{
    static struct scene scene;
    memset(&scene, 0, sizeof scene);
    temporary_directory_prefer_memory();
    scene.workload = workload;
    world_prepare(&scene.world, 1);
    temporary_directory_make(&scene.original);
    if (workload->before > 0) {
        struct child_result result;
        child_run(prepare, &scene, TIME_LIMIT_S, &result);
        expect_success(&result, workload->name);
        child_result_deinit(&result);
        directory_copy(scene.world.places[1].directory.path, scene.original.path);
    }
    uint32_t count = 0;
    REQUIRE(!fail_one(&scene, 0, &count));
    REQUIRE(scene.acked_count == workload->writes && count > 0);
    const uint64_t stride = workload->is_rocks ? STRIDE_ROCKS : STRIDE_MEMORY;
    size_t failed = 0;
    for (uint64_t at = 1; at <= count; at++) {
        if (fault_run_takes(at, stride)) {
            uint32_t ignored = 0;
            failed += fail_one(&scene, at, &ignored);
        }
    }
    print_message("# turn %llu, %s: %u allocations, %zu of them failed\n",
                  (unsigned long long)fault_run_turn(), workload->name, count, failed);
    /* RocksDB's own threads shift the last ones a little. */
    REQUIRE(failed + 4 >= count / stride && failed > 0);
    temporary_directory_remove(&scene.original);
    world_close(&scene.world);
}

TEST(no_allocation_that_fails_loses_an_acknowledged_write)
{
    for (size_t i = 0; i < WORKLOADS; i++) {
        fail_all(&workloads[i]);
    }
    EXPECT(failing_heap.fail_at == 0); /* Nothing fails in this process. */
}

TEST_MAIN(CASE(no_allocation_that_fails_loses_an_acknowledged_write))
