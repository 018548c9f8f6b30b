/* Follower's side of a snapshot: staged durably first, then installed, so that a crash at any
 * moment leaves either the old state or a file from which the installation is done again.
 *
 *   chunks -> snapshots/incoming --(complete, checksum right, synced)--> rename snapshots/install
 *   install: delete the group's range, write its records in batches, META (applied index) last;
 *   flush; only when the engine shows the index as persisted: reset the log, tell raft, remove
 * file.
 *
 * At start a file `snapshots/install` newer than the engine's applied index is installed again from
 * its beginning, once all of it proved right: docs/formats/storage.md has its form.
 */
#include "base/check.h"
#include "base/hash.h"
#include "base/mark.h"
#include "base/os/heap.h"
#include "base/os/log.h"
#include "base/plant.h"
#include "node/node_private.h"

#include <stdio.h>

#define DIRECTORY       "snapshots"
#define PATH_INCOMING   "snapshots/incoming"
#define PATH_INSTALL    "snapshots/install"
#define FILE_MAGIC      UINT64_C(0x32504e5355514f51)
#define FILE_HEADER     32 /* Magic, index, term, checksum of these. */
#define PIECE_HEADER    16 /* Size, is_last, checksum. */
#define BYTES_PER_TURN  ((size_t)4 * 1024 * 1024)
#define PERSIST_POLL_MS 10

#define ADVICE                                                                                     \
    "do not delete it: leave this node stopped and let the others go on; a node that lost its "    \
    "disk cannot be taken back yet"

enum receive_phase {
    RECEIVE_CHUNKS,
    RECEIVE_INSTALL, /* Writing records into the engine. */
    RECEIVE_PERSIST  /* All written; waiting for the engine's flush. */
};

struct snapshot_receiver {
    enum receive_phase phase;
    node_id from;
    uint64_t from_incarnation;
    uint64_t id;
    raft_index index;
    raft_term index_term;
    uint32_t next_sequence;
    uint64_t checksum;      /* Of the chunks so far, as the leader counts. */
    uint64_t file_checksum; /* Of the pieces written, or read, so far. */
    struct file *file;      /* Owned. */
    uint64_t file_size;     /* Once it is read. */
    uint64_t offset;        /* Written so far; in INSTALL: read so far. */
    struct buf rest;        /* Owned: records read, not yet parsed. */
    struct buf meta;        /* Owned: the META record's value, written last. */
    bool flush_started;
    uint64_t poll_at_ms;
};

static void close_file(struct node *node, struct snapshot_receiver *receiver)
{
    if (receiver->file != NULL) {
        node->files->close(node->files->context, receiver->file);
        receiver->file = NULL;
    }
}

static void receiver_free(struct node *node, struct snapshot_receiver *receiver)
{
    if (receiver == NULL) {
        return;
    }
    close_file(node, receiver);
    buf_deinit(&receiver->rest);
    buf_deinit(&receiver->meta);
    heap_free(receiver);
}

void snapshot_receive_stop(struct node *node)
{
    receiver_free(node, node->receiver);
    node->receiver = NULL;
}

bool snapshot_is_installing(const struct node *node)
{
    return node->receiver != NULL && node->receiver->phase != RECEIVE_CHUNKS;
}

static void send_ack(
    struct node *node, node_id to, uint64_t id, uint32_t next_sequence, enum snapshot_status status)
{
    struct buf *out = node_send_begin(node, to, PEER_SNAPSHOT_ACK);
    if (out == NULL) {
        return;
    }
    const struct snapshot_ack ack = {
        .group = node->replica.group, .id = id, .next_sequence = next_sequence, .status = status};
    struct writer w = writer_of(buf_reserve(out, SNAPSHOT_ACK_SIZE), SNAPSHOT_ACK_SIZE);
    snapshot_ack_write(&w, &ack);
    Q_CHECK(!w.failed);
    buf_added(out, writer_size(&w));
    node_send_end(node, to);
}

/* ---- installation ---- */

/* One engine batch: what was parsed of the file so far. */
struct install_batch {
    struct overlay overlay;
    size_t bytes;
};

