#include "sim/disk_image.h"

#include "base/check.h"
#include "base/os/heap.h"

static void bytes_deinit(struct disk_bytes *bytes)
{
    heap_free(bytes->data);
    *bytes = (struct disk_bytes){0};
}

static void bytes_resize(struct disk_bytes *bytes, size_t size)
{
    if (size > bytes->capacity) {
        bytes->capacity = size < 4096 ? 4096 : size + size / 2;
        bytes->data = heap_realloc(bytes->data, bytes->capacity);
    }
    if (size > bytes->size) {
        memset(bytes->data + bytes->size, 0, size - bytes->size);
    }
    bytes->size = size;
}

static void bytes_put(struct disk_bytes *bytes, uint64_t offset, struct bytes in)
{
    if (in.size == 0) {
        return;
    }
    if (offset + in.size > bytes->size) {
        bytes_resize(bytes, (size_t)offset + in.size);
    }
    memcpy(bytes->data + offset, in.data, in.size);
}

static void forget_writes(struct disk_image *image)
{
    for (size_t i = 0; i < image->write_count; i++) {
        heap_free(image->writes[i].data);
    }
    image->write_count = 0;
}

static void forget_synced(struct disk_image *image, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        heap_free(image->synced[i].data);
        heap_free(image->synced[i].before);
    }
    image->synced_count -= count;
    memmove(image->synced, image->synced + count, image->synced_count * sizeof *image->synced);
}

void disk_image_deinit(struct disk_image *image)
{
    forget_writes(image);
    forget_synced(image, image->synced_count);
    heap_free(image->writes);
    bytes_deinit(&image->cached);
    bytes_deinit(&image->durable);
    *image = (struct disk_image){0};
}

static void remember(struct disk_image *image, struct disk_write write)
{
    if (image->write_count == image->write_capacity) {
        image->write_capacity = image->write_capacity == 0 ? 8 : image->write_capacity * 2;
        image->writes = heap_realloc(image->writes, image->write_capacity * sizeof *image->writes);
    }
    image->writes[image->write_count++] = write;
}

void disk_image_write(struct disk_image *image, uint64_t offset, struct bytes bytes)
{
    Q_CHECK(offset + bytes.size < (uint64_t)1 << 32);
    struct disk_write write = {.offset = offset, .size = bytes.size};
    write.data = heap_alloc_raw(bytes.size + 1);
    if (bytes.size > 0) {
        memcpy(write.data, bytes.data, bytes.size);
    }
    remember(image, write);
    bytes_put(&image->cached, offset, bytes);
}

void disk_image_truncate(struct disk_image *image, uint64_t size)
{
    Q_CHECK(size < (uint64_t)1 << 32);
    remember(image, (struct disk_write){.offset = size});
    bytes_resize(&image->cached, (size_t)size);
}

static void put_write(struct disk_bytes *out, const struct disk_write *write)
{
    if (write->data == NULL) {
        bytes_resize(out, (size_t)write->offset);
        return;
    }
    bytes_put(out, write->offset, bytes_of(write->data, write->size));
}

/* Keeps a write that is about to be put on the platter, with what it will cover. */
static void remember_synced(struct disk_image *image, const struct disk_write *write)
{
    if (write->data == NULL || write->size == 0 || write->data[0] == 0) {
        return;
    }
    if (image->synced_count == DISK_SYNCED_KEPT) {
        forget_synced(image, 1);
    }
    struct disk_synced *synced = &image->synced[image->synced_count++];
    *synced = (struct disk_synced){.offset = write->offset,
                                   .size = write->size,
                                   .data = heap_alloc_raw(write->size),
                                   .before = heap_alloc(write->size)};
    memcpy(synced->data, write->data, write->size);
    const struct disk_bytes *durable = &image->durable;
    if (write->offset < durable->size) {
        const size_t left = durable->size - (size_t)write->offset;
        memcpy(synced->before, durable->data + write->offset,
               left < write->size ? left : write->size);
    }
    image->data_end = write->offset + write->size;
}

void disk_image_sync(struct disk_image *image)
{
    for (size_t i = 0; i < image->write_count; i++) {
        remember_synced(image, &image->writes[i]);
        put_write(&image->durable, &image->writes[i]);
    }
    forget_writes(image);
}

