/* store/engine: one suite over both engines, so that what the simulator sees is what RocksDB does.
 */
#include "base/err.h"
#include "base/os/heap.h"
#include "base/prng.h"
#include "harness/temporary_directory.h"
#include "harness/test.h"
#include "store/engine.h"
#include "store/file.h"

#define ENGINES 2
#define KEYS    48

struct subject {
    struct engine *engine;
    struct temporary_directory directory;
    bool is_rocks;
};

static void subject_open(struct subject *subject, size_t which)
{
    subject->is_rocks = which == 1;
    if (!subject->is_rocks) {
        subject->engine = memory_engine_new();
        return;
    }
    temporary_directory_make(&subject->directory);
    char error[256];
    REQUIRE(rocks_open(subject->directory.path, &subject->engine, error, sizeof error) == Q_OK);
}

static void subject_close(struct subject *subject)
{
    subject->engine->ops->close(subject->engine);
    if (subject->is_rocks) {
        temporary_directory_remove(&subject->directory);
    }
}

static struct engine_operation put(const char *key, const char *value)
{
    return (struct engine_operation){
        .kind = ENGINE_PUT, .key = bytes_of_text(key), .value = bytes_of_text(value)};
}

static struct engine_operation del(const char *key)
{
    return (struct engine_operation){.kind = ENGINE_DELETE, .key = bytes_of_text(key)};
}

static struct engine_operation del_range(const char *from, const char *to)
{
    return (struct engine_operation){
        .kind = ENGINE_DELETE_RANGE, .key = bytes_of_text(from), .value = bytes_of_text(to)};
}

static void write_one(struct engine *engine, struct engine_operation operation)
{
    REQUIRE(engine->ops->write(engine, &operation, 1) == Q_OK);
}

/* Is the value of `key` this text? NULL = no such key. */
static bool holds(struct engine *engine, const char *key, const char *wanted)
{
    struct engine_value value;
    const int result = engine_get(engine, bytes_of_text(key), &value);
    if (wanted == NULL || result != Q_OK) {
        return wanted == NULL && result == Q_ENOTFOUND;
    }
    const bool is_equal = bytes_equal(value.bytes, bytes_of_text(wanted));
    engine_value_release(engine, &value);
    return is_equal;
}

static bool holds_persisted(struct engine *engine, const char *key, const char *wanted)
{
    struct engine_value value;
    const int result = engine->ops->get_persisted(engine, bytes_of_text(key), &value);
    if (wanted == NULL || result != Q_OK) {
        return wanted == NULL && result == Q_ENOTFOUND;
    }
    const bool is_equal = bytes_equal(value.bytes, bytes_of_text(wanted));
    engine_value_release(engine, &value);
    return is_equal;
}

/* Are these "key=value " pairs what the iterator gives? */
static bool scan_gives(struct engine *engine,
                       struct engine_snapshot *snapshot,
                       const char *from,
                       const char *to,
                       const char *wanted)
{
    char text[512] = "";
    size_t size = 0;
    struct engine_iterator *i =
        engine->ops->iterator_new(engine, snapshot, bytes_of_text(from), bytes_of_text(to));
    while (engine->ops->iterator_next(i)) {
        const struct bytes key = engine->ops->iterator_key(i);
        const struct bytes value = engine->ops->iterator_value(i);
        REQUIRE(size + key.size + value.size + 3 < sizeof text);
        memcpy(text + size, key.data, key.size);
        size += key.size;
        text[size++] = '=';
        if (value.size > 0) {
            memcpy(text + size, value.data, value.size);
        }
        size += value.size;
        text[size++] = ' ';
    }
    REQUIRE(!engine->ops->iterator_next(i)); /* The end stays the end. */
    REQUIRE(engine->ops->iterator_error(i) == Q_OK);
    engine->ops->iterator_free(i);
    return size == strlen(wanted) && memcmp(text, wanted, size) == 0;
}

