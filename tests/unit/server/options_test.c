/* server/options and server/config: who wins, and what is refused with which words. Set
 * QUORATE_UPDATE_DOCS=1 to rewrite docs/reference/configuration.md. */
#include "harness/test.h"
#include "server/commands.h"
#include "server/config.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const no_environment[] = {NULL};

#define WORDS_MAX 32

/* Loads and says whether it worked; `error` keeps the text. */
struct loaded {
    struct options options;
    char error[800];
    bool is_fine;
};

/* Literals are const, the words of a command line are not. */
static void copy_words(const char *const *words, size_t count, char *out[WORDS_MAX])
{
    REQUIRE(count < WORDS_MAX);
    for (size_t i = 0; i < count; i++) {
        out[i] = (char *)(uintptr_t)words[i];
    }
    out[count] = NULL;
}

static void load(struct loaded *loaded,
                 size_t count,
                 const char *const *words,
                 const char *const *variables)
{
    char *argv[WORDS_MAX];
    char *environment[WORDS_MAX];
    size_t variable_count = 0;
    while (variables[variable_count] != NULL) {
        variable_count++;
    }
    copy_words(words, count, argv);
    copy_words(variables, variable_count, environment);
    options_init(&loaded->options, &serve_options);
    loaded->error[0] = '\0';
    loaded->is_fine = options_load(&loaded->options, (int)count, argv, environment, loaded->error,
                                   sizeof loaded->error);
}

#define LOAD(loaded, environment, ...)                                                             \
    load(loaded, sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *),                           \
         (const char *[]){__VA_ARGS__}, environment)

