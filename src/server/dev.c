/* `quorate dev`: a whole cluster on this machine, as real processes under one supervisor.
 *
 * The nodes are the same `quorate serve` a user would start by hand; only their flags are made
 * here. A node that dies is started again (unless told otherwise), a supervisor that dies takes its
 * nodes along, and Ctrl-C ends all of it within bounded time.
 */
#include "base/bytes.h"
#include "base/limits.h"
#include "base/os/clock.h"
#include "net/address.h"
#include "server/commands.h"
#include "server/config.h"
#include "server/dev_child.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOOK_MS      100
#define PATIENCE_MS  5000  /* Not ready for so long: say why, and again after as long. */
#define STOP_MS      10000 /* From TERM to KILL. */
#define STOP_WAIT_MS 15000 /* `dev stop` waits a little longer than that. */
#define CLUSTER_SIZE ((size_t)NODES_MAX * 24)
#define PID_FILE     "dev.pid"
#define DETACHED_LOG "dev.log"

static const struct option_spec specs[] = {
    {"nodes", OPTION_NUMBER, false, "3", "how many nodes", 1, NODES_MAX, NULL},
    {"dir", OPTION_PATH, false, "./quorate-dev", "where data, logs and pid files go", 0, 0, NULL},
    {"base-port", OPTION_NUMBER, false, "7480",
     "node i: RESP at base + 10 (i - 1), HTTP one up, peers two up", 1,
     65535 - DEV_PORTS_PER_NODE *NODES_MAX, NULL},
    {"throw-away", OPTION_SWITCH, false, "false",
     "remove the data at the end; without --dir in a temporary directory", 0, 0, NULL},
    {"no-restart", OPTION_SWITCH, false, "false", "leave a node that died alone", 0, 0, NULL},
    {"detach", OPTION_SWITCH, false, "false", "go on in the background once ready; see dev stop", 0,
     0, NULL},
};

const struct option_table dev_options = {
    .command = "dev",
    .purpose = "Runs a whole cluster on this machine. Prints 'ready' once every node serves.\n"
               "`quorate dev stop --dir D` ends the one that runs in D.",
    .examples = "  quorate dev --nodes 3\n"
                "  quorate dev --nodes 3 --throw-away --base-port 9000\n"
                "  quorate dev --nodes 3 -- --heartbeat-ms 30\n",
    .specs = specs,
    .count = sizeof specs / sizeof specs[0],
    .flags_only = true,
    .operand = "stop",
    .rest = "flags of serve",
};

struct dev {
    char directory[PATH_MAX];
    struct dev_child children[NODES_MAX];
    size_t count;
    char program[PATH_MAX];
    char cluster[CLUSTER_SIZE];
    struct dev_launch launch;
    bool throws_away;
    bool restarts;
    int lock_fd;  /* Of DIR/dev.pid. */
    int ready_fd; /* Detached: told when ready; -1 otherwise. */
    bool is_ready;
    uint64_t tell_at_ms; /* Still not ready then: say why. */
};

static bool fail(const char *what, const char *path)
{
    (void)fprintf(stderr, "quorate dev: cannot %s %s: %s\n", what, path, strerror(errno));
    return false;
}

/* Temporary where nothing is to stay and nobody said where. */
static bool choose_directory(struct dev *dev, const struct options *options, bool may_make)
{
    const char *wanted = options_text(options, "dir");
    if (dev->throws_away && strcmp(options_origin(options, "dir"), "default") == 0) {
        (void)snprintf(dev->directory, sizeof dev->directory, "/tmp/quorate-dev-XXXXXX");
        return mkdtemp(dev->directory) != NULL || fail("make", dev->directory);
    }
    if (may_make && mkdir(wanted, 0755) != 0 && errno != EEXIST) {
        return fail("make directory", wanted);
    }
    char absolute[PATH_MAX];
    if (realpath(wanted, absolute) == NULL) {
        return fail("use directory", wanted);
    }
    if (strlen(absolute) + 64 > sizeof dev->directory) {
        (void)fprintf(stderr, "quorate dev: the path is too long: %s\n", wanted);
        return false;
    }
    (void)snprintf(dev->directory, sizeof dev->directory, "%s", absolute);
    return true;
}

static void path_in(const struct dev *dev, const char *name, char out[PATH_MAX])
{
    (void)snprintf(out, PATH_MAX, "%.*s/%s", PATH_MAX - 64, dev->directory, name);
}

/* One supervisor per directory. -1: another one is there (out_holder), or an error. */
static int lock_directory(const struct dev *dev, long *out_holder)
{
    char path[PATH_MAX];
    path_in(dev, PID_FILE, path);
    *out_holder = 0;
    const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        (void)fail("write", path);
        return -1;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
        return fd;
    }
    char holder[32] = "";
    int64_t number = 0;
    (void)!pread(fd, holder, sizeof holder - 1, 0); /* Then it stays empty. */
    if (bytes_to_int64(bytes_of(holder, strcspn(holder, "\n")), &number)) {
        *out_holder = (long)number;
    }
    (void)close(fd);
    return -1;
}

