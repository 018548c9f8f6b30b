/* Bits flip in the files of RocksDB, in a real directory: the node must refuse to start, stop, or
 * answer with an error; or the data are what they were. Each start is a process of its own with a
 * time limit, as nobody knows what RocksDB makes of such files.
 */
#include "base/err.h"
#include "base/hash.h"
#include "base/os/heap.h"
#include "harness/child.h"
#include "harness/fault_run.h"
#include "harness/node_world.h"
#include "node/node_private.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEYS         300
#define KEYS_A_FLUSH 40
#define VALUE_SIZE   60
#define FLIPS        90 /* About twice as many with the weights. */
#define FLIPS_FULL   2500
#define TIME_LIMIT_S 30
#define FILES_MAX    64
#define ANSWER_STEPS 20000

/* How a start on a damaged directory may end: exit codes of the child. */
enum ending {
    ENDING_SAME,    /* The data are those of the undamaged directory. */
    ENDING_REFUSED, /* The database did not open, or the node did not start. */
    ENDING_STOPPED, /* The node stopped itself. */
    ENDING_WRONG,   /* Data that are not right. */
    ENDING_DIED,    /* By a signal, or by the time limit. */
    ENDINGS
};

struct damaged_file {
    char path[96]; /* Below the directory. */
    size_t size;
};

struct scene {
    struct world world;                  /* One place; its directory is the one that is damaged. */
    struct temporary_directory original; /* The undamaged copy. */
    struct damaged_file files[FILES_MAX];
    size_t file_count;
    size_t bytes;
    char text[512]; /* What the last child had to say... */
    int signal;     /* ...and what ended it; 0 = nothing did. */
};

/* ---- in the child ---- */

static const char *key_name(int i, char name[16])
{
    (void)snprintf(name, 16, "k%d", i);
    return name;
}

/* Incompressible enough to fill blocks, and to be told by its key. */
static const char *value_of(int i, char value[VALUE_SIZE + 1])
{
    uint64_t random = hash_bytes(bytes_of(&i, sizeof i));
    for (size_t at = 0; at < VALUE_SIZE; at++) {
        random = random * UINT64_C(6364136223846793005) + 1442695040888963407U;
        value[at] = (char)('!' + (random >> 40) % 90);
    }
    value[VALUE_SIZE] = '\0';
    return value;
}

static int open_node(struct scene *scene, char *error, size_t size)
{
    struct world_place *place = &scene->world.places[1];
    char path[96];
    (void)snprintf(path, sizeof path, "%s/db", place->directory.path);
    const int err = rocks_open(path, &place->node_engine, error, size);
    return err != Q_OK ? err : world_try_start(&scene->world, 1, error, size);
}

/* False: the node has stopped itself, and this is why. */
static bool is_well(struct scene *scene)
{
    const char *error = NULL;
    if (node_health(scene->world.places[1].node, &error) == Q_OK) {
        return true;
    }
    (void)snprintf(scene->text, sizeof scene->text, "%s", error);
    return false;
}

/* True when the node is well and the answer there. */
static bool wait_for(struct scene *scene, const struct answer *answer)
{
    for (int i = 0; i < ANSWER_STEPS && answer->count == 0; i++) {
        world_step(&scene->world);
        if (!is_well(scene)) {
            return false;
        }
    }
    REQUIRE(answer->count == 1);
    return true;
}

