#include "node/identity.h"

#include "base/check.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/mark.h"
#include "base/plant.h"

#define IDENTITY_VERSION 1
#define HEAD_SIZE        14 /* Magic, version, size of the body. */
#define BODY_SIZE_MAX    (8 + 8 + 4 + 2 + CLUSTER_ADDRESS_SIZE_MAX + 1 + CLUSTER_MAP_ENCODED_MAX)
#define FILE_SIZE_MAX    (HEAD_SIZE + BODY_SIZE_MAX + 8)

static const uint8_t magic[8] = {'Q', 'R', 'T', 'I', 'D', 'E', 'N', 'T'};

static void write_body(struct writer *w, const struct identity *identity)
{
    const struct bytes address = cluster_address_bytes(&identity->address);
    write_u64(w, identity->nonce);
    write_u64(w, identity->incarnation);
    write_u32(w, identity->self);
    write_u16(w, (uint16_t)address.size);
    write_bytes(w, address);
    write_u8(w, identity->map.version > 0);
    if (identity->map.version > 0) {
        cluster_map_write(w, &identity->map);
    }
}

/* The map's entry for `self` must be this directory: same address, same nonce. */
static bool is_consistent(const struct identity *identity)
{
    if (identity->nonce == 0 || (identity->map.version == 0) != (identity->self == NODE_NONE)) {
        return false;
    }
    if (identity->map.version == 0) {
        return true;
    }
    return identity->self ==
               cluster_list_find(&identity->map.list, cluster_address_bytes(&identity->address)) &&
           identity->map.nonces[identity->self - 1] == identity->nonce;
}

static int read_body(struct bytes body, struct identity *out_identity)
{
    struct identity identity;
    memset(&identity, 0, sizeof identity);
    struct reader r = reader_of(body);
    identity.nonce = read_u64(&r);
    identity.incarnation = read_u64(&r);
    identity.self = read_u32(&r);
    const size_t size = read_u16(&r);
    const struct bytes address = read_bytes(&r, size);
    const uint8_t has_map = read_u8(&r);
    if (r.failed || has_map > 1 || cluster_address_set(&identity.address, address) != Q_OK) {
        return Q_ECORRUPT;
    }
    if (has_map == 1) {
        cluster_map_read(&r, &identity.map);
    }
    if (!reader_is_done(&r) || !is_consistent(&identity)) {
        return Q_ECORRUPT;
    }
    *out_identity = identity;
    return Q_OK;
}

static int read_file(struct bytes contents, struct identity *out_identity)
{
    if (contents.size < HEAD_SIZE + 8) {
        return Q_ECORRUPT;
    }
    const struct bytes covered = bytes_of(contents.data, contents.size - 8);
    struct reader tail = reader_of(bytes_of(contents.data + covered.size, 8));
    struct reader r = reader_of(covered);
    const struct bytes start = read_bytes(&r, sizeof magic);
    const uint16_t version = read_u16(&r);
    const struct bytes body = read_sized(&r);
    if (!bytes_equal(start, bytes_of(magic, sizeof magic)) || version != IDENTITY_VERSION ||
        !reader_is_done(&r) || read_u64(&tail) != hash_bytes(covered)) {
        return Q_ECORRUPT;
    }
    return read_body(body, out_identity);
}

int identity_load(struct files *files, struct identity *out_identity)
{
    struct file *file = NULL;
    uint8_t contents[FILE_SIZE_MAX];
    uint64_t size = 0;
    size_t got = 0;
    int result = files->open(files->context, IDENTITY_PATH, false, &file);
    if (result != Q_OK) {
        return result;
    }
    result = files->size(files->context, file, &size);
    if (result == Q_OK && size > sizeof contents) {
        result = Q_ECORRUPT;
    }
    if (result == Q_OK) {
        result = files->read(files->context, file, 0, contents, (size_t)size, &got);
    }
    files->close(files->context, file);
    if (result != Q_OK) {
        return result;
    }
    return got == size ? read_file(bytes_of(contents, got), out_identity) : Q_EIO;
}

/* Creates the new file with its whole content, synced. */
static int write_new_file(struct files *files, struct bytes contents)
{
    struct file *file = NULL;
    /* Left behind by a crash between creation and rename. */
    int result = files->remove(files->context, IDENTITY_PATH_NEW);
    Q_MARK_IF(IDENTITY_LEFTOVER, result == Q_OK);
    if (result != Q_OK && result != Q_ENOTFOUND) {
        return result;
    }
    result = files->open(files->context, IDENTITY_PATH_NEW, true, &file);
    if (result != Q_OK) {
        return result;
    }
    result = files->write(files->context, file, 0, contents);
    if (result == Q_OK && !Q_PLANT(IDSYNC)) {
        result = files->sync(files->context, file);
    }
    files->close(files->context, file);
    return result;
}

int identity_store(struct files *files, const struct identity *identity)
{
    Q_CHECK(is_consistent(identity));
    uint8_t memory[FILE_SIZE_MAX];
    uint8_t body[BODY_SIZE_MAX];
    struct writer b = writer_of(body, sizeof body);
    write_body(&b, identity);
    struct writer w = writer_of(memory, sizeof memory);
    write_bytes(&w, bytes_of(magic, sizeof magic));
    write_u16(&w, IDENTITY_VERSION);
    write_sized(&w, bytes_of(body, writer_size(&b)));
    write_u64(&w, hash_bytes(bytes_of(memory, writer_size(&w))));
    Q_CHECK(!b.failed && !w.failed);

    int result = write_new_file(files, bytes_of(memory, writer_size(&w)));
    if (result == Q_OK) {
        result = files->rename(files->context, IDENTITY_PATH_NEW, IDENTITY_PATH);
    }
    if (result == Q_OK) {
        result = files->sync_directory(files->context, "");
    }
    return result;
}