static bool write_own_pid(const struct dev *dev)
{
    char text[32];
    const int length = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    return ftruncate(dev->lock_fd, 0) == 0 &&
           pwrite(dev->lock_fd, text, (size_t)length, 0) == length;
}

static bool port_is_free(uint16_t port)
{
    const struct address address = {.host = "127.0.0.1", .port = port};
    struct sockaddr_storage where;
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int yes = 1;
    const bool is_free = fd >= 0 && address_resolve(&address, &where) &&
                         setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) == 0 &&
                         bind(fd, (const struct sockaddr *)&where, sizeof where) == 0;
    if (fd >= 0) {
        (void)close(fd);
    }
    return is_free;
}

static bool check_ports(const struct dev *dev)
{
    for (size_t i = 0; i < dev->count; i++) {
        for (uint16_t offset = 0; offset < 3; offset++) {
            const uint16_t port = (uint16_t)(dev->children[i].port + offset);
            if (!port_is_free(port)) {
                (void)fprintf(stderr,
                              "quorate dev: port %u is in use; does another cluster run? "
                              "--base-port chooses other ports\n",
                              port);
                return false;
            }
        }
    }
    return true;
}

static bool plan(struct dev *dev, const struct options *options)
{
    char nodes[PATH_MAX];
    path_in(dev, "nodes", nodes);
    if (mkdir(nodes, 0700) != 0 && (errno != EEXIST || dev->throws_away)) {
        if (errno == EEXIST) {
            (void)fprintf(stderr,
                          "quorate dev: %s holds data already, which --throw-away would "
                          "remove; give another --dir\n",
                          dev->directory);
            return false;
        }
        return fail("make directory", nodes);
    }
    const uint64_t base = options_number(options, "base-port");
    size_t used = 0;
    for (size_t i = 0; i < dev->count; i++) {
        struct dev_child *child = &dev->children[i];
        char error[400];
        child->number = (unsigned)i + 1;
        child->port = (uint16_t)(base + DEV_PORTS_PER_NODE * i);
        (void)snprintf(child->directory, sizeof child->directory, "%.*s/nodes/%u", PATH_MAX - 64,
                       dev->directory, child->number);
        used += (size_t)snprintf(dev->cluster + used, sizeof dev->cluster - used, "%s127.0.0.1:%u",
                                 i > 0 ? "," : "", child->port + 2U);
        if (!dev_child_prepare(child, error, sizeof error)) {
            (void)fprintf(stderr, "quorate dev: %s\n", error);
            return false;
        }
    }
    /* Not /proc/self/exe itself: `ps` and `top` would call every node "exe". */
    const ssize_t length = readlink("/proc/self/exe", dev->program, sizeof dev->program - 1);
    dev->program[length > 0 ? length : 0] = '\0';
    dev->launch = (struct dev_launch){.program = dev->program,
                                      .cluster = dev->cluster,
                                      .flags = options->rest,
                                      .flag_count = options->rest_count};
    return check_ports(dev);
}

static bool start_child(struct dev *dev, struct dev_child *child)
{
    char error[400];
    if (!dev_child_start(child, &dev->launch, error, sizeof error)) {
        (void)fprintf(stderr, "quorate dev: node %u: %s\n", child->number, error);
        return false;
    }
    return true;
}

static void report_end(const struct dev *dev, const struct dev_child *child, int status)
{
    const bool killed = WIFSIGNALED(status);
    char last[600];
    dev_child_last_words(child, last, sizeof last);
    (void)fprintf(stderr, "quorate dev: node %u %s %d; %s (see %s/log)\n", child->number,
                  killed ? "was ended by signal" : "ended with code",
                  killed ? WTERMSIG(status) : WEXITSTATUS(status),
                  dev->restarts ? "starting it again" : "left alone", child->directory);
    if (!killed && WEXITSTATUS(status) != EXIT_OK && last[0] != '\0') {
        (void)fprintf(stderr, "    %s\n", last);
    }
}

/* False: the cluster cannot work at all (wrong flags, a foreign data directory). */
static bool look_after_children(struct dev *dev)
{
    const uint64_t now_ms = clock_monotonic_ms();
    for (size_t i = 0; i < dev->count; i++) {
        struct dev_child *child = &dev->children[i];
        int status = 0;
        if (dev_child_reap(child, &status)) {
            const int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
            report_end(dev, child, status);
            if (!child->was_ready && (code == EXIT_USAGE || code == EXIT_LOCKED)) {
                return false;
            }
            dev_child_plan_restart(child, now_ms);
        } else if (child->pid == 0 && dev->restarts && now_ms >= child->restart_at_ms &&
                   !start_child(dev, child)) {
            dev_child_plan_restart(child, now_ms);
        }
    }
    return true;
}

