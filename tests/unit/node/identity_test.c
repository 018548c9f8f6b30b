/* node/identity: the file survives crashes and failures whole, and damage is noticed. */
#include "base/err.h"
#include "harness/test.h"
#include "node/identity.h"

#define NAMES_MAX    2
#define CONTENTS_MAX 4096

/* A directory of two names. What is not synced is lost in a crash; the n-th call may fail. */
struct contents {
    bool exists;
    size_t size;
    uint8_t data[CONTENTS_MAX];
};

struct file {
    struct contents now;
    struct contents synced;
};

struct disk {
    struct file *names[NAMES_MAX];         /* identity, identity.new; NULL = absent. */
    struct file *durable_names[NAMES_MAX]; /* As of the last sync_directory. */
    struct file pool[16];
    size_t pool_used;
    unsigned calls;
    unsigned fail_at; /* 0 = never; from this call on nothing happens any more. */
    int failure;
    size_t open_files;
};

static size_t slot_of(const char *path)
{
    return strcmp(path, IDENTITY_PATH) == 0 ? 0 : 1;
}

static bool fails(struct disk *disk)
{
    disk->calls++;
    return disk->fail_at != 0 && disk->calls >= disk->fail_at;
}

static int disk_open(void *context, const char *path, bool create, struct file **out_file)
{
    struct disk *disk = context;
    struct file **name = &disk->names[slot_of(path)];
    if (fails(disk)) {
        return disk->failure;
    }
    if (create != (*name == NULL)) {
        return create ? Q_EEXIST : Q_ENOTFOUND;
    }
    if (create) {
        REQUIRE(disk->pool_used < sizeof disk->pool / sizeof disk->pool[0]);
        *name = &disk->pool[disk->pool_used++];
    }
    disk->open_files++;
    *out_file = *name;
    return Q_OK;
}

static void disk_close(void *context, struct file *file)
{
    struct disk *disk = context;
    REQUIRE(file != NULL && disk->open_files > 0);
    disk->open_files--;
}

static int disk_size(void *context, struct file *file, uint64_t *out_size)
{
    if (fails(context)) {
        return Q_EIO;
    }
    *out_size = file->now.size;
    return Q_OK;
}

static int disk_read(
    void *context, struct file *file, uint64_t offset, void *out, size_t size, size_t *out_read)
{
    if (fails(context)) {
        return Q_EIO;
    }
    REQUIRE(offset == 0);
    *out_read = size < file->now.size ? size : file->now.size;
    memcpy(out, file->now.data, *out_read);
    return Q_OK;
}

static int disk_write(void *context, struct file *file, uint64_t offset, struct bytes bytes)
{
    struct disk *disk = context;
    const bool failed = fails(disk);
    REQUIRE(offset == 0 && bytes.size <= CONTENTS_MAX);
    /* A failing write leaves a part. */
    file->now.size = failed ? bytes.size / 2 : bytes.size;
    memcpy(file->now.data, bytes.data, file->now.size);
    return failed ? disk->failure : Q_OK;
}

static int disk_sync(void *context, struct file *file)
{
    struct disk *disk = context;
    if (fails(disk)) {
        return disk->failure;
    }
    file->synced = file->now;
    return Q_OK;
}

static int disk_rename(void *context, const char *from, const char *to)
{
    struct disk *disk = context;
    if (fails(disk)) {
        return disk->failure;
    }
    REQUIRE(disk->names[slot_of(from)] != NULL);
    disk->names[slot_of(to)] = disk->names[slot_of(from)];
    disk->names[slot_of(from)] = NULL;
    return Q_OK;
}

static int disk_remove(void *context, const char *path)
{
    struct disk *disk = context;
    if (fails(disk)) {
        return disk->failure;
    }
    struct file **name = &disk->names[slot_of(path)];
    const int result = *name == NULL ? Q_ENOTFOUND : Q_OK;
    *name = NULL;
    return result;
}

static int disk_sync_directory(void *context, const char *path)
{
    struct disk *disk = context;
    REQUIRE(path[0] == '\0');
    if (fails(disk)) {
        return disk->failure;
    }
    memcpy(disk->durable_names, disk->names, sizeof disk->names);
    return Q_OK;
}

