/* One file of the simulated disk: its page cache, its durable image and the writes in between. */
#ifndef Q_SIM_DISK_IMAGE_H
#define Q_SIM_DISK_IMAGE_H

#include "base/bytes.h"
#include "base/prng.h"
#include "sim/disk.h"

#define SECTOR_SIZE 512

struct disk_write {
    uint64_t offset; /* Of a truncation: the new size. */
    uint8_t *data;   /* Owned; NULL for a truncation. */
    size_t size;
};

struct disk_bytes {
    uint8_t *data; /* Owned. */
    size_t size;
    size_t capacity;
};

#define DISK_SYNCED_KEPT 6

/* A write of data (not of zeros) that was synced, and what was there before. */
struct disk_synced {
    uint64_t offset;
    size_t size;
    uint8_t *data;   /* Owned, as is `before`. */
    uint8_t *before; /* `size` bytes, zeros beyond the end of then. */
};

struct disk_image {
    struct disk_bytes cached;
    struct disk_bytes durable;
    struct disk_write *writes; /* Owned; in order. */
    size_t write_count;
    size_t write_capacity;
    struct disk_synced synced[DISK_SYNCED_KEPT]; /* Newest last. */
    size_t synced_count;
    uint64_t data_end; /* Where the last of them ends. */
};

void disk_image_deinit(struct disk_image *image);
void disk_image_write(struct disk_image *image, uint64_t offset, struct bytes bytes);
void disk_image_truncate(struct disk_image *image, uint64_t size);
void disk_image_sync(struct disk_image *image);
void disk_image_sync_failed(struct disk_image *image, enum sync_failure failure);
/* `out` holds what `image` shows, all of it durable. */
void disk_image_copy(struct disk_image *out, const struct disk_image *image);
/* Takes a synced write back, `back` from the newest, in cache and durable image. NULL when there is
 * none or a later one has touched that place. Borrowed until the next sync. */
const struct disk_synced *disk_image_lose(struct disk_image *image, size_t back);
/* Changes both cache and durable image. */
void disk_image_put(struct disk_image *image, uint64_t offset, struct bytes bytes);
void disk_image_cut(struct disk_image *image, uint64_t size);
/* The cache and the durable image hold the same bytes, but for zeros at the end of one of them. */
bool disk_image_is_clean(const struct disk_image *image);
/* The power fails: each unsynced write is kept, lost or torn; the cache is then what is left. */
void disk_image_power_loss(struct disk_image *image, struct prng *prng);

#endif