/* Reads every key in both ways. */
static enum ending read_everything(struct scene *scene)
{
    struct answer answer = {0};
    bool failed = false;
    for (int i = 0; i <= KEYS; i++) {
        char name[16];
        char value[VALUE_SIZE + 1];
        if (i < KEYS) {
            answer_get(&scene->world, 1, &answer, key_name(i, name));
        } else {
            answer_ask(&scene->world, 1, &answer, (struct request){.op = OP_DBSIZE}, 0);
        }
        if (!wait_for(scene, &answer)) {
            return ENDING_STOPPED;
        }
        if (answer.item.kind == REPLY_ERROR) {
            failed = true; /* The node must stop for it. */
        } else if (i < KEYS &&
                   (answer.item.kind != REPLY_BULK ||
                    !bytes_equal(answer.item.bytes, bytes_of_text(value_of(i, value))))) {
            (void)snprintf(scene->text, sizeof scene->text, "wrong value of %s", name);
            return ENDING_WRONG;
        } else if (i == KEYS && answer.item.integer != KEYS) {
            (void)snprintf(scene->text, sizeof scene->text, "%lld keys",
                           (long long)answer.item.integer);
            return ENDING_WRONG;
        }
    }
    answer_deinit(&answer);
    /* An error that did not stop the node would be served for ever. */
    return !failed ? ENDING_SAME : is_well(scene) ? ENDING_WRONG : ENDING_STOPPED;
}

/* Hands the text to the parent. */
static int tell(const struct scene *scene, int out_fd, enum ending ending)
{
    const ssize_t size = (ssize_t)strlen(scene->text);
    return write(out_fd, scene->text, (size_t)size) == size ? (int)ending : ENDING_DIED;
}

static int start_and_read(void *context, int out_fd)
{
    struct scene *scene = context;
    struct world_place *place = &scene->world.places[1];
    place->may_fail = true;
    if (open_node(scene, scene->text, sizeof scene->text) != Q_OK) {
        return tell(scene, out_fd, ENDING_REFUSED);
    }
    return tell(scene, out_fd, read_everything(scene));
}

/* Some tables, one of them compacted; part of the log is given up already. */
static int make_original(void *context, int out_fd)
{
    struct scene *scene = context;
    struct world_place *place = &scene->world.places[1];
    struct answer answer = {0};
    scene->world.options.log_keep_bytes = 8192;
    scene->world.options.wal_segment_size = 16384;
    REQUIRE(open_node(scene, scene->text, sizeof scene->text) == Q_OK);
    for (int i = 0; i < KEYS; i++) {
        char name[16];
        char value[VALUE_SIZE + 1];
        answer_set(&scene->world, 1, &answer, key_name(i, name), value_of(i, value));
        answer_wait(&scene->world, &answer);
        REQUIRE(answer.item.kind == REPLY_STATUS);
        if (i % KEYS_A_FLUSH == 0) {
            REQUIRE(place->node_engine->ops->flush(place->node_engine, true) == Q_OK);
            world_run_for(&scene->world, 300);
        }
    }
    REQUIRE(node_raft(place->node)->log.start_index > KEYS / 2);
    const enum ending ending = read_everything(scene);
    world_crash(&scene->world, 1, 0);
    place->node_engine->ops->close(place->node_engine);
    answer_deinit(&answer);
    return tell(scene, out_fd, ending);
}

/* ---- in the parent ---- */

/* Runs one of the above and takes over its text. */
static enum ending in_child(struct scene *scene, int (*work)(void *context, int out_fd))
{
    struct child_result result;
    child_run(work, scene, TIME_LIMIT_S, &result);
    scene->signal = result.signal;
    const struct bytes text =
        result.code >= 0 ? buf_bytes(&result.out) : bytes_of_text(result.errors);
    (void)snprintf(scene->text, sizeof scene->text, "%.*s", (int)text.size,
                   (const char *)text.data);
    child_result_deinit(&result);
    return result.code >= 0 ? (enum ending)result.code : ENDING_DIED;
}

static struct scene *listed; /* nftw takes no context. */

static int list_file(const char *path, const struct stat *status, int flag, struct FTW *ftw)
{
    (void)ftw;
    if (flag == FTW_F && status->st_size > 0) {
        REQUIRE(listed->file_count < FILES_MAX);
        struct damaged_file *file = &listed->files[listed->file_count++];
        file->size = (size_t)status->st_size;
        listed->bytes += file->size;
        (void)snprintf(file->path, sizeof file->path, "%s",
                       path + strlen(listed->original.path) + 1);
    }
    return 0;
}

static int compare_files(const void *a, const void *b)
{
    return strcmp(((const struct damaged_file *)a)->path, ((const struct damaged_file *)b)->path);
}