/* A file with these contents; the caller unlinks it. */
static void write_file(char path[64], const char *text)
{
    (void)snprintf(path, 64, "/tmp/quorate-options-XXXXXX");
    const int fd = mkstemp(path);
    REQUIRE(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    (void)close(fd);
}

TEST(a_flag_wins_over_the_environment_and_that_over_the_file_and_that_over_the_default)
{
    char path[64];
    write_file(path, "heartbeat-ms = 10\nelection-min-ms = 111\nlog-level = warn ; a comment\n"
                     "# another\n");
    const char *const environment[] = {"QUORATE_HEARTBEAT_MS=20", "QUORATE_ELECTION_MIN_MS=222",
                                       "HOME=/", NULL};
    struct loaded loaded;
    LOAD(&loaded, environment, "--heartbeat-ms", "30", "--config", path);
    EXPECT(loaded.is_fine);
    EXPECT(options_number(&loaded.options, "heartbeat-ms") == 30);
    EXPECT(strcmp(options_origin(&loaded.options, "heartbeat-ms"), "flag") == 0);
    EXPECT(options_number(&loaded.options, "election-min-ms") == 222);
    EXPECT(strcmp(options_origin(&loaded.options, "election-min-ms"), "QUORATE_ELECTION_MIN_MS") ==
           0);
    EXPECT(strcmp(options_text(&loaded.options, "log-level"), "warn") == 0);
    char place[80];
    (void)snprintf(place, sizeof place, "%s:3", path);
    EXPECT(strcmp(options_origin(&loaded.options, "log-level"), place) == 0);
    EXPECT(strcmp(options_origin(&loaded.options, "drain-ms"), "default") == 0);
    options_deinit(&loaded.options);
    (void)unlink(path);
}

TEST(what_is_wrong_in_a_file_is_named_with_key_file_and_line)
{
    const char *cases[][2] = {
        {"\nheartbeat = 10\n", ":2: unknown key 'heartbeat'"},
        {"heartbeat-ms = soon\n", ":1: heartbeat-ms: 'soon' is not a number"},
        {"heartbeat-ms = 4\n", ":1: heartbeat-ms: 4 is not within 5..60000"},
        {"heartbeat-ms = 60001\n", ":1: heartbeat-ms: 60001 is not within 5..60000"},
        {"heartbeat-ms = 50\nheartbeat-ms = 50\n", ":2: heartbeat-ms is given twice"},
        {"[node]\nheartbeat-ms = 50\n", ":2: unknown section [node]"},
        {"heartbeat-ms\n", ":1: not a line 'name = value'"},
        {"listen = 7480\n", ":1: listen: '7480' is not an address HOST:PORT"},
        {"cluster = a:1,,b:2\n", ":1: cluster: 'a:1,,b:2' is not a list"},
        {"insecure = yes\n", ":1: insecure: 'yes' is not true or false"},
        {"log-level = loud\n", ":1: log-level: 'loud' is not one of debug|info|warn|error|off"},
        {"value-size-max = 17M\n", ":1: value-size-max: 17M is not within 1..16777216"},
        {"config = other\n", ":1: unknown key 'config'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char path[64];
        write_file(path, cases[i][0]);
        struct loaded loaded;
        LOAD(&loaded, no_environment, "--config", path);
        EXPECT(!loaded.is_fine);
        EXPECT(strstr(loaded.error, path) != NULL);
        if (strstr(loaded.error, cases[i][1]) == NULL) {
            print_message("got: %s\nwanted: %s\n", loaded.error, cases[i][1]);
        }
        EXPECT(strstr(loaded.error, cases[i][1]) != NULL);
        options_deinit(&loaded.options);
        (void)unlink(path);
    }
    struct loaded loaded;
    LOAD(&loaded, no_environment, "--config", "/nowhere/quorate.conf");
    EXPECT(!loaded.is_fine && strstr(loaded.error, "/nowhere/quorate.conf") != NULL);
    options_deinit(&loaded.options);
}

/* A bad value must not hide behind a flag that happens to win over it today. */
TEST(a_bad_value_in_the_file_is_an_error_even_where_a_flag_wins)
{
    char path[64];
    write_file(path, "heartbeat-ms = soon\n");
    struct loaded loaded;
    LOAD(&loaded, no_environment, "--config", path, "--heartbeat-ms", "50");
    EXPECT(!loaded.is_fine && strstr(loaded.error, "soon") != NULL);
    options_deinit(&loaded.options);
    (void)unlink(path);
}

/* inih's own default would cut a line of 200 bytes in two without a word. */
TEST(long_lines_are_read_whole_or_refused)
{
    char text[6000] = "cluster = ";
    size_t used = strlen(text);
    for (int i = 0; i < 7; i++) {
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%060d.example:%d",
                                 i > 0 ? "," : "", i, 7000 + i);
    }
    text[used] = '\n';
    char path[64];
    write_file(path, text);
    struct loaded loaded;
    LOAD(&loaded, no_environment, "--config", path);
    EXPECT(loaded.is_fine);
    EXPECT(strlen(options_text(&loaded.options, "cluster")) > 500);
    options_deinit(&loaded.options);
    (void)unlink(path);
    (void)memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    write_file(path, text);
    LOAD(&loaded, no_environment, "--config", path);
    EXPECT(!loaded.is_fine && strstr(loaded.error, "longer than") != NULL);
    options_deinit(&loaded.options);
    (void)unlink(path);
}

TEST(unknown_repeated_and_incomplete_flags_are_errors)
{
    struct loaded loaded;
    LOAD(&loaded, no_environment, "--hartbeat-ms", "50");
    EXPECT(!loaded.is_fine && strstr(loaded.error, "unknown flag --hartbeat-ms") != NULL);
    options_deinit(&loaded.options);
    LOAD(&loaded, no_environment, "--heartbeat-ms");
    EXPECT(!loaded.is_fine && strstr(loaded.error, "needs a value") != NULL);
    options_deinit(&loaded.options);
    LOAD(&loaded, no_environment, "--heartbeat-ms=50", "--heartbeat-ms=60");
    EXPECT(!loaded.is_fine && strstr(loaded.error, "given twice") != NULL);
    options_deinit(&loaded.options);
    LOAD(&loaded, no_environment, "data");
    EXPECT(!loaded.is_fine && strstr(loaded.error, "unexpected 'data'") != NULL);
    options_deinit(&loaded.options);
    LOAD(&loaded, no_environment, "--insecure", "--log-format=json");
    EXPECT(loaded.is_fine && options_switch(&loaded.options, "insecure"));
    options_deinit(&loaded.options);
}

TEST(a_bad_environment_value_is_an_error_and_a_foreign_variable_a_warning)
{
    struct loaded loaded;
    const char *const bad[] = {"QUORATE_HEARTBEAT_MS=never", NULL};
    LOAD(&loaded, bad, "--insecure");
    EXPECT(!loaded.is_fine && strstr(loaded.error, "QUORATE_HEARTBEAT_MS") != NULL);
    options_deinit(&loaded.options);
    const char *const foreign[] = {"QUORATE_SERVICE_HOST=10.0.0.1", NULL};
    LOAD(&loaded, foreign, "--insecure");
    EXPECT(loaded.is_fine && strstr(loaded.options.warning, "QUORATE_SERVICE_HOST") != NULL);
    options_deinit(&loaded.options);
}

TEST(sizes_take_units_and_do_not_overflow)
{
    struct loaded loaded;
    LOAD(&loaded, no_environment, "--value-size-max", "16M", "--log-keep-bytes", "65536k");
    EXPECT(loaded.is_fine);
    EXPECT(options_number(&loaded.options, "value-size-max") == UINT64_C(16777216));
    EXPECT(options_number(&loaded.options, "log-keep-bytes") == UINT64_C(67108864));
    options_deinit(&loaded.options);
    LOAD(&loaded, no_environment, "--value-size-max", "18014398509481985G");
    EXPECT(!loaded.is_fine);
    options_deinit(&loaded.options);
    LOAD(&loaded, no_environment, "--value-size-max", "M");
    EXPECT(!loaded.is_fine);
    options_deinit(&loaded.options);
}

/* What --print-config shows is a file that means the same. */
TEST(the_printed_configuration_is_a_valid_file_with_the_same_values)
{
    struct loaded loaded;
    LOAD(&loaded, no_environment, "--heartbeat-ms", "77", "--cluster", "127.0.0.1:1,127.0.0.1:2");
    EXPECT(loaded.is_fine);
    char path[64];
    write_file(path, "");
    FILE *file = fopen(path, "we");
    REQUIRE(file != NULL);
    options_print(&loaded.options, file);
    (void)fclose(file);
    struct loaded again;
    LOAD(&again, no_environment, "--config", path);
    if (!again.is_fine) {
        print_message("%s\n", again.error);
    }
    EXPECT(again.is_fine);
    for (size_t i = 0; i < serve_options.count; i++) {
        const char *name = serve_options.specs[i].name;
        if (!serve_options.specs[i].not_in_file) {
            EXPECT(strcmp(options_text(&loaded.options, name),
                          options_text(&again.options, name)) == 0);
        }
    }
    options_deinit(&loaded.options);
    options_deinit(&again.options);
    (void)unlink(path);
}

static bool configure(struct config *config, char *error, size_t count, const char *const *words)
{
    struct loaded loaded;
    load(&loaded, count, words, no_environment);
    REQUIRE(loaded.is_fine);
    const bool is_fine = config_from_options(&loaded.options, config, error, 800);
    options_deinit(&loaded.options);
    return is_fine;
}

#define CONFIGURE(config, error, ...)                                                              \
    configure(config, error, sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *),               \
              (const char *[]){__VA_ARGS__})