TEST(a_key_is_what_was_put_last)
{
    for (size_t which = 0; which < ENGINES; which++) {
        struct subject subject;
        subject_open(&subject, which);
        struct engine *engine = subject.engine;
        EXPECT(holds(engine, "cat", NULL));
        write_one(engine, put("cat", "tom"));
        write_one(engine, put("ca", ""));
        EXPECT(holds(engine, "cat", "tom"));
        EXPECT(holds(engine, "ca", ""));
        EXPECT(holds(engine, "c", NULL) && holds(engine, "cats", NULL));
        write_one(engine, put("cat", "felix the long name"));
        EXPECT(holds(engine, "cat", "felix the long name"));
        write_one(engine, del("cat"));
        write_one(engine, del("never there"));
        EXPECT(holds(engine, "cat", NULL) && holds(engine, "ca", ""));
        subject_close(&subject);
    }
}

TEST(a_pinned_value_outlives_its_key)
{
    for (size_t which = 0; which < ENGINES; which++) {
        struct subject subject;
        subject_open(&subject, which);
        struct engine *engine = subject.engine;
        write_one(engine, put("cat", "tom"));
        struct engine_value value;
        EXPECT(engine_get(engine, bytes_of_text("cat"), &value) == Q_OK);
        write_one(engine, put("cat", "felix"));
        write_one(engine, del("cat"));
        EXPECT(engine->ops->flush(engine, true) == Q_OK);
        EXPECT(bytes_equal(value.bytes, bytes_of_text("tom")));
        engine_value_release(engine, &value);
        subject_close(&subject);
    }
}

TEST(a_batch_applies_in_order_and_as_a_whole)
{
    for (size_t which = 0; which < ENGINES; which++) {
        struct subject subject;
        subject_open(&subject, which);
        struct engine *engine = subject.engine;
        const struct engine_operation batch[] = {put("a", "1"),       put("b", "1"), put("c", "1"),
                                                 del_range("a", "c"), put("b", "2"), del("c"),
                                                 put("d", "1")};
        EXPECT(engine->ops->write(engine, batch, 7) == Q_OK);
        EXPECT(scan_gives(engine, NULL, "", "", "b=2 d=1 "));
        EXPECT(engine->ops->write(engine, batch, 0) == Q_OK);
        EXPECT(scan_gives(engine, NULL, "", "", "b=2 d=1 "));
        subject_close(&subject);
    }
}

TEST(a_range_delete_takes_its_start_and_not_its_end)
{
    for (size_t which = 0; which < ENGINES; which++) {
        struct subject subject;
        subject_open(&subject, which);
        struct engine *engine = subject.engine;
        const struct engine_operation batch[] = {put("a", "1"), put("b", "1"), put("bb", "1"),
                                                 put("c", "1")};
        EXPECT(engine->ops->write(engine, batch, 4) == Q_OK);
        write_one(engine, del_range("c", "a"));
        write_one(engine, del_range("b", "b"));
        EXPECT(scan_gives(engine, NULL, "", "", "a=1 b=1 bb=1 c=1 "));
        write_one(engine, del_range("b", "c"));
        EXPECT(scan_gives(engine, NULL, "", "", "a=1 c=1 "));
        subject_close(&subject);
    }
}

TEST(iterators_keep_to_their_bounds_and_order)
{
    for (size_t which = 0; which < ENGINES; which++) {
        struct subject subject;
        subject_open(&subject, which);
        struct engine *engine = subject.engine;
        const struct engine_operation batch[] = {put("b", "2"), put("\xff", "9"), put("a", "1"),
                                                 put("c", "3"), put("ab", "")};
        EXPECT(engine->ops->write(engine, batch, 5) == Q_OK);
        EXPECT(scan_gives(engine, NULL, "", "", "a=1 ab= b=2 c=3 \xff=9 "));
        EXPECT(scan_gives(engine, NULL, "ab", "c", "ab= b=2 "));
        EXPECT(scan_gives(engine, NULL, "aa", "b", "ab= "));
        EXPECT(scan_gives(engine, NULL, "c", "b", ""));
        EXPECT(scan_gives(engine, NULL, "b", "b", ""));
        EXPECT(scan_gives(engine, NULL, "d", "", "\xff=9 "));
        subject_close(&subject);
    }
}

