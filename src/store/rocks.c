/* The RocksDB engine. Nothing of RocksDB's C API (error texts least of all) leaves this file.
 *
 * One column family: with the WAL off, flushing one family of several would leave the applied
 * index without its data after a crash, or the other way round.
 */
#include "base/err.h"
#include "base/os/heap.h"
#include "store/engine.h"

#include <rocksdb/c.h>
#include <stdio.h>

#define BLOCK_CACHE_SIZE   ((size_t)64 * 1024 * 1024)
#define WRITE_BUFFER_SIZE  ((size_t)64 * 1024 * 1024)
#define WRITE_BUFFER_COUNT 3
#define OPEN_FILES_MAX     512
#define BACKGROUND_JOBS    2
#define BLOOM_BITS         10
#define INFO_LOG_SIZE      ((size_t)4 * 1024 * 1024)
#define INFO_LOG_COUNT     2
#define ERROR_TEXT_SIZE    256

#define ADVICE                                                                                     \
    "if the disk is sound, files below are damaged or missing: leave this node stopped, keep its " \
    "directory, and let the others go on; a node that lost its disk cannot be taken back yet"

#define READ_TIER_PERSISTED 2 /* kPersistedTier: skips memtables when the WAL is off. */

struct rocks {
    struct engine engine; /* First, so that a struct engine is a struct rocks. */
    /* Owned. */
    rocksdb_t *db;
    rocksdb_options_t *options;
    rocksdb_readoptions_t *read;
    rocksdb_readoptions_t *read_persisted;
    rocksdb_writeoptions_t *write;
    rocksdb_writebatch_t *batch; /* Kept between writes for its memory. */
    char error_text[ERROR_TEXT_SIZE];
};

struct engine_snapshot {
    const rocksdb_snapshot_t *snapshot;
};

struct engine_iterator {
    struct rocks *rocks; /* Borrowed. */
    /* Owned. */
    rocksdb_iterator_t *iterator;
    rocksdb_readoptions_t *read;
    char *to; /* RocksDB borrows the bound. */
    bool is_started;
    bool is_done;
};

static struct rocks *rocks_of(struct engine *engine)
{
    return (struct rocks *)(void *)engine;
}

static const char *text_of(struct bytes bytes)
{
    return bytes.size > 0 ? (const char *)bytes.data : "";
}

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

/* Translates RocksDB's error text, keeps it for rocks_error_text, and frees it. */
static int take_error(struct rocks *rocks, char *text)
{
    if (text == NULL) {
        return Q_OK;
    }
    (void)snprintf(rocks->error_text, sizeof rocks->error_text, "%s", text);
    int err = Q_EIO;
    if (strstr(text, "No space left on device") != NULL || strstr(text, "NoSpace") != NULL) {
        err = Q_ENOSPC;
    } else if (starts_with(text, "Corruption")) {
        err = Q_ECORRUPT;
    } else if (starts_with(text, "Operation failed. Try again")) {
        err = Q_EBUSY; /* A flush that nobody waits for, while writes are stopped. */
    }
    rocksdb_free(text);
    return err;
}

static int get_with(struct engine *engine,
                    const rocksdb_readoptions_t *read,
                    struct bytes key,
                    struct engine_value *out_value)
{
    char *text = NULL;
    rocksdb_pinnableslice_t *pin =
        rocksdb_get_pinned(rocks_of(engine)->db, read, text_of(key), key.size, &text);
    const int err = take_error(rocks_of(engine), text);
    if (err != Q_OK) {
        rocksdb_pinnableslice_destroy(pin);
        return err;
    }
    if (pin == NULL) {
        return Q_ENOTFOUND;
    }
    size_t size = 0;
    const char *data = rocksdb_pinnableslice_value(pin, &size);
    *out_value = (struct engine_value){.bytes = bytes_of(data, size), .pin = pin};
    return Q_OK;
}

static int rocks_get(struct engine *engine, struct bytes key, struct engine_value *out_value)
{
    return get_with(engine, rocks_of(engine)->read, key, out_value);
}

static int rocks_get_persisted(struct engine *engine,
                               struct bytes key,
                               struct engine_value *out_value)
{
    /* A flush that failed in the background says so nowhere else until the next write. */
    uint64_t errors = 0;
    if (rocksdb_property_int(rocks_of(engine)->db, "rocksdb.background-errors", &errors) == 0 &&
        errors > 0) {
        (void)snprintf(rocks_of(engine)->error_text, ERROR_TEXT_SIZE,
                       "a flush or a compaction failed, see db/LOG");
        return Q_EIO;
    }
    return get_with(engine, rocks_of(engine)->read_persisted, key, out_value);
}

static void rocks_value_release(struct engine_value *value)
{
    rocksdb_pinnableslice_destroy(value->pin);
    *value = (struct engine_value){.pin = NULL};
}