TEST(settings_that_contradict_each_other_are_refused)
{
    struct config config;
    char error[800];
    EXPECT(!CONFIGURE(&config, error, "--data-dir=/x", "--heartbeat-ms=200"));
    EXPECT(strstr(error, "election-min-ms") != NULL);
    EXPECT(CONFIGURE(&config, error, "--data-dir=/x", "--heartbeat-ms=175"));
    EXPECT(!CONFIGURE(&config, error, "--data-dir=/x", "--heartbeat-ms=176"));
    EXPECT(!CONFIGURE(&config, error, "--data-dir=/x", "--election-min-ms=700"));
    EXPECT(strstr(error, "election-max-ms") != NULL);
    EXPECT(!CONFIGURE(&config, error, "--data-dir=/x", "--cluster=127.0.0.1:1,127.0.0.1:2"));
    EXPECT(strstr(error, "127.0.0.1:7482") != NULL && strstr(error, "--advertise") != NULL);
    EXPECT(!CONFIGURE(&config, error, "--data-dir=/x",
                      "--cluster=127.0.0.1:7482,127.0.0.1:2,127.0.0.1:2"));
    EXPECT(strstr(error, "twice") != NULL);
    EXPECT(CONFIGURE(&config, error, "--data-dir=/x",
                     "--cluster=127.0.0.1:7482,h:2,h:3,h:4,h:5,h:6,h:7"));
    EXPECT(config.node.address_count == NODES_MAX);
    EXPECT(!CONFIGURE(&config, error, "--data-dir=/x",
                      "--cluster=127.0.0.1:7482,h:2,h:3,h:4,h:5,h:6,h:7,h:8"));
    EXPECT(strstr(error, "more than 7") != NULL);
}