TEST(snapshots_and_open_iterators_do_not_see_later_writes)
{
    for (size_t which = 0; which < ENGINES; which++) {
        struct subject subject;
        subject_open(&subject, which);
        struct engine *engine = subject.engine;
        const struct engine_operation batch[] = {put("a", "1"), put("b", "1")};
        EXPECT(engine->ops->write(engine, batch, 2) == Q_OK);
        struct engine_snapshot *snapshot = engine->ops->snapshot_new(engine);
        struct engine_iterator *open =
            engine->ops->iterator_new(engine, NULL, bytes_of_text("a"), bytes_of_text("z"));
        write_one(engine, put("a", "2"));
        write_one(engine, del("b"));
        write_one(engine, put("c", "2"));
        EXPECT(engine->ops->flush(engine, true) == Q_OK);
        EXPECT(scan_gives(engine, snapshot, "", "", "a=1 b=1 "));
        EXPECT(scan_gives(engine, NULL, "", "", "a=2 c=2 "));
        EXPECT(engine->ops->iterator_next(open) && engine->ops->iterator_next(open));
        EXPECT(bytes_equal(engine->ops->iterator_key(open), bytes_of_text("b")));
        EXPECT(!engine->ops->iterator_next(open));
        engine->ops->iterator_free(open);
        engine->ops->snapshot_free(engine, snapshot);
        subject_close(&subject);
    }
}

TEST(persisted_reads_see_what_was_flushed_and_nothing_newer)
{
    for (size_t which = 0; which < ENGINES; which++) {
        struct subject subject;
        subject_open(&subject, which);
        struct engine *engine = subject.engine;
        write_one(engine, put("applied", "1"));
        EXPECT(holds_persisted(engine, "applied", NULL));
        EXPECT(engine->ops->flush(engine, true) == Q_OK);
        EXPECT(holds_persisted(engine, "applied", "1"));
        write_one(engine, put("applied", "2"));
        EXPECT(holds_persisted(engine, "applied", "1") && holds(engine, "applied", "2"));
        write_one(engine, del("applied"));
        EXPECT(holds_persisted(engine, "applied", "1") && holds(engine, "applied", NULL));
        EXPECT(engine->ops->flush(engine, true) == Q_OK);
        EXPECT(holds_persisted(engine, "applied", NULL));
        EXPECT(engine->ops->flush(engine, false) == Q_OK);
        subject_close(&subject);
    }
}

TEST(large_keys_and_values_come_back_whole)
{
    for (size_t which = 0; which < ENGINES; which++) {
        struct subject subject;
        subject_open(&subject, which);
        struct engine *engine = subject.engine;
        const size_t key_size = (size_t)16 * 1024;
        const size_t value_size = (size_t)3 * 1024 * 1024;
        uint8_t *memory = heap_alloc(key_size + value_size);
        memset(memory, 0xab, key_size + value_size);
        const struct engine_operation operation = {.kind = ENGINE_PUT,
                                                   .key = bytes_of(memory, key_size),
                                                   .value =
                                                       bytes_of(memory + key_size, value_size)};
        write_one(engine, operation);
        struct engine_value value;
        EXPECT(engine_get(engine, operation.key, &value) == Q_OK);
        EXPECT(bytes_equal(value.bytes, operation.value));
        engine_value_release(engine, &value);
        EXPECT(engine_get(engine, bytes_of(memory, key_size - 1), &value) == Q_ENOTFOUND);
        heap_free(memory);
        subject_close(&subject);
    }
}

