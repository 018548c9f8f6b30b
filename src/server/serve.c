/* `quorate serve`: settings, then one running node, then the exit code. */
#include "base/err.h"
#include "base/os/heap.h"
#include "base/os/log.h"
#include "server/commands.h"
#include "server/data_directory.h"
#include "server/notify.h"
#include "server/server.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SPACE_LOOK_S    1
#define SPACE_LOG_EVERY 10 /* Looks. */

/* What a reload needs again. */
struct invocation {
    int argc;
    char *const *argv;
    char *const *environment;
};

static bool load(const struct invocation *invocation,
                 struct options *options,
                 char *error,
                 size_t error_size)
{
    char directory[512];
    config_default_data_directory(directory, sizeof directory);
    options_set_default(options, "data-dir", directory);
    return options_load(options, invocation->argc, invocation->argv, invocation->environment, error,
                        error_size);
}

/* SIGHUP: of all settings only the logging ones can change under way. */
static void reload(void *context)
{
    struct options options;
    char error[800];
    options_init(&options, &serve_options);
    if (load(context, &options, error, sizeof error)) {
        log_configure((enum log_level)config_log_level(options_text(&options, "log-level")),
                      options_text(&options, "log-format")[0] == 'j');
        log_event(LOG_INFO, "reloaded", "log_level=%s note=\"other settings need a restart\"",
                  options_text(&options, "log-level"));
    } else {
        log_event(LOG_ERROR, "reload_failed", "reason=\"%s\"", error);
    }
    options_deinit(&options);
}

/* Nothing of this process may be used any more: what it holds in memory may differ from what the
 * disk holds. A new one reads the disk. */
static void start_again(void *context)
{
    const struct invocation *invocation = context;
    const size_t count = (size_t)invocation->argc;
    char program[] = "quorate";
    char command[] = "serve";
    char **argv = heap_alloc((count + 3) * sizeof *argv); /* Ends with NULL. */
    argv[0] = program;
    argv[1] = command;
    for (size_t i = 0; i < count; i++) {
        argv[2 + i] = invocation->argv[i];
    }
    (void)execve("/proc/self/exe", argv, invocation->environment);
    log_event(LOG_ERROR, "start_again_failed", "reason=\"%s\"", strerror(errno));
}

static void say_waiting(const struct config *config, const char *reason)
{
    log_event(LOG_ERROR, "waiting_for_space", "data=\"%s\" reason=\"%s\"", config->data_directory,
              reason);
    notify_send("STATUS=waiting for space on the disk");
}

/* A full disk is somebody's work in progress: whoever makes room must not have to start us, too. */
static int open_server(const struct config *config,
                       struct server **out_server,
                       char *error,
                       size_t error_size)
{
    for (unsigned tries = 0;; tries++) {
        int result = Q_ENOSPC;
        if (data_directory_has_space(config->data_directory)) {
            result = server_new(config, out_server, error, error_size);
        } else {
            (void)snprintf(error, error_size, "less than %llu MiB are free there",
                           (unsigned long long)DATA_DIRECTORY_SPACE_MIN >> 20);
        }
        if (result != Q_ENOSPC) {
            return result;
        }
        if (tries % SPACE_LOG_EVERY == 0) {
            say_waiting(config, error);
        }
        (void)sleep(SPACE_LOOK_S);
    }
}

static int run(struct invocation *invocation, const struct config *config)
{
    log_configure((enum log_level)config->log_level, config->log_json);
    struct server *server = NULL;
    char error[1024];
    const int result = open_server(config, &server, error, sizeof error);
    if (result != Q_OK) {
        (void)fprintf(stderr, "quorate serve: %s\n", error);
        return result == Q_ELOCKED ? EXIT_LOCKED : EXIT_ERROR;
    }
    const struct server_hooks hooks = {
        .context = invocation, .reload = reload, .start_again = start_again};
    server_run(server, &hooks);
    server_free(server);
    log_event(LOG_INFO, "stopped", "data=\"%s\"", config->data_directory);
    return EXIT_OK;
}

int serve_main(int argc, char *const *argv, char *const *environment)
{
    struct invocation invocation = {argc, argv, environment};
    struct options options;
    struct config config;
    char error[800];
    options_init(&options, &serve_options);
    int code = EXIT_USAGE;
    if (!load(&invocation, &options, error, sizeof error)) {
        (void)fprintf(stderr, "quorate serve: %s\n", error);
        goto out;
    }
    if (options.wants_help) {
        options_print_help(&serve_options, stdout);
        code = EXIT_OK;
        goto out;
    }
    if (options.warning[0] != '\0') {
        (void)fprintf(stderr, "quorate serve: warning: %s\n", options.warning);
    }
    if (!config_from_options(&options, &config, error, sizeof error)) {
        (void)fprintf(stderr, "quorate serve: %s\n", error);
        goto out;
    }
    if (options_switch(&options, "print-config")) {
        options_print(&options, stdout);
        code = EXIT_OK;
    } else if (options_switch(&options, "check-config")) {
        (void)puts("the configuration is sound");
        code = EXIT_OK;
    } else {
        code = run(&invocation, &config);
    }
out:
    options_deinit(&options);
    return code;
}
