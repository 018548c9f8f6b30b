#include "server/dev_child.h"

#include "base/err.h"
#include "base/os/clock.h"
#include "cli/http_client.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define DELAY_FIRST_MS 100
#define DELAY_MAX_MS   5000
#define YOUNG_MS       1000 /* A child that dies sooner will likely die again. */
#define READY_WAIT_MS  500
#define FLAGS_MAX      128

static bool fail(const char *what, const char *path, char *error, size_t size)
{
    (void)snprintf(error, size, "cannot %s %s: %s", what, path, strerror(errno));
    return false;
}

bool dev_child_prepare(struct dev_child *child, char *error, size_t error_size)
{
    child->delay_ms = DELAY_FIRST_MS;
    if (mkdir(child->directory, 0700) != 0 && errno != EEXIST) {
        return fail("make directory", child->directory, error, error_size);
    }
    return true;
}

static void path_in(const struct dev_child *child, const char *name, char out[PATH_MAX])
{
    (void)snprintf(out, PATH_MAX, "%.*s/%s", PATH_MAX - 32, child->directory, name);
}

/* Whoever reads the pid file must never see half of it. */
static bool write_pid(const struct dev_child *child)
{
    char path[PATH_MAX];
    char fresh[PATH_MAX];
    path_in(child, "pid", path);
    path_in(child, "pid.new", fresh);
    FILE *file = fopen(fresh, "we");
    if (file == NULL) {
        return false;
    }
    const bool is_written = fprintf(file, "%ld\n", (long)child->pid) > 0;
    return fclose(file) == 0 && is_written && rename(fresh, path) == 0;
}

/* In the child, between fork and exec: only async-signal-safe calls. `fds`: input, and where the
 * log goes. */
static _Noreturn void become(const char *path, char *const *words, const int fds[2], pid_t parent)
{
    /* Ctrl-C goes to the supervisor alone, which then stops us in its own way. */
    (void)setpgid(0, 0);
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent) {
        _exit(1); /* It died before the line above. */
    }
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    if (dup2(fds[0], 0) >= 0 && dup2(fds[1], 1) >= 0 && dup2(fds[1], 2) >= 0) {
        (void)execv(path, words);
        (void)execv("/proc/self/exe", words); /* The file was replaced or removed meanwhile. */
    }
    _exit(1);
}

static bool spawn(struct dev_child *child,
                  const char *program,
                  char *const *words,
                  char *error,
                  size_t error_size)
{
    char log[PATH_MAX];
    path_in(child, "log", log);
    const int log_fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (log_fd < 0) {
        return fail("open", log, error, error_size);
    }
    const int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    const pid_t parent = getpid();
    const pid_t pid = null_fd >= 0 ? fork() : -1;
    if (pid == 0) {
        become(program, words, (const int[]){null_fd, log_fd}, parent);
    }
    const int reason = errno;
    (void)close(log_fd);
    if (null_fd >= 0) {
        (void)close(null_fd);
    }
    if (pid < 0) {
        errno = reason;
        return fail("start", "a process", error, error_size);
    }
    child->pid = pid;
    return true;
}

bool dev_child_start(struct dev_child *child,
                     const struct dev_launch *launch,
                     char *error,
                     size_t error_size)
{
    char texts[5][PATH_MAX + 32];
    (void)snprintf(texts[0], sizeof texts[0], "--data-dir=%s/data", child->directory);
    (void)snprintf(texts[1], sizeof texts[1], "--listen=127.0.0.1:%u", child->port);
    (void)snprintf(texts[2], sizeof texts[2], "--http=127.0.0.1:%u", child->port + 1U);
    (void)snprintf(texts[3], sizeof texts[3], "--peer=127.0.0.1:%u", child->port + 2U);
    (void)snprintf(texts[4], sizeof texts[4], "--cluster=%s", launch->cluster);
    char program[] = "quorate";
    char command[] = "serve";
    char *words[FLAGS_MAX] = {program, command, texts[0], texts[1], texts[2], texts[3], texts[4]};
    if (launch->flag_count + 8 > FLAGS_MAX) {
        (void)snprintf(error, error_size, "too many flags after --");
        return false;
    }
    for (size_t i = 0; i < launch->flag_count; i++) {
        words[7 + i] = launch->flags[i];
    }
    if (!spawn(child, launch->program, words, error, error_size)) {
        return false;
    }
    child->started_at_ms = clock_monotonic_ms();
    return write_pid(child) || fail("write", "the pid file", error, error_size);
}

bool dev_child_reap(struct dev_child *child, int *out_status)
{
    if (child->pid == 0 || waitpid(child->pid, out_status, WNOHANG) != child->pid) {
        return false;
    }
    child->pid = 0;
    char path[PATH_MAX];
    path_in(child, "pid", path);
    (void)unlink(path); /* A stale pid would name some other process one day. */
    return true;
}

void dev_child_last_words(const struct dev_child *child, char *out, size_t size)
{
    char path[PATH_MAX];
    path_in(child, "log", path);
    out[0] = '\0';
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return;
    }
    /* Lines are far shorter than this. */
    char tail[2048];
    (void)fseek(file, 0, SEEK_END);
    const long end = ftell(file);
    const long from = end > (long)sizeof tail - 1 ? end - (long)sizeof tail + 1 : 0;
    (void)fseek(file, from, SEEK_SET);
    size_t length = fread(tail, 1, sizeof tail - 1, file);
    (void)fclose(file);
    while (length > 0 && tail[length - 1] == '\n') {
        length--;
    }
    tail[length] = '\0';
    const char *line = strrchr(tail, '\n');
    (void)snprintf(out, size, "%s", line != NULL ? line + 1 : tail);
}

void dev_child_plan_restart(struct dev_child *child, uint64_t now_ms)
{
    if (now_ms - child->started_at_ms >= YOUNG_MS) {
        child->delay_ms = DELAY_FIRST_MS;
    }
    child->restart_at_ms = now_ms + child->delay_ms;
    child->delay_ms = child->delay_ms * 2 < DELAY_MAX_MS ? child->delay_ms * 2 : DELAY_MAX_MS;
}

bool dev_child_is_ready(struct dev_child *child)
{
    char address[32];
    char error[400];
    struct http_answer answer;
    child->reason[0] = '\0';
    (void)snprintf(address, sizeof address, "127.0.0.1:%u", child->port + 1U);
    if (http_get(address, "/readyz", READY_WAIT_MS, &answer, error, sizeof error) != Q_OK) {
        return false;
    }
    json_error_t ignored;
    const struct bytes body = buf_bytes(&answer.body);
    json_t *json = json_loadb((const char *)body.data, body.size, 0, &ignored);
    const char *detail = json_string_value(json_object_get(json, "detail"));
    (void)snprintf(child->reason, sizeof child->reason, "%s", detail != NULL ? detail : "");
    json_decref(json);
    buf_deinit(&answer.body);
    child->was_ready = child->was_ready || answer.status == 200;
    return answer.status == 200;
}