static void scene_open(struct scene *scene)
{
    memset(scene, 0, sizeof *scene);
    temporary_directory_prefer_memory();
    world_prepare(&scene->world, 1);
    const char *directory = scene->world.places[1].directory.path;
    const enum ending ending = in_child(scene, make_original);
    if (ending != ENDING_SAME) {
        print_message("# making the directory ended with %d: %s\n", ending, scene->text);
    }
    REQUIRE(ending == ENDING_SAME);
    temporary_directory_make(&scene->original);
    directory_copy(directory, scene->original.path);
    char path[96];
    (void)snprintf(path, sizeof path, "%s/db", scene->original.path);
    listed = scene;
    REQUIRE(nftw(path, list_file, 16, FTW_PHYS) == 0);
    qsort(scene->files, scene->file_count, sizeof scene->files[0], compare_files);
}

static void scene_close(struct scene *scene)
{
    temporary_directory_remove(&scene->original);
    world_close(&scene->world);
}

static void restore(struct scene *scene)
{
    const char *directory = scene->world.places[1].directory.path;
    directory_clear(directory);
    directory_copy(scene->original.path, directory);
}

static void flip(const struct scene *scene,
                 const struct damaged_file *file,
                 size_t at,
                 uint8_t mask)
{
    char path[192];
    uint8_t byte = 0;
    (void)snprintf(path, sizeof path, "%s/%s", scene->world.places[1].directory.path, file->path);
    const int fd = open(path, O_RDWR | O_CLOEXEC);
    REQUIRE(fd >= 0 && pread(fd, &byte, 1, (off_t)at) == 1);
    byte ^= mask;
    REQUIRE(pwrite(fd, &byte, 1, (off_t)at) == 1 && close(fd) == 0);
}

/* What kinds of file there are, for the counts. */
enum file_kind { FILE_CURRENT, FILE_MANIFEST, FILE_TABLE, FILE_OTHER, FILE_KINDS };

static enum file_kind kind_of(const char *path)
{
    if (strstr(path, "/CURRENT") != NULL) {
        return FILE_CURRENT;
    }
    if (strstr(path, "/MANIFEST") != NULL) {
        return FILE_MANIFEST;
    }
    return strstr(path, ".sst") != NULL ? FILE_TABLE : FILE_OTHER;
}

static void try_flip(struct scene *scene,
                     const struct damaged_file *file,
                     size_t at,
                     size_t counts[FILE_KINDS][ENDINGS])
{
    const uint8_t mask = (uint8_t)(1U << (hash_bytes(bytes_of(&at, sizeof at)) % 8));
    restore(scene);
    flip(scene, file, at, mask);
    const enum ending ending = in_child(scene, start_and_read);
    const enum file_kind kind = kind_of(file->path);
    counts[kind][ending]++;
    const bool is_clear =
        ending == ENDING_SAME || (strstr(scene->text, "db") != NULL &&
                                  strstr(scene->text, "leave this node stopped") != NULL);
    if (ending == ENDING_WRONG || ending == ENDING_DIED || !is_clear) {
        print_message("# %s, byte %zu, mask %02x: ended with %d: %s\n", file->path, at, mask,
                      ending, scene->text);
    }
    REQUIRE(ending != ENDING_WRONG && ending != ENDING_DIED && is_clear);
}

/* Files that lead to all others deserve more than their size. */
static size_t weight_of(enum file_kind kind, size_t stride)
{
    switch (kind) {
    case FILE_CURRENT: return stride;
    case FILE_MANIFEST: return 8;
    case FILE_TABLE: return 2;
    case FILE_OTHER:
    case FILE_KINDS: break;
    }
    return 1;
}

