#include "base/check.h"
#include "base/err.h"
#include "base/os/heap.h"
#include "store/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h> /* renameat */
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct file {
    int fd;
};

struct os_files {
    struct files files; /* First, so that a struct files is a struct os_files. */
    int directory_fd;
};

struct names {
    char **items; /* Owned, each item too. */
    size_t count;
    size_t capacity;
};

static int err_of_errno(void)
{
    switch (errno) {
    case ENOSPC:
    case EDQUOT: return Q_ENOSPC;
    case ENOENT: return Q_ENOTFOUND;
    case EEXIST: return Q_EEXIST;
    default: return Q_EIO;
    }
}

/* Paths come from the program, never from a user: an escape from the data directory is our bug. */
static void check_path(const char *path)
{
    Q_CHECK(path[0] != '/');
    const char *part = path;
    while (part != NULL) {
        Q_CHECK(!(part[0] == '.' && part[1] == '.' && (part[2] == '/' || part[2] == '\0')));
        part = strchr(part, '/');
        part = part == NULL ? NULL : part + 1;
    }
}

static int directory_fd(void *context)
{
    return ((const struct os_files *)context)->directory_fd;
}

static int os_open(void *context, const char *path, bool create, struct file **out_file)
{
    check_path(path);
    const int flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | (create ? O_CREAT | O_EXCL : 0);
    const int fd = openat(directory_fd(context), path, flags, 0600);
    if (fd < 0) {
        return err_of_errno();
    }
    struct file *file = heap_alloc(sizeof *file);
    file->fd = fd;
    *out_file = file;
    return Q_OK;
}

static void os_close(void *context, struct file *file)
{
    (void)context;
    if (file != NULL) {
        /* What had to be durable was synced before, so there is nothing to do about an error. */
        (void)close(file->fd);
        heap_free(file);
    }
}

static int os_size(void *context, struct file *file, uint64_t *out_size)
{
    (void)context;
    struct stat status;
    if (fstat(file->fd, &status) != 0) {
        return err_of_errno();
    }
    *out_size = (uint64_t)status.st_size;
    return Q_OK;
}

static int os_read(
    void *context, struct file *file, uint64_t offset, void *out, size_t size, size_t *out_read)
{
    (void)context;
    size_t done = 0;
    while (done < size) {
        const ssize_t got =
            pread(file->fd, (uint8_t *)out + done, size - done, (off_t)(offset + done));
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return err_of_errno();
        }
        if (got == 0) {
            break;
        }
        done += (size_t)got;
    }
    *out_read = done;
    return Q_OK;
}

static int os_write(void *context, struct file *file, uint64_t offset, struct bytes bytes)
{
    (void)context;
    size_t done = 0;
    while (done < bytes.size) {
        const ssize_t put =
            pwrite(file->fd, bytes.data + done, bytes.size - done, (off_t)(offset + done));
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put < 0) {
            return err_of_errno();
        }
        if (put == 0) {
            return Q_EIO;
        }
        done += (size_t)put;
    }
    return Q_OK;
}

static int os_sync(void *context, struct file *file)
{
    (void)context;
    return fdatasync(file->fd) == 0 ? Q_OK : err_of_errno();
}

static int os_truncate(void *context, struct file *file, uint64_t size)
{
    (void)context;
    return ftruncate(file->fd, (off_t)size) == 0 ? Q_OK : err_of_errno();
}

static int os_rename(void *context, const char *from, const char *to)
{
    check_path(from);
    check_path(to);
    const int at = directory_fd(context);
    return renameat(at, from, at, to) == 0 ? Q_OK : err_of_errno();
}

static int os_remove(void *context, const char *path)
{
    check_path(path);
    return unlinkat(directory_fd(context), path, 0) == 0 ? Q_OK : err_of_errno();
}

/* The number of an open descriptor of a directory, or -1 with errno. */
static int open_directory(void *context, const char *path)
{
    check_path(path);
    const char *name = path[0] == '\0' ? "." : path;
    return openat(directory_fd(context), name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int os_make_directory(void *context, const char *path)
{
    check_path(path);
    if (mkdirat(directory_fd(context), path, 0700) == 0) {
        return Q_OK;
    }
    if (errno != EEXIST) {
        return err_of_errno();
    }
    const int fd = open_directory(context, path);
    if (fd < 0) {
        return Q_EIO; /* There is something of that name, and it is no directory. */
    }
    (void)close(fd);
    return Q_OK;
}

static int os_sync_directory(void *context, const char *path)
{
    const int fd = open_directory(context, path);
    if (fd < 0) {
        return err_of_errno();
    }
    const int result = fsync(fd) == 0 ? Q_OK : err_of_errno();
    (void)close(fd);
    return result;
}

static void names_add(struct names *names, const char *name)
{
    if (names->count == names->capacity) {
        names->capacity = names->capacity == 0 ? 16 : names->capacity * 2;
        names->items = heap_realloc(names->items, names->capacity * sizeof *names->items);
    }
    const size_t size = strlen(name) + 1;
    char *copy = heap_alloc_raw(size);
    memcpy(copy, name, size);
    names->items[names->count++] = copy;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Adds the names of regular files. */
static int read_names(DIR *directory, struct names *names)
{
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(directory);
        if (entry == NULL) {
            return errno == 0 ? Q_OK : err_of_errno();
        }
        struct stat status;
        if (fstatat(dirfd(directory), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0) {
            return err_of_errno();
        }
        if (S_ISREG(status.st_mode)) {
            names_add(names, entry->d_name);
        }
    }
}

static int os_list(void *context,
                   const char *directory,
                   void (*visit)(void *, const char *name),
                   void *visit_context)
{
    const int fd = open_directory(context, directory);
    if (fd < 0) {
        return err_of_errno();
    }
    DIR *stream = fdopendir(fd);
    if (stream == NULL) {
        const int err = err_of_errno();
        (void)close(fd);
        return err;
    }
    struct names names = {0};
    const int result = read_names(stream, &names);
    (void)closedir(stream);
    if (result == Q_OK && names.count > 0) {
        qsort(names.items, names.count, sizeof *names.items, compare_names);
    }
    for (size_t i = 0; i < names.count; i++) {
        if (result == Q_OK) {
            visit(visit_context, names.items[i]);
        }
        heap_free(names.items[i]);
    }
    heap_free(names.items);
    return result;
}

struct files *os_files_new(const char *directory)
{
    const int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return NULL;
    }
    struct os_files *os = heap_alloc(sizeof *os);
    os->directory_fd = fd;
    os->files = (struct files){
        .context = os,
        .open = os_open,
        .close = os_close,
        .size = os_size,
        .read = os_read,
        .write = os_write,
        .sync = os_sync,
        .truncate = os_truncate,
        .rename = os_rename,
        .remove = os_remove,
        .make_directory = os_make_directory,
        .sync_directory = os_sync_directory,
        .list = os_list,
    };
    return &os->files;
}

void os_files_free(struct files *files)
{
    if (files != NULL) {
        struct os_files *os = files->context;
        (void)close(os->directory_fd);
        heap_free(os);
    }
}
