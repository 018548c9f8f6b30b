/* The program: looks its command up and runs it. */
#include "server/commands.h"
#include "server/config.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct command {
    const char *name;
    const char *summary;
    int (*run)(int argc, char *const *argv, char *const *environment);
};

static int version_main(int argc, char *const *argv, char *const *environment)
{
    (void)argc;
    (void)argv;
    (void)environment;
    (void)printf("quorate %s\n", QUORATE_VERSION);
    return EXIT_OK;
}

static const struct command commands[] = {
    {"serve", "run one node", serve_main},
    {"dev", "run a whole cluster on this machine", dev_main},
    {"status", "show a cluster", status_main},
    {"version", "print the version", version_main},
};

#define COMMAND_COUNT (sizeof commands / sizeof commands[0])

static void print_usage(FILE *out)
{
    (void)fprintf(out, "usage: quorate COMMAND [flags]\n\n"
                       "A replicated key-value store that any Redis client can use.\n\n"
                       "commands:\n");
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        (void)fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].summary);
    }
    (void)fprintf(out, "  %-10s %s\n\n", "help", "this text; `quorate COMMAND --help` for one");
    (void)fprintf(out, "examples:\n"
                       "  quorate dev --nodes 3\n"
                       "  quorate serve --data-dir ./data\n"
                       "  quorate status -o json\n");
}

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(commands[i].name, name) == 0) {
            return &commands[i];
        }
    }
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        print_usage(stderr);
        return EXIT_USAGE;
    }
    const char *name = argv[1];
    const bool asks_help =
        strcmp(name, "help") == 0 || strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0;
    const bool is_about = asks_help && argc > 2;
    if (is_about && find_command(argv[2]) != NULL) {
        char help[] = "--help";
        char *const words[] = {help, NULL};
        return find_command(argv[2])->run(1, words, environ);
    }
    if (asks_help && !is_about) {
        print_usage(stdout);
        return EXIT_OK;
    }
    if (strcmp(name, "--version") == 0) {
        name = "version";
    }
    const struct command *command = find_command(is_about ? argv[2] : name);
    if (command == NULL) {
        (void)fprintf(stderr, "quorate: unknown command '%s'; `quorate help` lists them\n",
                      is_about ? argv[2] : name);
        return EXIT_USAGE;
    }
    return command->run(argc - 2, argv + 2, environ);
}
