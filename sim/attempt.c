#include "sim/attempt.h"

#include "base/check.h"
#include "base/os/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define ATTEMPTS_MAX    64
#define ERRORS_SIZE_MAX 65536

struct child {
    pid_t pid;
    int results; /* We read. */
    int errors;  /* What it writes to stderr: a file without a name. */
};

static bool write_all(int fd, const void *data, size_t size)
{
    const uint8_t *at = data;
    while (size > 0) {
        const ssize_t count = write(fd, at, size);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count <= 0) {
            return false;
        }
        at += count;
        size -= (size_t)count;
    }
    return true;
}

static _Noreturn void run_child(const struct sim_options *options, int results, int errors)
{
    struct world_result result;
    if (dup2(errors, STDERR_FILENO) < 0) {
        _exit(1);
    }
    world_run(options, &result);
    _exit(write_all(results, &result, sizeof result) ? 0 : 1);
}

static void start(const struct sim_options *options, struct child *child)
{
    int pipe_fds[2];
    Q_CHECK(pipe2(pipe_fds, O_CLOEXEC) == 0);
    child->errors = memfd_create("stderr", MFD_CLOEXEC);
    Q_CHECK(child->errors >= 0);
    (void)fflush(stdout);
    child->pid = fork();
    Q_CHECK(child->pid >= 0);
    if (child->pid == 0) {
        (void)close(pipe_fds[0]);
        run_child(options, pipe_fds[1], child->errors);
    }
    (void)close(pipe_fds[1]);
    child->results = pipe_fds[0];
}

/* Reads until all is there, the other end is closed, or the time has come. */
static size_t read_until(int fd, void *data, size_t size, uint64_t deadline_ms, bool *out_late)
{
    uint8_t *at = data;
    size_t have = 0;
    *out_late = false;
    while (have < size) {
        const uint64_t now_ms = clock_monotonic_ms();
        const uint64_t left_ms = now_ms < deadline_ms ? deadline_ms - now_ms : 0;
        struct pollfd one = {.fd = fd, .events = POLLIN};
        const int ready = poll(&one, 1, left_ms < 60000 ? (int)left_ms : 60000);
        if (ready == 0 && left_ms == 0) {
            *out_late = true;
            return have;
        }
        if (ready <= 0) {
            continue;
        }
        const ssize_t count = read(fd, at + have, size - have);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count <= 0) {
            return have;
        }
        have += (size_t)count;
    }
    return have;
}

static void reap(const struct child *child)
{
    (void)kill(child->pid, SIGKILL); /* It has said all it had to say. */
    while (waitpid(child->pid, NULL, 0) < 0 && errno == EINTR) {
    }
}

/* The rest of the line behind the first `mark`. */
static bool find_behind(const char *text, const char *mark, char out[ATTEMPT_PLACE_SIZE])
{
    const char *found = strstr(text, mark);
    if (found == NULL) {
        return false;
    }
    found += strlen(mark);
    const size_t size = strcspn(found, "\n");
    (void)snprintf(out, ATTEMPT_PLACE_SIZE, "%.*s", (int)size, found);
    return true;
}

/* What the process died of, as it said itself. */
static void find_place(int errors, char out[ATTEMPT_PLACE_SIZE])
{
    char text[ERRORS_SIZE_MAX];
    const ssize_t size = pread(errors, text, sizeof text - 1, 0);
    text[size < 0 ? 0 : size] = '\0';
    if (!find_behind(text, "check failed at ", out) && !find_behind(text, "SUMMARY: ", out) &&
        !find_behind(text, "runtime error: ", out)) {
        out[0] = '\0';
    }
}

static void collect(struct child *child, uint64_t deadline_ms, struct attempt *out)
{
    *out = (struct attempt){.timed_out = false};
    const size_t size =
        read_until(child->results, &out->result, sizeof out->result, deadline_ms, &out->timed_out);
    reap(child);
    if (size < sizeof out->result) {
        out->result = (struct world_result){.seed = 0};
        if (!out->timed_out) {
            find_place(child->errors, out->place);
            violation_report(&out->result.violation, "assertion", "the process died: %s",
                             out->place);
        }
    }
    (void)close(child->results);
    (void)close(child->errors);
}

bool attempt_is_alike(const struct attempt *a, const struct attempt *b)
{
    return a->result.violation.found && b->result.violation.found &&
           strcmp(a->result.violation.checker, b->result.violation.checker) == 0 &&
           strcmp(a->place, b->place) == 0;
}

void attempt_run(const struct sim_options *options,
                 size_t count,
                 uint64_t limit_ms,
                 struct attempt *out)
{
    struct child children[ATTEMPTS_MAX];
    Q_CHECK(count <= ATTEMPTS_MAX);
    const uint64_t deadline_ms = clock_monotonic_ms() + limit_ms;
    for (size_t i = 0; i < count; i++) {
        start(&options[i], &children[i]);
    }
    for (size_t i = 0; i < count; i++) {
        collect(&children[i], deadline_ms, &out[i]);
        out[i].result.seed = options[i].seed;
    }
}

/* ---- the trace ---- */

/* Drops lines from the front until `lines` are left. */
static void keep_last(struct buf *text, size_t lines)
{
    const struct bytes all = buf_bytes(text);
    size_t at = all.size;
    size_t seen = 0;
    while (at > 0) {
        seen += all.data[at - 1] == '\n';
        if (seen > lines) {
            break;
        }
        at--;
    }
    buf_trim(text, at);
}

void attempt_trace(const struct sim_options *options, size_t lines, struct buf *out)
{
    int pipe_fds[2];
    const size_t keep_size = lines * 512 + 65536;
    Q_CHECK(pipe2(pipe_fds, O_CLOEXEC) == 0);
    (void)fflush(stdout);
    const pid_t pid = fork();
    Q_CHECK(pid >= 0);
    if (pid == 0) {
        struct sim_options verbose = *options;
        struct world_result result;
        verbose.verbose = true;
        const int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
        if (dup2(pipe_fds[1], STDOUT_FILENO) < 0 || dup2(nowhere, STDERR_FILENO) < 0) {
            _exit(1);
        }
        world_run(&verbose, &result);
        (void)fflush(stdout);
        _exit(0);
    }
    (void)close(pipe_fds[1]);
    for (;;) {
        const ssize_t count = read(pipe_fds[0], buf_reserve(out, 65536), 65536);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count <= 0) {
            break;
        }
        buf_added(out, (size_t)count);
        if (buf_size(out) > 2 * keep_size) {
            buf_trim(out, buf_size(out) - keep_size);
        }
    }
    (void)close(pipe_fds[0]);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
    }
    keep_last(out, lines);
}