static int put_record(struct node *node,
                      struct snapshot_receiver *receiver,
                      struct install_batch *batch,
                      struct bytes key,
                      struct bytes value)
{
    struct storage_key full;
    if (key.size == 0 || key.size + 4 > sizeof full.data) {
        return Q_ECORRUPT;
    }
    if (key.data[0] == SPACE_META) {
        buf_clear(&receiver->meta);
        buf_append(&receiver->meta, value);
        return Q_OK;
    }
    storage_key_space(&full, node->replica.group, SPACE_META);
    memcpy(full.data + 4, key.data, key.size);
    full.size = 4 + key.size;
    overlay_put(&batch->overlay, storage_key_bytes(&full), value);
    batch->bytes += full.size + value.size;
    return Q_OK;
}

/* Takes the records of a piece, which has only whole ones. */
static int parse_records(struct node *node,
                         struct snapshot_receiver *receiver,
                         struct install_batch *batch)
{
    for (;;) {
        struct reader r = reader_of(buf_bytes(&receiver->rest));
        const uint32_t key_size = read_u32(&r);
        const uint32_t value_size = read_u32(&r);
        const struct bytes key = read_bytes(&r, key_size);
        const struct bytes value = read_bytes(&r, value_size);
        if (r.failed) {
            return buf_size(&receiver->rest) == 0 ? Q_OK : Q_ECORRUPT;
        }
        const int err = put_record(node, receiver, batch, key, value);
        if (err != Q_OK) {
            return err;
        }
        buf_trim(&receiver->rest, 8 + (size_t)key_size + value_size);
    }
}

static int write_batch(struct node *node, struct install_batch *batch)
{
    const int err = node->engine->ops->write(node->engine, batch->overlay.operations,
                                             batch->overlay.operation_count);
    overlay_clear(&batch->overlay);
    return err;
}

/* Fewer bytes than `size` mean that the file ends there: what cannot be read is told from what is
 * not there, for the first may pass. */
static int read_file(struct node *node,
                     struct snapshot_receiver *receiver,
                     uint64_t offset,
                     uint8_t *out,
                     size_t size,
                     size_t *out_got)
{
    const struct files *files = node->files;
    const int err = files->read(files->context, receiver->file, offset, out, size, out_got);
    const bool is_short = *out_got < size && offset + *out_got < receiver->file_size;
    return err == Q_OK && is_short ? Q_EIO : err;
}

/* Reads the next piece of the file into `rest`; *out_last when it is the last one. */
static int read_piece(struct node *node, struct snapshot_receiver *receiver, bool *out_last)
{
    uint8_t header[PIECE_HEADER];
    size_t got = 0;
    int err = read_file(node, receiver, receiver->offset, header, sizeof header, &got);
    if (err != Q_OK) {
        return err;
    }
    struct reader r = reader_of(bytes_of(header, got));
    const size_t size = read_u32(&r);
    const uint32_t is_last = read_u32(&r);
    const uint64_t checksum = read_u64(&r);
    if (r.failed || size > FRAME_SIZE_MAX || is_last > 1) {
        return Q_ECORRUPT;
    }
    const size_t before = buf_size(&receiver->rest); /* Of a record that goes on in this piece. */
    err = read_file(node, receiver, receiver->offset + sizeof header,
                    buf_reserve(&receiver->rest, size), size, &got);
    if (err != Q_OK) {
        return err;
    }
    buf_added(&receiver->rest, got);
    const struct bytes data = bytes_of(buf_bytes(&receiver->rest).data + before, got);
    receiver->file_checksum = hash_bytes_seeded(data, receiver->file_checksum + is_last);
    if (got < size || receiver->file_checksum != checksum) {
        return Q_ECORRUPT;
    }
    receiver->offset += sizeof header + size;
    *out_last = is_last == 1;
    return Q_OK;
}

