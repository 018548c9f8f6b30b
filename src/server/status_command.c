/* `quorate status`: its flags. The work is done in cli/status. */
#include "cli/status.h"
#include "server/commands.h"
#include "server/config.h"

#include <stdio.h>

static const struct option_spec specs[] = {
    {"http", OPTION_ADDRESS, false, "127.0.0.1:7481", "HTTP address of any node", 0, 0, NULL},
    {"output", OPTION_CHOICE, false, "table", "form of the answer, also -o", 0, 0,
     "table|json|plain"},
    {"timeout-ms", OPTION_NUMBER, false, "5000", "how long to wait for the answer", 1, 600000,
     NULL},
};

const struct option_table status_options = {
    .command = "status",
    .purpose = "Shows the nodes, who leads what, and how far everybody is.",
    .examples = "  quorate status\n"
                "  quorate status --http 127.0.0.1:7491 -o json\n",
    .specs = specs,
    .count = sizeof specs / sizeof specs[0],
    .flags_only = true,
};

int status_main(int argc, char *const *argv, char *const *environment)
{
    struct options options;
    char error[800];
    options_init(&options, &status_options);
    int code = EXIT_USAGE;
    if (!options_load(&options, argc, argv, environment, error, sizeof error)) {
        (void)fprintf(stderr, "quorate status: %s\n", error);
    } else if (options.wants_help) {
        options_print_help(&status_options, stdout);
        code = EXIT_OK;
    } else {
        const char form = options_text(&options, "output")[0];
        const struct status_request request = {
            .http = options_text(&options, "http"),
            .output = form == 'j'   ? CLI_JSON
                      : form == 'p' ? CLI_PLAIN
                                    : CLI_TABLE,
            .timeout_ms = (int)options_number(&options, "timeout-ms"),
        };
        code = status_run(&request, stdout, stderr) == 0 ? EXIT_OK : EXIT_ERROR;
    }
    options_deinit(&options);
    return code;
}
