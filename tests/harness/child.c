#include "harness/child.h"

#include "harness/temporary_directory.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

static void read_all(int fd, struct buf *out)
{
    struct stat status;
    REQUIRE(fstat(fd, &status) == 0);
    const size_t size = (size_t)status.st_size;
    REQUIRE(pread(fd, buf_reserve(out, size + 1), size, 0) == (ssize_t)size);
    buf_added(out, size);
}

void child_run(int (*work)(void *context, int out_fd),
               void *context,
               unsigned limit_s,
               struct child_result *out_result)
{
    const int errors = memfd_create("errors", 0);
    const int out = memfd_create("out", 0);
    REQUIRE(errors >= 0 && out >= 0);
    (void)fflush(stdout);
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        (void)alarm(limit_s);
        if (dup2(errors, STDERR_FILENO) < 0) {
            _exit(255);
        }
        _exit(work(context, out));
    }
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    *out_result = (struct child_result){.code = -1};
    if (WIFEXITED(status)) {
        out_result->code = WEXITSTATUS(status);
    } else {
        out_result->signal = WTERMSIG(status);
    }
    struct buf text = {0};
    read_all(errors, &text);
    (void)snprintf(out_result->errors, sizeof out_result->errors, "%.*s", (int)buf_size(&text),
                   (const char *)buf_bytes(&text).data);
    buf_deinit(&text);
    read_all(out, &out_result->out);
    (void)close(errors);
    (void)close(out);
}

void child_result_deinit(struct child_result *result)
{
    buf_deinit(&result->out);
}

/* nftw takes no context. */
static const char *walk_from;
static const char *walk_to;

static int remove_below(const char *path, const struct stat *status, int flag, struct FTW *ftw)
{
    (void)status;
    (void)flag;
    return ftw->level == 0 ? 0 : remove(path);
}

void directory_clear(const char *path)
{
    REQUIRE(nftw(path, remove_below, 16, FTW_DEPTH | FTW_PHYS) == 0);
}

static void copy_file(const char *from, const char *to)
{
    const int in = open(from, O_RDONLY | O_CLOEXEC);
    const int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    REQUIRE(in >= 0 && out >= 0);
    static uint8_t block[65536];
    ssize_t got = read(in, block, sizeof block);
    while (got > 0) {
        REQUIRE(write(out, block, (size_t)got) == got);
        got = read(in, block, sizeof block);
    }
    REQUIRE(got == 0 && close(in) == 0 && close(out) == 0);
}

static int copy_one(const char *path, const struct stat *status, int flag, struct FTW *ftw)
{
    (void)status;
    char to[512];
    (void)snprintf(to, sizeof to, "%s%s", walk_to, path + strlen(walk_from));
    if (flag == FTW_F) {
        copy_file(path, to);
    } else if (ftw->level > 0) {
        REQUIRE(flag == FTW_D && mkdir(to, 0700) == 0);
    }
    return 0;
}

void directory_copy(const char *from, const char *to)
{
    walk_from = from;
    walk_to = to;
    REQUIRE(nftw(from, copy_one, 16, FTW_PHYS) == 0);
}
