#include "node/snapshot_file.h"

#include "base/check.h"
#include "base/cursor.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/limits.h"

#define MAGIC        UINT64_C(0x32504e5355514f51)
#define HEADER_SIZE  32
#define PIECE_HEADER 12
#define READ_SIZE    ((size_t)1024 * 1024)

static int write_at_end(struct snapshot_file *file, struct bytes bytes)
{
    const int err = file->files->write(file->files->context, file->file, file->offset, bytes);
    if (err == Q_OK) {
        file->offset += bytes.size;
    }
    return err;
}

int snapshot_file_create(struct snapshot_file *file,
                         struct files *files,
                         const char *path,
                         raft_index index,
                         raft_term term)
{
    (void)files->remove(files->context, path); /* Usually not there. */
    int err = files->open(files->context, path, true, &file->file);
    if (err != Q_OK) {
        return err;
    }
    file->files = files;
    file->offset = 0;
    file->checksum = 0;
    uint8_t header[HEADER_SIZE];
    struct writer w = writer_of(header, sizeof header);
    write_u64(&w, MAGIC);
    write_u64(&w, index);
    write_u64(&w, term);
    write_u64(&w, hash_bytes(bytes_of(header, writer_size(&w))));
    Q_CHECK(!w.failed);
    return write_at_end(file, bytes_of(header, sizeof header));
}

static int write_piece_header(struct snapshot_file *file, size_t size)
{
    uint8_t header[PIECE_HEADER];
    struct writer w = writer_of(header, sizeof header);
    write_u32(&w, (uint32_t)size);
    write_u64(&w, file->checksum);
    Q_CHECK(!w.failed);
    return write_at_end(file, bytes_of(header, sizeof header));
}

int snapshot_file_append(struct snapshot_file *file, struct bytes data)
{
    Q_CHECK(data.size <= UINT32_MAX);
    if (data.size == 0) {
        return Q_OK; /* Would mark the end. */
    }
    file->checksum = hash_bytes_seeded(data, file->checksum);
    const int err = write_piece_header(file, data.size);
    return err == Q_OK ? write_at_end(file, data) : err;
}

int snapshot_file_finish(struct snapshot_file *file)
{
    return write_piece_header(file, 0);
}

/* Reads more into `raw`. What is missing is told from what cannot be read: the second may pass. */
static int read_more(struct snapshot_file *file)
{
    uint64_t size = 0;
    size_t got = 0;
    int err = file->files->size(file->files->context, file->file, &size);
    if (err != Q_OK) {
        return err;
    }
    if (file->offset >= size) {
        return Q_ECORRUPT; /* The end is missing. */
    }
    const uint64_t left = size - file->offset;
    const size_t wanted = left < READ_SIZE ? (size_t)left : READ_SIZE;
    err = file->files->read(file->files->context, file->file, file->offset,
                            buf_reserve(&file->raw, wanted), wanted, &got);
    if (err != Q_OK) {
        return err;
    }
    buf_added(&file->raw, got);
    file->offset += got;
    return got == wanted ? Q_OK : Q_EIO;
}

int snapshot_file_open(struct snapshot_file *file,
                       struct files *files,
                       const char *path,
                       raft_index *out_index,
                       raft_term *out_term)
{
    int err = files->open(files->context, path, false, &file->file);
    if (err != Q_OK) {
        return err;
    }
    file->files = files;
    file->offset = 0;
    err = read_more(file);
    if (err != Q_OK) {
        return err;
    }
    const struct bytes raw = buf_bytes(&file->raw);
    struct reader r = reader_of(raw);
    const uint64_t magic = read_u64(&r);
    const raft_index index = read_u64(&r);
    const raft_term term = read_u64(&r);
    const uint64_t checksum = read_u64(&r);
    if (r.failed || magic != MAGIC || checksum != hash_bytes(bytes_of(raw.data, HEADER_SIZE - 8))) {
        return Q_ECORRUPT;
    }
    *out_index = index;
    *out_term = term;
    snapshot_file_rewind(file);
    return Q_OK;
}

void snapshot_file_rewind(struct snapshot_file *file)
{
    file->offset = HEADER_SIZE;
    file->checksum = 0;
    buf_clear(&file->raw);
}

/* Makes at least that many bytes of what comes next stand in `raw`. */
static int need(struct snapshot_file *file, size_t size)
{
    int err = Q_OK;
    while (err == Q_OK && buf_size(&file->raw) < size) {
        err = read_more(file);
    }
    return err;
}

int snapshot_file_next(struct snapshot_file *file, struct buf *out_data, bool *out_done)
{
    uint8_t header[PIECE_HEADER];
    int err = need(file, sizeof header);
    if (err != Q_OK) {
        return err;
    }
    memcpy(header, buf_bytes(&file->raw).data, sizeof header);
    struct reader r = reader_of(bytes_of(header, sizeof header));
    const size_t size = read_u32(&r);
    const uint64_t checksum = read_u64(&r);
    if (size > FRAME_SIZE_MAX) {
        return Q_ECORRUPT; /* No piece came in that size; do not look for its end. */
    }
    err = need(file, PIECE_HEADER + size);
    if (err != Q_OK) {
        return err;
    }
    const struct bytes data = bytes_of(buf_bytes(&file->raw).data + PIECE_HEADER, size);
    file->checksum = size > 0 ? hash_bytes_seeded(data, file->checksum) : file->checksum;
    if (checksum != file->checksum) {
        return Q_ECORRUPT;
    }
    buf_append(out_data, data);
    buf_trim(&file->raw, PIECE_HEADER + size);
    *out_done = size == 0;
    return Q_OK;
}

void snapshot_file_close(struct snapshot_file *file)
{
    if (file->file != NULL) {
        file->files->close(file->files->context, file->file);
        file->file = NULL;
    }
    buf_deinit(&file->raw);
}