static int rocks_write(struct engine *engine,
                       const struct engine_operation *operations,
                       size_t count)
{
    struct rocks *rocks = rocks_of(engine);
    rocksdb_writebatch_clear(rocks->batch);
    for (size_t i = 0; i < count; i++) {
        const struct engine_operation *o = &operations[i];
        const char *key = text_of(o->key);
        const char *value = text_of(o->value);
        switch (o->kind) {
        case ENGINE_PUT:
            rocksdb_writebatch_put(rocks->batch, key, o->key.size, value, o->value.size);
            break;
        case ENGINE_DELETE: rocksdb_writebatch_delete(rocks->batch, key, o->key.size); break;
        case ENGINE_DELETE_RANGE:
            if (bytes_compare(o->key, o->value) < 0) {
                rocksdb_writebatch_delete_range(rocks->batch, key, o->key.size, value,
                                                o->value.size);
            }
            break;
        }
    }
    char *text = NULL;
    rocksdb_write(rocks->db, rocks->write, rocks->batch, &text);
    return take_error(rocks, text);
}

static int rocks_flush(struct engine *engine, bool wait)
{
    rocksdb_flushoptions_t *options = rocksdb_flushoptions_create();
    rocksdb_flushoptions_set_wait(options, wait);
    char *text = NULL;
    rocksdb_flush(rocks_of(engine)->db, options, &text);
    rocksdb_flushoptions_destroy(options);
    return take_error(rocks_of(engine), text);
}

static struct engine_snapshot *rocks_snapshot_new(struct engine *engine)
{
    struct engine_snapshot *snapshot = heap_alloc(sizeof *snapshot);
    snapshot->snapshot = rocksdb_create_snapshot(rocks_of(engine)->db);
    return snapshot;
}

static void rocks_snapshot_free(struct engine *engine, struct engine_snapshot *snapshot)
{
    if (snapshot != NULL) {
        rocksdb_release_snapshot(rocks_of(engine)->db, snapshot->snapshot);
        heap_free(snapshot);
    }
}

static struct engine_iterator *rocks_iterator_new(struct engine *engine,
                                                  struct engine_snapshot *snapshot,
                                                  struct bytes from,
                                                  struct bytes to)
{
    struct engine_iterator *iterator = heap_alloc(sizeof *iterator);
    iterator->rocks = rocks_of(engine);
    iterator->read = rocksdb_readoptions_create();
    /* A scan of a whole shard must not push the hot blocks out of the cache. */
    rocksdb_readoptions_set_fill_cache(iterator->read, 0);
    rocksdb_readoptions_set_verify_checksums(iterator->read, 1);
    if (snapshot != NULL) {
        rocksdb_readoptions_set_snapshot(iterator->read, snapshot->snapshot);
    }
    if (to.size > 0) {
        iterator->to = heap_alloc_raw(to.size);
        memcpy(iterator->to, to.data, to.size);
        rocksdb_readoptions_set_iterate_upper_bound(iterator->read, iterator->to, to.size);
    }
    /* RocksDB wants no bound below the start. */
    iterator->is_done = to.size > 0 && bytes_compare(from, to) >= 0;
    iterator->iterator = rocksdb_create_iterator(rocks_of(engine)->db, iterator->read);
    if (!iterator->is_done) {
        rocksdb_iter_seek(iterator->iterator, text_of(from), from.size);
    }
    return iterator;
}

static bool rocks_iterator_next(struct engine_iterator *iterator)
{
    if (iterator->is_done) {
        return false;
    }
    if (iterator->is_started) {
        rocksdb_iter_next(iterator->iterator);
    }
    iterator->is_started = true;
    iterator->is_done = !rocksdb_iter_valid(iterator->iterator);
    return !iterator->is_done;
}

static struct bytes rocks_iterator_key(const struct engine_iterator *iterator)
{
    size_t size = 0;
    const char *data = rocksdb_iter_key(iterator->iterator, &size);
    return bytes_of(data, size);
}

static struct bytes rocks_iterator_value(const struct engine_iterator *iterator)
{
    size_t size = 0;
    const char *data = rocksdb_iter_value(iterator->iterator, &size);
    return bytes_of(data, size);
}

static int rocks_iterator_error(const struct engine_iterator *iterator)
{
    char *text = NULL;
    rocksdb_iter_get_error(iterator->iterator, &text);
    return take_error(iterator->rocks, text);
}

static void rocks_iterator_free(struct engine_iterator *iterator)
{
    if (iterator != NULL) {
        rocksdb_iter_destroy(iterator->iterator);
        rocksdb_readoptions_destroy(iterator->read);
        heap_free(iterator->to);
        heap_free(iterator);
    }
}