static struct files files_of(struct disk *disk)
{
    return (struct files){.context = disk,
                          .open = disk_open,
                          .close = disk_close,
                          .size = disk_size,
                          .read = disk_read,
                          .write = disk_write,
                          .sync = disk_sync,
                          .rename = disk_rename,
                          .remove = disk_remove,
                          .sync_directory = disk_sync_directory};
}

/* Power is lost: unsynced bytes are gone; unsynced names are gone or not, as `names_survive`. */
static void disk_crash(struct disk *disk, bool names_survive)
{
    if (!names_survive) {
        memcpy(disk->names, disk->durable_names, sizeof disk->names);
    }
    for (size_t i = 0; i < disk->pool_used; i++) {
        disk->pool[i].now = disk->pool[i].synced;
    }
    memcpy(disk->durable_names, disk->names, sizeof disk->names);
    disk->fail_at = 0;
}

static struct identity sample(uint64_t incarnation, bool with_map)
{
    struct identity identity;
    memset(&identity, 0, sizeof identity);
    identity.nonce = 12;
    identity.incarnation = incarnation;
    REQUIRE(cluster_address_set(&identity.address, bytes_of_text("b:2")) == Q_OK);
    if (with_map) {
        const char *texts[] = {"a:1", "b:2", "c:3"};
        identity.map.version = 1;
        identity.map.list.count = 3;
        for (size_t i = 0; i < 3; i++) {
            REQUIRE(cluster_address_set(&identity.map.list.addresses[i], bytes_of_text(texts[i])) ==
                    Q_OK);
            identity.map.nonces[i] = 11 + i;
        }
        identity.map.cluster_id = cluster_map_id(&identity.map);
        identity.self = 2;
    }
    return identity;
}

static bool same(const struct identity *a, const struct identity *b)
{
    return a->nonce == b->nonce && a->incarnation == b->incarnation && a->self == b->self &&
           a->map.version == b->map.version && a->map.cluster_id == b->map.cluster_id &&
           strcmp(a->address.text, b->address.text) == 0 &&
           cluster_list_equal(&a->map.list, &b->map.list) &&
           memcmp(a->map.nonces, b->map.nonces, sizeof a->map.nonces) == 0;
}

static struct disk disk;

TEST(a_new_directory_has_no_identity)
{
    memset(&disk, 0, sizeof disk);
    struct files files = files_of(&disk);
    struct identity back;
    EXPECT(identity_load(&files, &back) == Q_ENOTFOUND);
}

TEST(an_identity_reads_back_as_stored_with_and_without_a_map)
{
    for (int with_map = 0; with_map < 2; with_map++) {
        memset(&disk, 0, sizeof disk);
        struct files files = files_of(&disk);
        const struct identity identity = sample(7, with_map == 1);
        struct identity back;
        EXPECT(identity_store(&files, &identity) == Q_OK);
        disk_crash(&disk, false);
        EXPECT(identity_load(&files, &back) == Q_OK);
        EXPECT(same(&back, &identity));
        EXPECT(disk.open_files == 0);
    }
}

TEST(the_largest_identity_fits)
{
    memset(&disk, 0, sizeof disk);
    struct files files = files_of(&disk);
    struct identity identity = sample(UINT64_MAX, false);
    identity.nonce = UINT64_MAX;
    identity.map.version = UINT64_MAX;
    identity.map.cluster_id = UINT64_MAX;
    identity.map.list.count = NODES_MAX;
    for (size_t i = 0; i < NODES_MAX; i++) {
        char text[CLUSTER_ADDRESS_SIZE_MAX];
        memset(text, 'a' + (int)i, 255);
        memcpy(text + 255, ":65535", 7);
        REQUIRE(cluster_address_set(&identity.map.list.addresses[i], bytes_of_text(text)) == Q_OK);
        identity.map.nonces[i] = UINT64_MAX;
    }
    identity.self = NODES_MAX;
    identity.address = identity.map.list.addresses[NODES_MAX - 1];
    struct identity back;
    EXPECT(identity_store(&files, &identity) == Q_OK);
    EXPECT(identity_load(&files, &back) == Q_OK);
    EXPECT(same(&back, &identity));
}

