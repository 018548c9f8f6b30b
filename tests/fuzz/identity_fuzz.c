/* Fuzz: the identity file. The checksum is put right first, else nothing would get past it.
 *
 * Also judges: what loads can be stored, and loads again as the same.
 */
#include "base/check.h"
#include "base/err.h"
#include "base/hash.h"
#include "node/identity.h"

#define CONTENTS_MAX 8192

/* A directory with one file. */
struct disk {
    uint8_t data[CONTENTS_MAX];
    size_t size;
};

static int open_file(void *context, const char *path, bool create, struct file **out_file)
{
    (void)path;
    struct disk *disk = context;
    if (create) {
        disk->size = 0;
    }
    *out_file = context;
    return Q_OK;
}

static void close_file(void *context, struct file *file)
{
    Q_CHECK(file == context);
}

static int size_of(void *context, struct file *file, uint64_t *out_size)
{
    close_file(context, file);
    *out_size = ((struct disk *)context)->size;
    return Q_OK;
}

static int read_at(
    void *context, struct file *file, uint64_t offset, void *out, size_t size, size_t *out_read)
{
    close_file(context, file);
    const struct disk *disk = context;
    Q_CHECK(offset == 0 && size <= disk->size);
    memcpy(out, disk->data, size);
    *out_read = size;
    return Q_OK;
}

static int write_at(void *context, struct file *file, uint64_t offset, struct bytes bytes)
{
    close_file(context, file);
    struct disk *disk = context;
    Q_CHECK(offset == 0 && bytes.size <= sizeof disk->data);
    memcpy(disk->data, bytes.data, bytes.size);
    disk->size = bytes.size;
    return Q_OK;
}

static int sync_file(void *context, struct file *file)
{
    close_file(context, file);
    return Q_OK;
}

static int rename_file(void *context, const char *from, const char *to)
{
    (void)context;
    (void)from;
    (void)to;
    return Q_OK;
}

static int remove_file(void *context, const char *path)
{
    (void)context;
    (void)path;
    return Q_ENOTFOUND;
}

static int sync_directory(void *context, const char *path)
{
    (void)context;
    (void)path;
    return Q_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct disk disk;
    struct files files = {.context = &disk,
                          .open = open_file,
                          .close = close_file,
                          .size = size_of,
                          .read = read_at,
                          .write = write_at,
                          .sync = sync_file,
                          .rename = rename_file,
                          .remove = remove_file,
                          .sync_directory = sync_directory};
    if (size > sizeof disk.data - 8) {
        return 0;
    }
    memcpy(disk.data, data, size);
    struct writer w = writer_of(disk.data + size, 8);
    write_u64(&w, hash_bytes(bytes_of(data, size)));
    disk.size = size + 8;
    struct identity first;
    struct identity second;
    const int result = identity_load(&files, &first);
    Q_CHECK(result == Q_OK || result == Q_ECORRUPT);
    if (result == Q_OK) {
        Q_CHECK(identity_store(&files, &first) == Q_OK);
        Q_CHECK(disk.size == size + 8 && memcmp(disk.data, data, size) == 0);
        Q_CHECK(identity_load(&files, &second) == Q_OK);
    }
    return 0;
}