/* The trivial model: value per key number, 0 = not there. */
struct model {
    uint32_t values[KEYS];
};

static struct bytes model_key(size_t number, uint8_t memory[4])
{
    /* Lengths differ, so that prefixes are compared too. */
    memset(memory, (int)('a' + number / 3), 3);
    memory[3] = 0;
    return bytes_of(memory, 1 + number % 3);
}

static void model_write(struct model *model, struct prng *prng, struct engine *engine)
{
    struct engine_operation operations[6];
    uint8_t keys[12][4];
    uint32_t values[6];
    const size_t count = (size_t)prng_between(prng, 1, 6);
    for (size_t i = 0; i < count; i++) {
        const size_t key = (size_t)prng_below(prng, KEYS);
        operations[i] = (struct engine_operation){.key = model_key(key, keys[i])};
        const uint64_t dice = prng_below(prng, 20);
        if (dice < 12) {
            values[i] = (uint32_t)(prng_next(prng) | 1);
            operations[i].kind = ENGINE_PUT;
            operations[i].value = bytes_of(&values[i], sizeof values[i]);
            model->values[key] = values[i];
        } else if (dice < 18) {
            operations[i].kind = ENGINE_DELETE;
            model->values[key] = 0;
        } else {
            const size_t end = (size_t)prng_below(prng, KEYS);
            operations[i].kind = ENGINE_DELETE_RANGE;
            operations[i].value = model_key(end, keys[6 + i]);
            for (size_t k = key; k < end; k++) {
                model->values[k] = 0;
            }
        }
    }
    REQUIRE(engine->ops->write(engine, operations, count) == Q_OK);
}

static void model_compare(const struct model *model,
                          struct engine *engine,
                          struct engine_snapshot *snapshot)
{
    struct engine_iterator *i =
        engine->ops->iterator_new(engine, snapshot, bytes_of_text(""), bytes_of_text(""));
    for (size_t key = 0; key < KEYS; key++) {
        if (model->values[key] == 0) {
            continue;
        }
        uint8_t memory[4];
        REQUIRE(engine->ops->iterator_next(i));
        REQUIRE(bytes_equal(engine->ops->iterator_key(i), model_key(key, memory)));
        REQUIRE(bytes_equal(engine->ops->iterator_value(i),
                            bytes_of(&model->values[key], sizeof model->values[key])));
    }
    REQUIRE(!engine->ops->iterator_next(i));
    engine->ops->iterator_free(i);
}

static void model_compare_persisted(const struct model *model, struct engine *engine, size_t key)
{
    uint8_t memory[4];
    struct engine_value value;
    const int result = engine->ops->get_persisted(engine, model_key(key, memory), &value);
    REQUIRE(result == (model->values[key] == 0 ? Q_ENOTFOUND : Q_OK));
    if (result == Q_OK) {
        REQUIRE(memcmp(value.bytes.data, &model->values[key], 4) == 0);
        engine_value_release(engine, &value);
    }
}

static void compare_with_model(struct engine *engine, uint64_t seed, size_t rounds)
{
    struct model model = {{0}};
    struct model old = {{0}};
    struct model persisted = {{0}};
    struct engine_snapshot *snapshot = engine->ops->snapshot_new(engine);
    struct prng prng;
    prng_init(&prng, seed);
    for (size_t round = 0; round < rounds; round++) {
        model_write(&model, &prng, engine);
        if (prng_chance(&prng, 1, 10)) {
            engine->ops->snapshot_free(engine, snapshot);
            snapshot = engine->ops->snapshot_new(engine);
            old = model;
        }
        if (prng_chance(&prng, 1, 40)) {
            REQUIRE(engine->ops->flush(engine, true) == Q_OK);
            persisted = model;
        }
        model_compare(&model, engine, NULL);
        model_compare(&old, engine, snapshot);
        model_compare_persisted(&persisted, engine, (size_t)prng_below(&prng, KEYS));
    }
    engine->ops->snapshot_free(engine, snapshot);
}