/* Every call of a store fails once, then the power goes: the file is the old or the new one. */
TEST(a_store_that_fails_anywhere_leaves_the_old_or_the_new_identity)
{
    unsigned failures = 0;
    for (unsigned round = 0;; round++) {
        const unsigned fail_at = 1 + round / 2;
        memset(&disk, 0, sizeof disk);
        struct files files = files_of(&disk);
        const struct identity before = sample(1, false);
        const struct identity after = sample(2, true);
        EXPECT(identity_store(&files, &before) == Q_OK);
        disk.calls = 0;
        disk.fail_at = fail_at;
        disk.failure = fail_at % 2 == 0 ? Q_EIO : Q_ENOSPC;
        const int result = identity_store(&files, &after);
        EXPECT(disk.open_files == 0);
        struct identity back;
        disk_crash(&disk, round % 2 == 0); /* Unsynced names may survive or not. */
        EXPECT(identity_load(&files, &back) == Q_OK);
        EXPECT(same(&back, &after) || (result != Q_OK && same(&back, &before)));
        if (result == Q_OK) {
            break;
        }
        EXPECT(result == disk.failure);
        failures++;
    }
    EXPECT(failures == 12); /* Twice: remove open write sync rename sync_directory. */
}

TEST(a_leftover_of_a_crash_does_not_stop_the_next_store)
{
    memset(&disk, 0, sizeof disk);
    struct files files = files_of(&disk);
    const struct identity first = sample(1, false);
    disk.fail_at = 5; /* The rename. */
    disk.failure = Q_EIO;
    EXPECT(identity_store(&files, &first) == Q_EIO);
    EXPECT(disk.names[1] != NULL);
    disk.fail_at = 0;
    EXPECT(identity_store(&files, &first) == Q_OK);
    struct identity back;
    EXPECT(identity_load(&files, &back) == Q_OK);
}

TEST(a_failing_read_is_an_error_and_never_a_new_directory)
{
    for (unsigned fail_at = 1; fail_at <= 3; fail_at++) {
        memset(&disk, 0, sizeof disk);
        struct files files = files_of(&disk);
        const struct identity identity = sample(1, true);
        EXPECT(identity_store(&files, &identity) == Q_OK);
        disk.calls = 0;
        disk.fail_at = fail_at;
        disk.failure = Q_EIO;
        struct identity back;
        EXPECT(identity_load(&files, &back) == Q_EIO);
        EXPECT(disk.open_files == 0);
    }
}

TEST(damage_of_any_byte_and_any_cut_is_corruption)
{
    memset(&disk, 0, sizeof disk);
    struct files files = files_of(&disk);
    const struct identity identity = sample(3, true);
    EXPECT(identity_store(&files, &identity) == Q_OK);
    struct contents *contents = &disk.names[0]->now;
    struct identity back;
    for (size_t i = 0; i < contents->size; i++) {
        contents->data[i] ^= 0x40;
        EXPECT(identity_load(&files, &back) == Q_ECORRUPT);
        contents->data[i] ^= 0x40;
    }
    const size_t size = contents->size;
    for (contents->size = 0; contents->size < size; contents->size++) {
        EXPECT(identity_load(&files, &back) == Q_ECORRUPT);
    }
    contents->size = size + 1;
    EXPECT(identity_load(&files, &back) == Q_ECORRUPT);
    contents->size = CONTENTS_MAX; /* Larger than any identity. */
    EXPECT(identity_load(&files, &back) == Q_ECORRUPT);
    contents->size = size;
    EXPECT(identity_load(&files, &back) == Q_OK && same(&back, &identity));
}

TEST_MAIN(CASE(a_new_directory_has_no_identity),
          CASE(an_identity_reads_back_as_stored_with_and_without_a_map),
          CASE(the_largest_identity_fits),
          CASE(a_store_that_fails_anywhere_leaves_the_old_or_the_new_identity),
          CASE(a_leftover_of_a_crash_does_not_stop_the_next_store),
          CASE(a_failing_read_is_an_error_and_never_a_new_directory),
          CASE(damage_of_any_byte_and_any_cut_is_corruption))