/* Reads and writes about `limit` bytes; *out_done when that was the end of the file. */
static int install_some(struct node *node,
                        struct snapshot_receiver *receiver,
                        size_t limit,
                        bool *out_done)
{
    struct install_batch batch = {0};
    int err = Q_OK;
    *out_done = false;
    while (err == Q_OK && batch.bytes < limit && !*out_done) {
        err = read_piece(node, receiver, out_done);
        if (err == Q_OK) {
            err = parse_records(node, receiver, &batch);
        }
    }
    if (err == Q_OK && *out_done && buf_size(&receiver->rest) > 0) {
        err = Q_ECORRUPT; /* The last record is not whole. */
    }
    if (err == Q_OK && batch.overlay.operation_count > 0) {
        err = write_batch(node, &batch);
    }
    overlay_deinit(&batch.overlay);
    return err;
}

static int delete_group(struct node *node)
{
    struct storage_key from;
    struct storage_key to;
    storage_key_space(&from, node->replica.group, SPACE_META);
    storage_key_space(&to, node->replica.group, SPACE_END);
    const struct engine_operation operation = {
        .kind = ENGINE_DELETE_RANGE,
        .key = storage_key_bytes(&from),
        .value = storage_key_bytes(&to),
    };
    return node->engine->ops->write(node->engine, &operation, 1);
}

/* The record that makes the new state valid, and the request to persist it all. */
static int write_meta(struct node *node, struct snapshot_receiver *receiver)
{
    if (buf_size(&receiver->meta) == 0) {
        return Q_ECORRUPT;
    }
    struct storage_key key;
    storage_key_meta(&key, node->replica.group);
    const struct engine_operation operation = {
        .kind = ENGINE_PUT,
        .key = storage_key_bytes(&key),
        .value = buf_bytes(&receiver->meta),
    };
    return node->engine->ops->write(node->engine, &operation, 1);
}

/* The header, without its checksum. */
static void write_header(struct writer *w, const struct snapshot_receiver *receiver)
{
    write_u64(w, FILE_MAGIC);
    write_u64(w, receiver->index);
    write_u64(w, receiver->index_term);
}

/* To the first piece, whose checksum continues that of the header. */
static void rewind_file(struct snapshot_receiver *receiver)
{
    uint8_t header[FILE_HEADER];
    struct writer w = writer_of(header, sizeof header);
    write_header(&w, receiver);
    receiver->file_checksum = hash_bytes(bytes_of(header, writer_size(&w)));
    receiver->offset = FILE_HEADER;
}

static int install_begin(struct node *node, struct snapshot_receiver *receiver)
{
    receiver->phase = RECEIVE_INSTALL;
    rewind_file(receiver);
    buf_clear(&receiver->rest);
    buf_clear(&receiver->meta);
    return delete_group(node);
}

static void install_end(struct node *node)
{
    struct snapshot_receiver *receiver = node->receiver;
    struct replica *replica = &node->replica;
    const raft_index index = receiver->index;
    machine_deinit(&replica->machine);
    const int err = machine_init(&replica->machine, node->engine, replica->group);
    if (err != Q_OK || replica->machine.meta.applied_index != index) {
        node_fail(node, err != Q_OK ? err : Q_ECORRUPT,
                  "a snapshot installed into db/ does not read back");
        return;
    }
    Q_MARK(SNAPSHOT_INSTALLED);
    const bool restored = raft_restore(&replica->raft, index, receiver->index_term);
    Q_CHECK(restored);
    const hlc_time shard_time = replica->machine.meta.shard_time;
    hlc_observe(&replica->clock, shard_time);
    if (shard_time > replica->raft.last_hlc) {
        replica->raft.last_hlc = shard_time;
    }
    replica_sync_payloads(replica);
    (void)wal_append_reset(node->wal, replica->group);
    (void)replica_save_state(node, replica->raft.hard);
    /* What the log still holds behind the snapshot was voided with the rest: once more. */
    replica_log_entries(node, index + 1, replica->raft.log.last_index);
    wal_release(node->wal, replica->group, index);
    send_ack(node, receiver->from, receiver->id, receiver->next_sequence, SNAPSHOT_INSTALLED);
    log_event(LOG_INFO, "snapshot_installed", "index=%llu", (unsigned long long)index);
    snapshot_receive_stop(node);
    /* Not synced: a file that comes back after a crash is seen to be older than the state. */
    (void)node->files->remove(node->files->context, PATH_INSTALL);
    requests_jumped(node, index);
}