TEST(random_batches_agree_with_a_trivial_model)
{
    for (size_t which = 0; which < ENGINES; which++) {
        struct subject subject;
        subject_open(&subject, which);
        EXPECT(subject.is_rocks == (which == 1));
        compare_with_model(subject.engine, 7, 400);
        subject_close(&subject);
    }
}

/* A crash falls back to the model's value after as many batches as were kept. */
TEST(random_crashes_of_the_memory_engine_agree_with_the_model_too)
{
    struct engine *engine = memory_engine_new();
    struct model models[9] = {{{0}}};
    struct prng prng;
    prng_init(&prng, 3);
    for (size_t round = 0; round < 200; round++) {
        const size_t count = (size_t)prng_between(&prng, 0, 8);
        for (size_t i = 0; i < count; i++) {
            models[i + 1] = models[i];
            model_write(&models[i + 1], &prng, engine);
        }
        EXPECT(memory_engine_unflushed(engine) == count);
        const size_t keep = (size_t)prng_between(&prng, 0, 9);
        memory_engine_crash(engine, keep);
        models[0] = models[keep < count ? keep : count];
        model_compare(&models[0], engine, NULL);
        model_compare_persisted(&models[0], engine, (size_t)prng_below(&prng, KEYS));
    }
    engine->ops->close(engine);
}

TEST(rocks_keeps_flushed_batches_over_a_reopen_and_names_a_directory_it_cannot_use)
{
    struct subject subject;
    subject_open(&subject, 1);
    write_one(subject.engine, put("cat", "tom"));
    EXPECT(subject.engine->ops->flush(subject.engine, true) == Q_OK);
    subject.engine->ops->close(subject.engine);
    char error[256] = "";
    EXPECT(rocks_open(subject.directory.path, &subject.engine, error, sizeof error) == Q_OK);
    EXPECT(holds(subject.engine, "cat", "tom") && holds_persisted(subject.engine, "cat", "tom"));
    struct engine *other = NULL;
    EXPECT(rocks_open(subject.directory.path, &other, error, sizeof error) == Q_EIO);
    EXPECT(other == NULL && strstr(error, subject.directory.path) != NULL);
    subject_close(&subject);
}

/* Flips a bit in every block of every table file of a closed database. */
static void damage_tables(const char *directory)
{
    struct files *files = os_files_new(directory);
    REQUIRE(files != NULL);
    for (unsigned number = 1; number < 50; number++) {
        char path[32];
        (void)snprintf(path, sizeof path, "%06u.sst", number);
        struct file *file = NULL;
        if (files->open(files->context, path, false, &file) != Q_OK) {
            continue;
        }
        for (uint64_t at = 100; at < 20000; at += 1000) {
            uint8_t byte = 0;
            size_t got = 0;
            REQUIRE(files->read(files->context, file, at, &byte, 1, &got) == Q_OK && got == 1);
            byte ^= 1;
            REQUIRE(files->write(files->context, file, at, bytes_of(&byte, 1)) == Q_OK);
        }
        files->close(files->context, file);
    }
    os_files_free(files);
}

TEST(rocks_reports_damaged_tables_as_corruption_and_never_as_a_value)
{
    struct subject subject;
    subject_open(&subject, 1);
    struct prng prng;
    prng_init(&prng, 1);
    for (uint32_t i = 0; i < 1000; i++) {
        uint64_t noise[8]; /* So that it does not compress. */
        for (size_t n = 0; n < 8; n++) {
            noise[n] = prng_next(&prng);
        }
        write_one(subject.engine, (struct engine_operation){.kind = ENGINE_PUT,
                                                            .key = bytes_of(&i, sizeof i),
                                                            .value = bytes_of(noise, 64)});
    }
    EXPECT(subject.engine->ops->flush(subject.engine, true) == Q_OK);
    subject.engine->ops->close(subject.engine);
    damage_tables(subject.directory.path);
    char error[256];
    EXPECT(rocks_open(subject.directory.path, &subject.engine, error, sizeof error) == Q_OK);
    const uint32_t key = 7;
    struct engine_value value;
    EXPECT(engine_get(subject.engine, bytes_of(&key, sizeof key), &value) == Q_ECORRUPT);
    struct engine_iterator *i = subject.engine->ops->iterator_new(
        subject.engine, NULL, bytes_of_text(""), bytes_of_text(""));
    while (subject.engine->ops->iterator_next(i)) {
    }
    EXPECT(subject.engine->ops->iterator_error(i) == Q_ECORRUPT);
    subject.engine->ops->iterator_free(i);
    subject_close(&subject);
}