TEST(a_flipped_bit_in_the_database_never_shows_as_data)
{
    static const char *const names[FILE_KINDS] = {"CURRENT", "MANIFEST", "tables", "others"};
    static struct scene scene;
    static size_t counts[FILE_KINDS][ENDINGS];
    scene_open(&scene);
    const size_t flips = fault_run_is_full() ? FLIPS_FULL : FLIPS;
    const size_t stride = scene.bytes / flips + 1;
    size_t number = (size_t)(fault_run_turn() % stride);
    for (size_t i = 0; i < scene.file_count; i++) {
        const struct damaged_file *file = &scene.files[i];
        const size_t weight = weight_of(kind_of(file->path), stride);
        for (size_t at = 0; at < file->size; at++) {
            number += weight;
            if (number >= stride) {
                number %= stride;
                try_flip(&scene, file, at, counts);
            }
        }
    }
    print_message("# turn %llu, %zu bytes in %zu files\n", (unsigned long long)fault_run_turn(),
                  scene.bytes, scene.file_count);
    for (enum file_kind kind = 0; kind < FILE_KINDS; kind++) {
        const size_t *count = counts[kind];
        print_message("# %s: %zu refused to start, %zu stopped, %zu the same\n", names[kind],
                      count[ENDING_REFUSED], count[ENDING_STOPPED], count[ENDING_SAME]);
        EXPECT(count[ENDING_REFUSED] + count[ENDING_STOPPED] + count[ENDING_SAME] > 0);
    }
    EXPECT(counts[FILE_CURRENT][ENDING_SAME] == 0);
    EXPECT(counts[FILE_TABLE][ENDING_REFUSED] > 0 && counts[FILE_TABLE][ENDING_STOPPED] > 0);
    scene_close(&scene);
}

/* ---- failing in the background ---- */

/* Writes, then flushes into files that may not grow. */
static int flush_in_vain(void *context, int out_fd)
{
    struct scene *scene = context;
    struct world_place *place = &scene->world.places[1];
    char path[96];
    (void)snprintf(path, sizeof path, "%s/db", place->directory.path);
    struct engine *engine = NULL;
    REQUIRE(rocks_open(path, &engine, scene->text, sizeof scene->text) == Q_OK);
    for (int i = 0; i < 5000; i++) {
        char name[16];
        char value[VALUE_SIZE + 1];
        const struct engine_operation operation = {.kind = ENGINE_PUT,
                                                   .key = bytes_of_text(key_name(i, name)),
                                                   .value = bytes_of_text(value_of(i, value))};
        REQUIRE(engine->ops->write(engine, &operation, 1) == Q_OK);
    }
    (void)signal(SIGXFSZ, SIG_IGN);
    const struct rlimit small = {.rlim_cur = 16384, .rlim_max = 16384};
    REQUIRE(setrlimit(RLIMIT_FSIZE, &small) == 0);
    int err = engine->ops->flush(engine, false);
    for (int i = 0; i < 1000 && err != Q_EIO; i++) {
        struct engine_value value;
        (void)usleep(10000);
        err = engine->ops->get_persisted(engine, bytes_of_text("k0"), &value);
        REQUIRE(err == Q_EIO || err == Q_ENOTFOUND);
    }
    (void)snprintf(scene->text, sizeof scene->text, "%s", err_text(err));
    return tell(scene, out_fd, err == Q_EIO ? ENDING_STOPPED : ENDING_WRONG);
}

/* Nobody waits for these flushes: a node that hears nothing would wait for ever with a snapshot
 * half installed, or let its log grow. */
TEST(a_flush_that_fails_in_the_background_is_heard_of)
{
    static struct scene scene;
    memset(&scene, 0, sizeof scene);
    world_prepare(&scene.world, 1);
    const enum ending ending = in_child(&scene, flush_in_vain);
    print_message("# it ended with %d: %s\n", ending, scene.text);
    /* Debian's RocksDB is built with its assertions, and one of them may end the process first. */
    EXPECT(ending == ENDING_STOPPED || (ending == ENDING_DIED && scene.signal == SIGABRT));
    world_close(&scene.world);
}

TEST_MAIN(CASE(a_flipped_bit_in_the_database_never_shows_as_data),
          CASE(a_flush_that_fails_in_the_background_is_heard_of))