static const char *rocks_error_text(const struct engine *engine)
{
    return ((const struct rocks *)(const void *)engine)->error_text;
}

static void rocks_close(struct engine *engine)
{
    if (engine == NULL) {
        return;
    }
    struct rocks *rocks = rocks_of(engine);
    if (rocks->db != NULL) {
        rocksdb_cancel_all_background_work(rocks->db, 1);
        rocksdb_close(rocks->db);
    }
    rocksdb_writebatch_destroy(rocks->batch);
    rocksdb_writeoptions_destroy(rocks->write);
    rocksdb_readoptions_destroy(rocks->read_persisted);
    rocksdb_readoptions_destroy(rocks->read);
    rocksdb_options_destroy(rocks->options);
    heap_free(rocks);
}

static rocksdb_options_t *make_options(void)
{
    rocksdb_options_t *options = rocksdb_options_create();
    rocksdb_options_set_create_if_missing(options, 1);
    /* The default; said here because everything rests on it: damage is an error, never a guess. */
    rocksdb_options_set_paranoid_checks(options, 1);
    rocksdb_options_set_max_open_files(options, OPEN_FILES_MAX);
    rocksdb_options_set_max_background_jobs(options, BACKGROUND_JOBS);
    rocksdb_options_set_write_buffer_size(options, WRITE_BUFFER_SIZE);
    rocksdb_options_set_max_write_buffer_number(options, WRITE_BUFFER_COUNT);
    rocksdb_options_set_compression(options, rocksdb_lz4_compression);
    rocksdb_options_set_level_compaction_dynamic_level_bytes(options, 1);
    rocksdb_options_set_max_log_file_size(options, INFO_LOG_SIZE);
    rocksdb_options_set_keep_log_file_num(options, INFO_LOG_COUNT);
    rocksdb_options_set_info_log_level(options, 2); /* Warnings. */
    rocksdb_options_set_stats_dump_period_sec(options, 0);

    rocksdb_block_based_table_options_t *table = rocksdb_block_based_options_create();
    rocksdb_cache_t *cache = rocksdb_cache_create_lru(BLOCK_CACHE_SIZE);
    rocksdb_block_based_options_set_block_cache(table, cache);
    rocksdb_cache_destroy(cache); /* The table options hold a reference. */
    rocksdb_block_based_options_set_filter_policy(
        table, rocksdb_filterpolicy_create_bloom_full(BLOOM_BITS));
    /* Index and filter blocks count against the cache: memory stays bounded. */
    rocksdb_block_based_options_set_cache_index_and_filter_blocks(table, 1);
    rocksdb_block_based_options_set_pin_l0_filter_and_index_blocks_in_cache(table, 1);
    rocksdb_options_set_block_based_table_factory(options, table);
    rocksdb_block_based_options_destroy(table);
    return options;
}

int rocks_open(const char *directory, struct engine **out_engine, char *error, size_t error_size)
{
    static const struct engine_ops ops = {
        .get = rocks_get,
        .value_release = rocks_value_release,
        .write = rocks_write,
        .get_persisted = rocks_get_persisted,
        .flush = rocks_flush,
        .snapshot_new = rocks_snapshot_new,
        .snapshot_free = rocks_snapshot_free,
        .iterator_new = rocks_iterator_new,
        .iterator_next = rocks_iterator_next,
        .iterator_key = rocks_iterator_key,
        .iterator_value = rocks_iterator_value,
        .iterator_error = rocks_iterator_error,
        .iterator_free = rocks_iterator_free,
        .error_text = rocks_error_text,
        .close = rocks_close,
    };
    struct rocks *rocks = heap_alloc(sizeof *rocks);
    rocks->engine.ops = &ops;
    rocks->options = make_options();
    rocks->read = rocksdb_readoptions_create();
    rocksdb_readoptions_set_verify_checksums(rocks->read, 1); /* As above. */
    rocks->read_persisted = rocksdb_readoptions_create();
    rocksdb_readoptions_set_verify_checksums(rocks->read_persisted, 1);
    rocksdb_readoptions_set_read_tier(rocks->read_persisted, READ_TIER_PERSISTED);
    rocks->write = rocksdb_writeoptions_create();
    rocksdb_writeoptions_disable_WAL(rocks->write, 1);
    rocks->batch = rocksdb_writebatch_create();
    char *text = NULL;
    rocks->db = rocksdb_open(rocks->options, directory, &text);
    if (text != NULL) {
        (void)snprintf(error, error_size, "%s: cannot open the database: %s", directory, text);
        const int err = take_error(rocks, text);
        rocks_close(&rocks->engine);
        if (err != Q_ENOSPC) {
            const size_t size = strlen(error);
            (void)snprintf(error + size, error_size - size, "; " ADVICE);
        }
        return err;
    }
    *out_engine = &rocks->engine;
    return Q_OK;
}