TEST(addresses_that_others_can_reach_need_an_explicit_insecure)
{
    struct config config;
    char error[800];
    EXPECT(!CONFIGURE(&config, error, "--data-dir=/x", "--listen=0.0.0.0:7480"));
    EXPECT(strstr(error, "listen") != NULL && strstr(error, "--insecure") != NULL);
    EXPECT(!CONFIGURE(&config, error, "--data-dir=/x", "--http=[::]:7481"));
    EXPECT(!CONFIGURE(&config, error, "--data-dir=/x", "--peer=10.1.2.3:7482"));
    EXPECT(CONFIGURE(&config, error, "--data-dir=/x", "--listen=0.0.0.0:7480", "--insecure"));
    EXPECT(CONFIGURE(&config, error, "--data-dir=/x", "--listen=127.9.9.9:7480"));
}

TEST(without_a_list_a_node_is_a_cluster_of_itself)
{
    struct config config;
    char error[800];
    EXPECT(CONFIGURE(&config, error, "--data-dir=relative/path"));
    EXPECT(config.node.address_count == 1);
    EXPECT(strcmp(config.node.self, config.node.addresses[0]) == 0);
    EXPECT(config.data_directory[0] == '/');
    EXPECT(strstr(config.data_directory, "/relative/path") != NULL);
}

TEST(the_reference_page_is_made_from_the_tables)
{
    const char *path = TEST_SOURCE_DIR "/../docs/reference/configuration.md";
    char *made = NULL;
    size_t size = 0;
    FILE *memory = open_memstream(&made, &size);
    REQUIRE(memory != NULL);
    options_write_reference(memory);
    EXPECT(fclose(memory) == 0);
    if (getenv("QUORATE_UPDATE_DOCS") != NULL) {
        FILE *out = fopen(path, "wb");
        REQUIRE(out != NULL);
        EXPECT(fwrite(made, 1, size, out) == size);
        EXPECT(fclose(out) == 0);
    }
    FILE *in = fopen(path, "rb");
    REQUIRE(in != NULL);
    char *page = calloc(1, size + 2);
    const size_t got = fread(page, 1, size + 1, in);
    EXPECT(got == size && memcmp(page, made, size) == 0);
    (void)fclose(in);
    free(page);
    free(made);
}

TEST_MAIN(CASE(a_flag_wins_over_the_environment_and_that_over_the_file_and_that_over_the_default),
          CASE(what_is_wrong_in_a_file_is_named_with_key_file_and_line),
          CASE(a_bad_value_in_the_file_is_an_error_even_where_a_flag_wins),
          CASE(long_lines_are_read_whole_or_refused),
          CASE(unknown_repeated_and_incomplete_flags_are_errors),
          CASE(a_bad_environment_value_is_an_error_and_a_foreign_variable_a_warning),
          CASE(sizes_take_units_and_do_not_overflow),
          CASE(the_printed_configuration_is_a_valid_file_with_the_same_values),
          CASE(settings_that_contradict_each_other_are_refused),
          CASE(addresses_that_others_can_reach_need_an_explicit_insecure),
          CASE(without_a_list_a_node_is_a_cluster_of_itself),
          CASE(the_reference_page_is_made_from_the_tables))