static void announce(struct dev *dev)
{
    (void)printf("ready\n");
    for (size_t i = 0; i < dev->count; i++) {
        const unsigned port = dev->children[i].port;
        (void)printf("node %u: redis-cli -p %u | http://127.0.0.1:%u | log %s/log\n",
                     dev->children[i].number, port, port + 1, dev->children[i].directory);
    }
    (void)printf("%s\n", dev->ready_fd >= 0 ? "`quorate dev stop` with this --dir ends it."
                                            : "Ctrl-C stops all.");
    (void)fflush(stdout);
    if (dev->ready_fd >= 0) {
        (void)!write(dev->ready_fd, "r", 1); /* The one who waits may have gone; so be it. */
        (void)close(dev->ready_fd);
        dev->ready_fd = -1;
    }
}

/* A cluster that does not come up must not be silent about it. */
static void tell_who_is_missing(const struct dev *dev)
{
    for (size_t i = 0; i < dev->count; i++) {
        const struct dev_child *child = &dev->children[i];
        if (!child->was_ready) {
            const char *reason = child->pid == 0 ? "it is not running" : child->reason;
            (void)fprintf(stderr, "quorate dev: node %u is not ready: %s (see %s/log)\n",
                          child->number, reason[0] != '\0' ? reason : "it does not answer",
                          child->directory);
        }
    }
}

static void look_for_readiness(struct dev *dev)
{
    const bool tells = clock_monotonic_ms() >= dev->tell_at_ms;
    bool is_ready = true;
    /* Asking may take a moment: one refusal is enough unless all of them are to be told. */
    for (size_t i = 0; i < dev->count && (is_ready || tells); i++) {
        struct dev_child *child = &dev->children[i];
        const bool good = child->was_ready || (child->pid != 0 && dev_child_is_ready(child));
        is_ready = is_ready && good;
    }
    if (!is_ready && tells) {
        tell_who_is_missing(dev);
        dev->tell_at_ms = clock_monotonic_ms() + PATIENCE_MS;
    }
    if (!is_ready) {
        return;
    }
    dev->is_ready = true;
    announce(dev);
}

/* Signals come in here alone: they are blocked and waited for. Returns the number, 0 = none. */
static int wait_for_signal(const sigset_t *signals, uint32_t wait_ms)
{
    const struct timespec wait = {.tv_sec = wait_ms / 1000,
                                  .tv_nsec = (long)(wait_ms % 1000) * 1000000};
    const int number = sigtimedwait(signals, NULL, &wait);
    return number > 0 ? number : 0;
}

static bool supervise(struct dev *dev, const sigset_t *signals)
{
    for (;;) {
        if (!look_after_children(dev)) {
            return false;
        }
        if (!dev->is_ready) {
            look_for_readiness(dev);
        }
        const int number = wait_for_signal(signals, LOOK_MS);
        if (number != 0 && number != SIGCHLD) {
            return true;
        }
    }
}

static size_t signal_children(struct dev *dev, int number)
{
    size_t running = 0;
    for (size_t i = 0; i < dev->count; i++) {
        int status = 0;
        (void)dev_child_reap(&dev->children[i], &status);
        if (dev->children[i].pid != 0) {
            running++;
            if (number != 0) {
                (void)kill(dev->children[i].pid, number);
            }
        }
    }
    return running;
}

static void stop_children(struct dev *dev, const sigset_t *signals)
{
    size_t running = signal_children(dev, SIGTERM);
    const uint64_t until_ms = clock_monotonic_ms() + STOP_MS;
    while (running > 0 && clock_monotonic_ms() < until_ms) {
        (void)wait_for_signal(signals, LOOK_MS);
        running = signal_children(dev, 0);
    }
    if (running > 0) {
        (void)fprintf(stderr, "quorate dev: %zu node(s) did not stop in time; killed\n", running);
        (void)signal_children(dev, SIGKILL);
        while (signal_children(dev, 0) > 0) {
            (void)wait_for_signal(signals, LOOK_MS);
        }
    }
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    (void)status;
    (void)kind;
    (void)walk;
    return remove(path);
}

/* Only what this run made: the nodes' directories, and ours when nothing else is in it. */
static void throw_away(const struct dev *dev)
{
    char path[PATH_MAX];
    path_in(dev, "nodes", path);
    if (nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0) {
        (void)fail("remove", path);
    }
    path_in(dev, PID_FILE, path);
    (void)unlink(path);
    (void)rmdir(dev->directory); /* Not empty: then it is not ours to remove. */
}

