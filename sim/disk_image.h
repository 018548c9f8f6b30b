/* One file of the simulated disk: its page cache, its durable image and the writes in between. */
#ifndef Q_SIM_DISK_IMAGE_H
#define Q_SIM_DISK_IMAGE_H

#include "base/bytes.h"
#include "base/prng.h"

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

struct disk_image {
    struct disk_bytes cached;
    struct disk_bytes durable;
    struct disk_write *writes; /* Owned; in order. */
    size_t write_count;
    size_t write_capacity;
    uint64_t newest_at; /* Where the last synced write of data (not of zeros) began. */
};

void disk_image_deinit(struct disk_image *image);
void disk_image_write(struct disk_image *image, uint64_t offset, struct bytes bytes);
void disk_image_truncate(struct disk_image *image, uint64_t size);
void disk_image_sync(struct disk_image *image);
/* A failed sync: the writes are forgotten, reads still see them. */
void disk_image_sync_failed(struct disk_image *image);
/* The cache and the durable image hold the same bytes, but for zeros at the end of one of them. */
bool disk_image_is_clean(const struct disk_image *image);
/* The power fails: each unsynced write is kept, lost or torn; the cache is then what is left. */
void disk_image_power_loss(struct disk_image *image, struct prng *prng);

#endif