static void show_durable(struct disk_image *image)
{
    bytes_resize(&image->cached, 0);
    bytes_put(&image->cached, 0, bytes_of(image->durable.data, image->durable.size));
}

void disk_image_sync_failed(struct disk_image *image, enum sync_failure failure)
{
    if (failure != SYNC_KEEPS) {
        forget_writes(image);
    }
    if (failure == SYNC_REVERTS) {
        show_durable(image);
    }
}

/* ---- copies and damage ---- */

void disk_image_copy(struct disk_image *out, const struct disk_image *image)
{
    *out = (struct disk_image){.data_end = image->data_end};
    bytes_put(&out->durable, 0, bytes_of(image->cached.data, image->cached.size));
    show_durable(out);
}

void disk_image_put(struct disk_image *image, uint64_t offset, struct bytes bytes)
{
    bytes_put(&image->durable, offset, bytes);
    show_durable(image);
}

void disk_image_cut(struct disk_image *image, uint64_t size)
{
    bytes_resize(&image->durable, (size_t)size);
    show_durable(image);
}

const struct disk_synced *disk_image_lose(struct disk_image *image, size_t back)
{
    if (back >= image->synced_count) {
        return NULL;
    }
    const struct disk_synced *lost = &image->synced[image->synced_count - 1 - back];
    for (const struct disk_synced *later = lost + 1; later < image->synced + image->synced_count;
         later++) {
        if (later->offset < lost->offset + lost->size &&
            lost->offset < later->offset + later->size) {
            return NULL;
        }
    }
    disk_image_put(image, lost->offset, bytes_of(lost->before, lost->size));
    return lost;
}

static bool is_zero(const struct disk_bytes *bytes, size_t from)
{
    for (size_t i = from; i < bytes->size; i++) {
        if (bytes->data[i] != 0) {
            return false;
        }
    }
    return true;
}

bool disk_image_is_clean(const struct disk_image *image)
{
    if (image->write_count == 0) {
        return true;
    }
    const struct disk_bytes *cached = &image->cached;
    const struct disk_bytes *durable = &image->durable;
    const size_t common = cached->size < durable->size ? cached->size : durable->size;
    return (common == 0 || memcmp(cached->data, durable->data, common) == 0) &&
           is_zero(cached, common) && is_zero(durable, common);
}

/* Any of its sectors may have reached the platter, the one at the tear only up to some byte. */
static void put_torn(struct disk_bytes *out, const struct disk_write *write, struct prng *prng)
{
    if (prng_chance(prng, 1, 2)) {
        const size_t size = (size_t)prng_below(prng, (uint64_t)write->size + 1);
        bytes_put(out, write->offset, bytes_of(write->data, size));
        return;
    }
    size_t at = 0;
    while (at < write->size) {
        const size_t in_sector = SECTOR_SIZE - (size_t)((write->offset + at) % SECTOR_SIZE);
        const size_t size = in_sector < write->size - at ? in_sector : write->size - at;
        if (prng_chance(prng, 1, 2)) {
            bytes_put(out, write->offset + at, bytes_of(write->data + at, size));
        }
        at += size;
    }
}

void disk_image_power_loss(struct disk_image *image, struct prng *prng)
{
    const size_t cached_size = image->cached.size;
    /* Drawn per crash: all kept, all lost and mixtures must each be common. */
    const uint64_t keep_of_8 = prng_below(prng, 9);
    for (size_t i = 0; i < image->write_count; i++) {
        const struct disk_write *write = &image->writes[i];
        if (prng_below(prng, 8) < keep_of_8) {
            put_write(&image->durable, write);
        } else if (write->data != NULL && prng_chance(prng, 1, 2)) {
            put_torn(&image->durable, write, prng);
        }
    }
    /* The new size may be on the platter without the bytes: they read as zeros. */
    if (image->write_count > 0 && cached_size > image->durable.size && prng_chance(prng, 1, 2)) {
        bytes_resize(&image->durable, cached_size);
    }
    forget_writes(image);
    show_durable(image);
}
