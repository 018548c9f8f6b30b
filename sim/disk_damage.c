/* Damage to a simulated disk that its process had been promised could not be. */
#include "base/check.h"
#include "base/os/heap.h"
#include "sim/disk_private.h"

#include <stdlib.h>

struct disk *disk_copy(const struct disk *disk)
{
    struct prng prng = disk->prng; /* What the disk draws next does not depend on copies of it. */
    struct disk *copy = disk_new(prng_next(&prng));
    for (size_t i = 0; i < disk->seen.count; i++) {
        const struct name *name = &disk->seen.items[i];
        struct inode *inode = disk_inode_new(copy);
        inode->is_directory = name->inode->is_directory;
        disk_image_copy(&inode->image, &name->inode->image);
        disk_names_put(&copy->seen, name->path, inode);
        disk_names_put(&copy->durable, name->path, inode);
    }
    copy->is_down = true;
    return copy;
}

static int compare_paths(const void *a, const void *b)
{
    return strcmp(a, b);
}

void disk_visit(const struct disk *disk, void (*visit)(void *, const char *path), void *context)
{
    char(*paths)[PATH_SIZE_MAX] = heap_alloc((disk->seen.count + 1) * sizeof *paths);
    size_t count = 0;
    for (size_t i = 0; i < disk->seen.count; i++) {
        const struct name *name = &disk->seen.items[i];
        if (!name->inode->is_directory && strstr(name->path, "/spare-") == NULL) {
            memcpy(paths[count++], name->path, PATH_SIZE_MAX);
        }
    }
    qsort(paths, count, sizeof *paths, compare_paths);
    for (size_t i = 0; i < count; i++) {
        visit(context, paths[i]);
    }
    heap_free(paths);
}

static struct disk_image *image_of(const struct disk *disk, const char *path)
{
    const struct name *name = disk_names_find(&disk->seen, path);
    Q_CHECK(name != NULL);
    return &name->inode->image;
}

uint64_t disk_file_size(const struct disk *disk, const char *path)
{
    return image_of(disk, path)->durable.size;
}

bool disk_rot(struct disk *disk, const char *path, struct prng *prng)
{
    struct disk_image *image = image_of(disk, path);
    const uint64_t size = image->durable.size;
    const uint64_t end = image->data_end > 0 && image->data_end < size ? image->data_end : size;
    if (end == 0) {
        return false;
    }
    const uint64_t bit = prng_below(prng, end * 8);
    const uint8_t flipped = image->durable.data[bit / 8] ^ (uint8_t)(1U << (bit % 8));
    disk_image_put(image, bit / 8, bytes_of(&flipped, 1));
    return true;
}

bool disk_lose_write(struct disk *disk, const char *path, size_t back)
{
    return disk_image_lose(image_of(disk, path), back) != NULL;
}

/* Another file that is long enough to hold the place; NULL when there is none. */
static struct disk_image *other_image(const struct disk *disk,
                                      const struct disk_image *image,
                                      uint64_t offset,
                                      struct prng *prng)
{
    struct disk_image *chosen = NULL;
    uint64_t count = 0;
    for (size_t i = 0; i < disk->seen.count; i++) {
        struct inode *inode = disk->seen.items[i].inode;
        if (inode->is_directory || &inode->image == image || inode->image.durable.size <= offset) {
            continue;
        }
        if (prng_below(prng, ++count) == 0) {
            chosen = &inode->image;
        }
    }
    return chosen;
}

bool disk_misdirect_write(struct disk *disk, const char *path, size_t back, struct prng *prng)
{
    struct disk_image *image = image_of(disk, path);
    const struct disk_synced *lost = disk_image_lose(image, back);
    if (lost == NULL) {
        return false;
    }
    const struct bytes bytes = bytes_of(lost->data, lost->size);
    struct disk_image *other = other_image(disk, image, lost->offset, prng);
    uint64_t offset = lost->offset;
    if (other == NULL || prng_chance(prng, 1, 2)) {
        /* Where another write began, or in any sector. */
        other = image;
        const struct disk_synced *place = &image->synced[prng_below(prng, image->synced_count)];
        offset = prng_chance(prng, 1, 2)
                     ? place->offset
                     : prng_below(prng, image->durable.size / SECTOR_SIZE + 1) * SECTOR_SIZE;
    }
    if (other != image || offset != lost->offset) {
        disk_image_put(other, offset, bytes);
    }
    return true;
}

void disk_cut(struct disk *disk, const char *path, uint64_t size)
{
    disk_image_cut(image_of(disk, path), size);
}

void disk_delete(struct disk *disk, const char *path)
{
    Q_CHECK(disk->open_count == 0 && disk->change_count == 0);
    size_t at = 0;
    while (at < disk->seen.count) {
        char found[PATH_SIZE_MAX];
        memcpy(found, disk->seen.items[at].path, sizeof found);
        if (strcmp(found, path) == 0 || disk_path_is_in(found, path)) {
            disk_names_remove(&disk->seen, found);
            disk_names_remove(&disk->durable, found);
        } else {
            at++;
        }
    }
    disk_collect(disk);
}