TEST(a_memory_engine_falls_back_to_any_batch_since_the_flush)
{
    for (size_t keep = 0; keep < 7; keep++) {
        struct engine *engine = memory_engine_new();
        write_one(engine, put("n", "flushed"));
        EXPECT(memory_engine_unflushed(engine) == 1);
        EXPECT(engine->ops->flush(engine, false) == Q_OK);
        EXPECT(memory_engine_unflushed(engine) == 0);
        const char *values[] = {"1", "2", "3", "4"};
        for (size_t i = 0; i < 4; i++) {
            const struct engine_operation batch[] = {put("n", values[i]), put(values[i], "x"),
                                                     del_range("m", "n")};
            EXPECT(engine->ops->write(engine, batch, 3) == Q_OK);
        }
        memory_engine_crash(engine, keep);
        const size_t kept = keep < 4 ? keep : 4;
        EXPECT(holds(engine, "n", kept == 0 ? "flushed" : values[kept - 1]));
        EXPECT(holds_persisted(engine, "n", kept == 0 ? "flushed" : values[kept - 1]));
        for (size_t i = 0; i < 4; i++) {
            EXPECT(holds(engine, values[i], i < kept ? "x" : NULL));
        }
        EXPECT(memory_engine_unflushed(engine) == 0);
        engine->ops->close(engine);
    }
}

TEST(a_branch_of_a_memory_engine_goes_its_own_way)
{
    struct engine *engine = memory_engine_new();
    write_one(engine, put("a", "1"));
    struct engine *branch = memory_engine_branch(engine);
    EXPECT(holds(branch, "a", "1") && holds_persisted(branch, "a", "1"));
    EXPECT(memory_engine_unflushed(branch) == 0 && memory_engine_unflushed(engine) == 1);
    write_one(engine, put("a", "2"));
    write_one(branch, put("b", "3"));
    EXPECT(holds(engine, "a", "2") && holds(engine, "b", NULL));
    EXPECT(holds(branch, "a", "1") && holds(branch, "b", "3"));
    engine->ops->close(engine);
    EXPECT(holds(branch, "a", "1"));
    branch->ops->close(branch);
}

TEST_MAIN(CASE(a_key_is_what_was_put_last),
          CASE(a_pinned_value_outlives_its_key),
          CASE(a_batch_applies_in_order_and_as_a_whole),
          CASE(a_range_delete_takes_its_start_and_not_its_end),
          CASE(iterators_keep_to_their_bounds_and_order),
          CASE(snapshots_and_open_iterators_do_not_see_later_writes),
          CASE(persisted_reads_see_what_was_flushed_and_nothing_newer),
          CASE(large_keys_and_values_come_back_whole),
          CASE(random_batches_agree_with_a_trivial_model),
          CASE(random_crashes_of_the_memory_engine_agree_with_the_model_too),
          CASE(rocks_keeps_flushed_batches_over_a_reopen_and_names_a_directory_it_cannot_use),
          CASE(rocks_reports_damaged_tables_as_corruption_and_never_as_a_value),
          CASE(a_memory_engine_falls_back_to_any_batch_since_the_flush),
          CASE(a_branch_of_a_memory_engine_goes_its_own_way))