static int install_step(struct node *node, struct snapshot_receiver *receiver)
{
    bool done = false;
    int err = install_some(node, receiver, BYTES_PER_TURN, &done);
    if (err == Q_OK && done) {
        err = write_meta(node, receiver);
        receiver->phase = RECEIVE_PERSIST;
    }
    return err;
}

/* Sees to it that the engine flushes; *out_done when it has. */
static int persist_step(struct node *node, struct snapshot_receiver *receiver, bool *out_done)
{
    if (!receiver->flush_started) {
        const int err = node->engine->ops->flush(node->engine, false);
        receiver->flush_started = err == Q_OK;
        if (err != Q_OK) {
            return err == Q_EBUSY ? Q_OK : err; /* Busy: the next poll asks again. */
        }
    }
    uint64_t persisted = 0;
    const int err = machine_persisted(&node->replica.machine, &persisted);
    *out_done = err == Q_OK && (persisted == receiver->index || Q_PLANT(INSTALLWAIT));
    return err;
}

void snapshot_receive_tick(struct node *node)
{
    struct snapshot_receiver *receiver = node->receiver;
    if (receiver == NULL || receiver->phase == RECEIVE_CHUNKS) {
        return;
    }
    int err = Q_OK;
    if (receiver->phase == RECEIVE_INSTALL) {
        err = install_step(node, receiver);
    } else if (node->now_ms >= receiver->poll_at_ms) {
        bool done = false;
        receiver->poll_at_ms = node->now_ms + PERSIST_POLL_MS;
        err = persist_step(node, receiver, &done);
        if (done) {
            install_end(node);
            return;
        }
        Q_MARK(SNAPSHOT_PERSIST_WAITS);
    }
    if (err != Q_OK) {
        node_fail_storage(node, err, "installing snapshots/install into db/ failed");
    }
}

/* ---- chunks ---- */

static int open_incoming(struct node *node, struct snapshot_receiver *receiver)
{
    const struct files *files = node->files;
    int err = files->make_directory(files->context, DIRECTORY);
    if (err != Q_OK) {
        return err;
    }
    (void)files->remove(files->context, PATH_INCOMING); /* Usually not there. */
    err = files->open(files->context, PATH_INCOMING, true, &receiver->file);
    if (err != Q_OK) {
        return err;
    }
    rewind_file(receiver);
    uint8_t header[FILE_HEADER];
    struct writer w = writer_of(header, sizeof header);
    write_header(&w, receiver);
    write_u64(&w, receiver->file_checksum);
    Q_CHECK(!w.failed && writer_size(&w) == sizeof header);
    return files->write(files->context, receiver->file, 0, bytes_of(header, sizeof header));
}

static int receive_begin(struct node *node, node_id from, const struct snapshot_chunk *chunk)
{
    Q_MARK_IF(SNAPSHOT_STREAM_REPLACED, node->receiver != NULL);
    snapshot_receive_stop(node);
    struct snapshot_receiver *receiver = heap_alloc(sizeof *receiver);
    receiver->from = from;
    receiver->from_incarnation = node_peer(node, from)->incarnation;
    receiver->id = chunk->id;
    receiver->index = chunk->index;
    receiver->index_term = chunk->index_term;
    const int err = open_incoming(node, receiver);
    if (err != Q_OK) {
        receiver_free(node, receiver);
        return err;
    }
    node->receiver = receiver;
    return Q_OK;
}

/* Makes the staged file's name, and that of its directory, durable. */
static int sync_names(struct node *node)
{
    const struct files *files = node->files;
    const int err = files->sync_directory(files->context, DIRECTORY);
    return err == Q_OK ? files->sync_directory(files->context, "") : err;
}

static int receive_complete(struct node *node)
{
    struct snapshot_receiver *receiver = node->receiver;
    const struct files *files = node->files;
    receiver->file_size = receiver->offset;
    int err = Q_PLANT(SNAPSYNC) ? Q_OK : files->sync(files->context, receiver->file);
    if (err == Q_OK) {
        err = files->rename(files->context, PATH_INCOMING, PATH_INSTALL);
    }
    if (err == Q_OK) {
        err = sync_names(node);
    }
    if (err == Q_OK) {
        err = install_begin(node, receiver);
    }
    return err;
}

