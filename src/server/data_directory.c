#include "server/data_directory.h"

#include "base/err.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define LOCK_NAME      "LOCK"
#define VERSION_NAME   "VERSION"
#define VERSION_NEW    "VERSION.new" /* Until it is whole. */
#define VERSION_FORMAT "quorate-data %d\n"

static int error_of_errno(int number)
{
    return number == ENOSPC || number == EDQUOT ? Q_ENOSPC : Q_EIO;
}

static int fail(const char *what, const char *path, char *error, size_t size)
{
    const int number = errno;
    (void)snprintf(error, size, "cannot %s %s: %s", what, path, strerror(number));
    return error_of_errno(number);
}

/* mkdir -p; only the last one is ours to protect. */
static int make_directories(const char *path, char *error, size_t size)
{
    char part[PATH_MAX];
    if (strlen(path) >= sizeof part) {
        (void)snprintf(error, size, "data directory: the path is too long");
        return Q_EINVAL;
    }
    (void)snprintf(part, sizeof part, "%s", path);
    for (char *slash = strchr(part + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(part, 0755) != 0 && errno != EEXIST) {
            return fail("make directory", part, error, size);
        }
        *slash = '/';
    }
    if (mkdir(path, 0700) != 0 && errno != EEXIST) {
        return fail("make data directory", path, error, size);
    }
    struct stat status;
    if (stat(path, &status) != 0) {
        return fail("look at data directory", path, error, size);
    }
    if (!S_ISDIR(status.st_mode)) {
        (void)snprintf(error, size, "data directory %s is not a directory", path);
        return Q_EINVAL;
    }
    /* Somebody made it wider (a mount point, say); what we put in is nobody else's business. */
    if ((status.st_mode & 077) != 0 && chmod(path, 0700) != 0) {
        return fail("set mode 0700 of data directory", path, error, size);
    }
    return Q_OK;
}

static void name_holder(int fd, const char *path, char *error, size_t size)
{
    char holder[32] = "";
    const ssize_t length = pread(fd, holder, sizeof holder - 1, 0);
    holder[length > 0 ? strcspn(holder, "\n") : 0] = '\0';
    (void)snprintf(error, size, "data directory %s is in use by process %s; a node needs its own",
                   path, holder[0] != '\0' ? holder : "(unknown)");
}

static int take_lock(int directory_fd, const char *path, int *out_fd, char *error, size_t size)
{
    const int fd = openat(directory_fd, LOCK_NAME, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        return fail("write into data directory", path, error, size);
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        int result = Q_ELOCKED;
        if (errno == EWOULDBLOCK) {
            name_holder(fd, path, error, size);
        } else {
            result = fail("lock data directory", path, error, size);
        }
        (void)close(fd);
        return result;
    }
    char holder[32];
    const int length = snprintf(holder, sizeof holder, "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) != 0 || pwrite(fd, holder, (size_t)length, 0) != length) {
        const int result = fail("write into data directory", path, error, size);
        (void)close(fd);
        return result;
    }
    *out_fd = fd;
    return Q_OK;
}

/* Anything there besides what a fresh file system or we ourselves put there? */
static bool has_data(const char *path)
{
    DIR *directory = opendir(path);
    if (directory == NULL) {
        return false;
    }
    bool found = false;
    const char *harmless[] = {".", "..", LOCK_NAME, VERSION_NEW, "lost+found"};
    for (const struct dirent *entry = readdir(directory); entry != NULL && !found;
         entry = readdir(directory)) {
        found = true;
        for (size_t i = 0; i < sizeof harmless / sizeof harmless[0]; i++) {
            found = found && strcmp(entry->d_name, harmless[i]) != 0;
        }
    }
    (void)closedir(directory);
    return found;
}

static int write_version(int directory_fd, const char *path, char *error, size_t size)
{
    char text[32];
    const int length = snprintf(text, sizeof text, VERSION_FORMAT, DATA_DIRECTORY_VERSION);
    const int fd =
        openat(directory_fd, VERSION_NEW, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        return fail("write into data directory", path, error, size);
    }
    const bool is_written = write(fd, text, (size_t)length) == length && fsync(fd) == 0;
    const int number = errno;
    (void)close(fd);
    errno = number;
    if (!is_written || renameat(directory_fd, VERSION_NEW, directory_fd, VERSION_NAME) != 0 ||
        fsync(directory_fd) != 0) {
        return fail("write into data directory", path, error, size);
    }
    return Q_OK;
}

static int check_version(int directory_fd, const char *path, char *error, size_t size)
{
    const int fd = openat(directory_fd, VERSION_NAME, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno != ENOENT) {
        return fail("read VERSION in data directory", path, error, size);
    }
    if (fd < 0 && has_data(path)) {
        (void)snprintf(error, size,
                       "%s holds files but no VERSION: it is not a data directory of Quorate, or "
                       "not a whole one; give an empty directory",
                       path);
        return Q_EINVAL;
    }
    if (fd < 0) {
        return write_version(directory_fd, path, error, size);
    }
    char text[32] = "";
    char expected[32];
    const ssize_t length = read(fd, text, sizeof text - 1);
    (void)close(fd);
    (void)snprintf(expected, sizeof expected, VERSION_FORMAT, DATA_DIRECTORY_VERSION);
    if (length > 0 && strcmp(text, expected) == 0) {
        return Q_OK;
    }
    text[strcspn(text, "\n")] = '\0';
    (void)snprintf(
        error, size,
        "data directory %s has format version '%s', this program reads 'quorate-data %d'", path,
        text, DATA_DIRECTORY_VERSION);
    return Q_EINVAL;
}

int data_directory_open(const char *path,
                        struct data_directory *out_directory,
                        char *error,
                        size_t error_size)
{
    int result = make_directories(path, error, error_size);
    if (result != Q_OK) {
        return result;
    }
    const int directory_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory_fd < 0) {
        return fail("open data directory", path, error, error_size);
    }
    int lock_fd = -1;
    result = take_lock(directory_fd, path, &lock_fd, error, error_size);
    if (result == Q_OK) {
        result = check_version(directory_fd, path, error, error_size);
    }
    (void)close(directory_fd);
    if (result != Q_OK) {
        if (lock_fd >= 0) {
            (void)close(lock_fd);
        }
        return result;
    }
    out_directory->lock_fd = lock_fd;
    return Q_OK;
}

bool data_directory_has_space(const char *path)
{
    struct statvfs status;
    if (statvfs(path, &status) != 0) {
        return true;
    }
    return (uint64_t)status.f_bavail * status.f_frsize >= DATA_DIRECTORY_SPACE_MIN;
}

void data_directory_close(struct data_directory *directory)
{
    (void)close(directory->lock_fd);
    directory->lock_fd = -1;
}