static int run(struct dev *dev)
{
    sigset_t signals;
    (void)sigemptyset(&signals);
    const int numbers[] = {SIGCHLD, SIGTERM, SIGINT, SIGHUP};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        (void)sigaddset(&signals, numbers[i]);
    }
    (void)sigprocmask(SIG_BLOCK, &signals, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)printf("starting %zu node(s) in %s\n", dev->count, dev->directory);
    (void)fflush(stdout);
    dev->tell_at_ms = clock_monotonic_ms() + PATIENCE_MS;
    bool is_fine = write_own_pid(dev) || fail("write", "the pid file");
    for (size_t i = 0; i < dev->count && is_fine; i++) {
        is_fine = start_child(dev, &dev->children[i]);
    }
    is_fine = is_fine && supervise(dev, &signals);
    stop_children(dev, &signals);
    if (dev->throws_away) {
        throw_away(dev);
    }
    return is_fine ? EXIT_OK : EXIT_ERROR;
}

/* The parent waits for the child to say that all is ready, and leaves. Returns the parent's exit
 * code, or -1 in the child. */
static int detach(struct dev *dev)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        (void)fail("make", "a pipe");
        return EXIT_ERROR;
    }
    const pid_t pid = fork();
    if (pid < 0) {
        (void)fail("start", "a process");
        return EXIT_ERROR;
    }
    char path[PATH_MAX];
    path_in(dev, DETACHED_LOG, path);
    if (pid > 0) {
        (void)close(ends[1]);
        char byte = 0;
        const bool is_ready = read(ends[0], &byte, 1) == 1;
        (void)printf(is_ready ? "ready\nprocess %ld, see %s\n" : "process %ld failed, see %s\n",
                     (long)pid, path);
        return is_ready ? EXIT_OK : EXIT_ERROR;
    }
    (void)close(ends[0]);
    (void)setsid();
    dev->ready_fd = ends[1];
    const int log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    const int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (log < 0 || nothing < 0 || dup2(nothing, 0) < 0 || dup2(log, 1) < 0 || dup2(log, 2) < 0) {
        _exit(EXIT_ERROR);
    }
    return -1;
}

static int stop_other(struct dev *dev)
{
    long holder = 0;
    int fd = lock_directory(dev, &holder);
    if (fd >= 0 || holder <= 0) {
        (void)fprintf(stderr, "quorate dev: no cluster runs in %s\n", dev->directory);
        if (fd >= 0) {
            (void)close(fd);
        }
        return EXIT_ERROR;
    }
    if (kill((pid_t)holder, SIGTERM) != 0) {
        (void)fail("stop", "it");
        return EXIT_ERROR;
    }
    const uint64_t until_ms = clock_monotonic_ms() + STOP_WAIT_MS;
    while (fd < 0 && clock_monotonic_ms() < until_ms) {
        (void)usleep(LOOK_MS * 1000);
        fd = lock_directory(dev, &holder);
    }
    if (fd < 0) {
        (void)fprintf(stderr, "quorate dev: process %ld does not stop\n", holder);
        return EXIT_ERROR;
    }
    (void)close(fd);
    return EXIT_OK;
}

static int start(struct dev *dev, const struct options *options)
{
    long holder = 0;
    dev->lock_fd = lock_directory(dev, &holder);
    if (dev->lock_fd < 0) {
        if (holder > 0) {
            (void)fprintf(stderr, "quorate dev: process %ld runs a cluster in %s already\n", holder,
                          dev->directory);
        }
        return EXIT_ERROR;
    }
    if (!plan(dev, options)) {
        return EXIT_ERROR;
    }
    if (options_switch(options, "detach")) {
        const int code = detach(dev);
        if (code >= 0) {
            return code;
        }
    }
    return run(dev);
}

int dev_main(int argc, char *const *argv, char *const *environment)
{
    struct options options;
    char error[800];
    options_init(&options, &dev_options);
    int code = EXIT_USAGE;
    const bool is_loaded = options_load(&options, argc, argv, environment, error, sizeof error);
    if (!is_loaded || (options.operand != NULL && strcmp(options.operand, "stop") != 0)) {
        (void)fprintf(stderr, "quorate dev: %s\n",
                      is_loaded ? "the only operand is 'stop'; see quorate dev --help" : error);
        goto out;
    }
    if (options.wants_help) {
        options_print_help(&dev_options, stdout);
        code = EXIT_OK;
        goto out;
    }
    struct dev dev = {
        .count = options_number(&options, "nodes"),
        .throws_away = options_switch(&options, "throw-away"),
        .restarts = !options_switch(&options, "no-restart"),
        .lock_fd = -1,
        .ready_fd = -1,
    };
    code = EXIT_ERROR;
    if (choose_directory(&dev, &options, options.operand == NULL)) {
        code = options.operand != NULL ? stop_other(&dev) : start(&dev, &options);
    }
out:
    options_deinit(&options);
    return code;
}
