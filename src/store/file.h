/* The few file operations the store needs, as a table that the simulator replaces.
 *
 * Paths are relative to the data directory the table was made for. Every function returns Q_OK or
 * Q_EIO, Q_ENOSPC, Q_ENOTFOUND, Q_EEXIST; none retries anything: a failed sync in particular must
 * never be retried (the kernel has already dropped the dirty pages; fsync failures, ATC'20).
 * Calls may come from any thread, but never two at once on one file.
 */
#ifndef Q_STORE_FILE_H
#define Q_STORE_FILE_H

#include "base/bytes.h"

struct file; /* An open file; its contents are the implementation's. */

struct files {
    void *context;
    /* Opens for reading and writing; `create` makes it (Q_EEXIST when it is there already). */
    int (*open)(void *context, const char *path, bool create, struct file **out_file);
    void (*close)(void *context, struct file *file);
    int (*size)(void *context, struct file *file, uint64_t *out_size);
    /* Reads up to `size` bytes; fewer only at the end of the file. */
    int (*read)(void *context,
                struct file *file,
                uint64_t offset,
                void *out,
                size_t size,
                size_t *out_read);
    /* Writes all bytes or fails (then any part may have been written). */
    int (*write)(void *context, struct file *file, uint64_t offset, struct bytes bytes);
    /* fdatasync. */
    int (*sync)(void *context, struct file *file);
    int (*truncate)(void *context, struct file *file, uint64_t size);
    int (*rename)(void *context, const char *from, const char *to);
    int (*remove)(void *context, const char *path);
    int (*make_directory)(void *context, const char *path); /* Q_OK when it is there already. */
    /* fsync of a directory ("" = the data directory): renames and creations in it are durable. */
    int (*sync_directory)(void *context, const char *path);
    /* Calls `visit` for each regular file in a directory, sorted by name. */
    int (*list)(void *context,
                const char *directory,
                void (*visit)(void *, const char *name),
                void *visit_context);
};

/* The real thing, below `directory` (absolute), which must be there already: NULL when it cannot be
 * opened (errno says why). Files are made 0600, directories 0700. The caller owns it:
 * os_files_free, after closing every file. */
struct files *os_files_new(const char *directory);
void os_files_free(struct files *files);

#endif