static int write_piece(struct node *node,
                       struct snapshot_receiver *receiver,
                       struct bytes data,
                       bool is_last)
{
    const struct files *files = node->files;
    receiver->file_checksum = hash_bytes_seeded(data, receiver->file_checksum + is_last);
    uint8_t header[PIECE_HEADER];
    struct writer w = writer_of(header, sizeof header);
    write_u32(&w, (uint32_t)data.size);
    write_u32(&w, is_last);
    write_u64(&w, receiver->file_checksum);
    Q_CHECK(!w.failed && data.size <= FRAME_SIZE_MAX);
    int err = files->write(files->context, receiver->file, receiver->offset,
                           bytes_of(header, sizeof header));
    if (err == Q_OK) {
        err = files->write(files->context, receiver->file, receiver->offset + sizeof header, data);
    }
    receiver->offset += sizeof header + data.size;
    return err;
}

static int receive_data(struct node *node, const struct snapshot_chunk *chunk)
{
    struct snapshot_receiver *receiver = node->receiver;
    const uint64_t checksum = hash_bytes_seeded(chunk->data, receiver->checksum);
    if (checksum != chunk->checksum) {
        return Q_ECORRUPT;
    }
    const bool is_last = chunk->last || (Q_PLANT(B32) && receiver->next_sequence == 0);
    const int err = write_piece(node, receiver, chunk->data, is_last);
    if (err != Q_OK) {
        return err;
    }
    receiver->checksum = checksum;
    receiver->next_sequence++;
    return is_last ? receive_complete(node) : Q_OK;
}

void snapshot_receive_chunk(struct node *node, node_id from, const struct snapshot_chunk *chunk)
{
    const struct raft *raft = &node->replica.raft;
    struct snapshot_receiver *receiver = node->receiver;
    if (chunk->term < raft->hard.term || chunk->group != node->replica.group ||
        raft->role == RAFT_LEADER) {
        Q_MARK(SNAPSHOT_CHUNK_OF_OLD_TERM);
        send_ack(node, from, chunk->id, 0, SNAPSHOT_REFUSED);
        return;
    }
    if (!node->replica.state_durable || raft->durable_term < chunk->term) {
        /* A state without any term in the log looks like a lost log, and no start would accept it.
         * And with an earlier term than the stream's it would look as if the entries had been lost
         * that this replica has acknowledged in it and the snapshot takes away (cluster/resume).
         * The chunk comes again. */
        return;
    }
    const bool same = receiver != NULL && receiver->from == from && receiver->id == chunk->id &&
                      receiver->from_incarnation == node_peer(node, from)->incarnation;
    if (snapshot_is_installing(node)) {
        Q_MARK_IF(SNAPSHOT_CHUNK_INSTALLING, same);
        if (same) {
            send_ack(node, from, chunk->id, receiver->next_sequence, SNAPSHOT_CONTINUE);
        }
        return;
    }
    if (chunk->index <= raft->commit_index && !Q_PLANT(B23)) {
        Q_MARK(SNAPSHOT_CHUNK_NOT_NEEDED);
        send_ack(node, from, chunk->id, 0, SNAPSHOT_INSTALLED);
        return;
    }
    int err = Q_OK;
    if (!same) {
        if (chunk->sequence != 0) {
            Q_MARK(SNAPSHOT_CHUNK_NO_START);
            send_ack(node, from, chunk->id, 0, SNAPSHOT_REFUSED);
            return;
        }
        err = receive_begin(node, from, chunk);
    }
    if (err == Q_OK) {
        Q_MARK_IF(SNAPSHOT_CHUNK_REPEATED, chunk->sequence < node->receiver->next_sequence);
        Q_MARK_IF(SNAPSHOT_CHUNK_AHEAD, chunk->sequence > node->receiver->next_sequence);
    }
    if (err == Q_OK && chunk->sequence == node->receiver->next_sequence) {
        err = receive_data(node, chunk);
    }
    if (err == Q_OK) {
        send_ack(node, from, chunk->id, node->receiver->next_sequence, SNAPSHOT_CONTINUE);
        return;
    }
    Q_MARK(SNAPSHOT_STAGING_FAILED);
    log_event(LOG_WARN, "snapshot_refused", "from=%u reason=\"%s\"", from, err_text(err));
    send_ack(node, from, chunk->id, 0, SNAPSHOT_REFUSED);
    if (snapshot_is_installing(node)) {
        node_fail_storage(node, err, "installing snapshots/install into db/ failed");
    } else {
        snapshot_receive_stop(node);
    }
}

/* ---- start ---- */

static int read_header(struct node *node, struct snapshot_receiver *receiver)
{
    uint8_t header[FILE_HEADER];
    size_t got = 0;
    const int err = read_file(node, receiver, 0, header, sizeof header, &got);
    if (err != Q_OK) {
        return err;
    }
    struct reader r = reader_of(bytes_of(header, got));
    const uint64_t magic = read_u64(&r);
    receiver->index = read_u64(&r);
    receiver->index_term = read_u64(&r);
    const uint64_t checksum = read_u64(&r);
    rewind_file(receiver);
    return r.failed || magic != FILE_MAGIC || checksum != receiver->file_checksum ? Q_ECORRUPT
                                                                                  : Q_OK;
}

/* Reads the whole file before anything is done by it. */
static int verify_file(struct node *node, struct snapshot_receiver *receiver)
{
    int err = read_header(node, receiver);
    bool is_last = false;
    while (err == Q_OK && !is_last) {
        err = read_piece(node, receiver, &is_last);
        buf_clear(&receiver->rest);
    }
    return err;
}

/* Replaces the state by the staged one. If only the process was killed, right after the rename, the
 * file may be there in the page cache alone: were it gone after a power failure, the state that is
 * deleted here would be gone with it. Hence its name is made durable first, as when it was staged.
 */
static int install_all(struct node *node, struct snapshot_receiver *receiver)
{
    struct machine machine;
    int err = machine_init(&machine, node->engine, node->replica.group);
    const raft_index applied = machine.meta.applied_index;
    if (err == Q_OK) {
        machine_deinit(&machine);
    }
    if (err != Q_OK || applied >= receiver->index) {
        Q_MARK_IF(SNAPSHOT_STAGED_IS_OLD, err == Q_OK);
        return err;
    }
    Q_MARK(SNAPSHOT_INSTALLED_AGAIN);
    err = sync_names(node);
    if (err == Q_OK) {
        err = install_begin(node, receiver);
    }
    bool done = false;
    while (err == Q_OK && !done) {
        err = install_some(node, receiver, BYTES_PER_TURN, &done);
    }
    if (err == Q_OK) {
        err = write_meta(node, receiver);
    }
    return err != Q_OK ? err : node->engine->ops->flush(node->engine, true);
}

int snapshot_recover(struct node *node, char *error, size_t error_size)
{
    const struct files *files = node->files;
    struct snapshot_receiver *receiver = heap_alloc(sizeof *receiver);
    int err = files->make_directory(files->context, DIRECTORY);
    if (err == Q_OK) {
        const int removed = files->remove(files->context, PATH_INCOMING); /* Never complete. */
        Q_MARK_IF(SNAPSHOT_INCOMING_LEFT, removed == Q_OK);
        if (Q_PLANT(B29)) {
            (void)files->remove(files->context, PATH_INSTALL);
        }
        err = files->open(files->context, PATH_INSTALL, false, &receiver->file);
        if (err == Q_ENOTFOUND) {
            receiver_free(node, receiver);
            return Q_OK;
        }
    }
    node->replica.group = GROUP_DEFAULT;
    if (err == Q_OK) {
        err = files->size(files->context, receiver->file, &receiver->file_size);
    }
    if (err == Q_OK) {
        err = verify_file(node, receiver);
    }
    if (err == Q_OK) {
        err = install_all(node, receiver);
    }
    receiver_free(node, receiver);
    if (err != Q_OK) {
        (void)snprintf(error, error_size,
                       "the staged snapshot %s cannot be installed into db/: %s%s", PATH_INSTALL,
                       err_text(err), err == Q_ECORRUPT ? "; " ADVICE : "");
        return err;
    }
    (void)files->remove(files->context, PATH_INSTALL);
    return Q_OK;
}
