/* sim/seeds_file: what a line may be, and that a wrong one is named before anything runs. */
#include "harness/temporary_directory.h"
#include "harness/test.h"
#include "sim/seeds_file.h"

static bool parses(const char *text, struct seeds_line *out)
{
    char error[200] = "";
    return seeds_line_parse(text, out, error, sizeof error);
}

TEST(a_line_may_be_empty_or_a_comment)
{
    static const char *const LINES[] = {"", "   \t", "# 42", "  # nodes=3", "\n"};
    for (size_t i = 0; i < sizeof LINES / sizeof LINES[0]; i++) {
        struct seeds_line line;
        REQUIRE(parses(LINES[i], &line) && !line.has_seed);
    }
    EXPECT(true);
}

TEST(a_seed_alone_gives_no_options)
{
    struct seeds_line line;
    EXPECT(parses("42\n", &line) && line.has_seed && line.seed == 42);
    EXPECT(option_changes_are_empty(&line.changes));
    EXPECT(parses("  9223372036854775807  # the largest\r\n", &line));
    EXPECT(line.seed == INT64_MAX);
}

TEST(pairs_after_the_seed_are_options)
{
    struct seeds_line line;
    EXPECT(parses("42 draw=0 nodes=3\toperations=200 faults=kill:2 # why", &line));
    EXPECT(line.seed == 42 && line.changes.is_plain && line.changes.has_faults);
    EXPECT(line.changes.is_given[option_find("nodes")]);
    EXPECT(line.changes.values[option_find("operations")] == 200);
    EXPECT(!line.changes.is_given[option_find("keys")]);
}

TEST(the_older_way_to_force_the_nodes_stays_valid)
{
    struct seeds_line line;
    EXPECT(parses("42 --nodes 5", &line));
    EXPECT(line.changes.values[option_find("nodes")] == 5);
    EXPECT(parses("42 --nodes 5 keys=2", &line));
    EXPECT(line.changes.values[option_find("keys")] == 2);
}

TEST(malformed_lines_are_refused)
{
    static const char *const LINES[] = {"x",
                                        "-1",
                                        "42x",
                                        "4 2",
                                        "42 bla=1",
                                        "42 nodes=0",
                                        "42 nodes",
                                        "042",
                                        "42 --nodes",
                                        "42 --nodes 9",
                                        "nodes=3",
                                        "42 --bla 3",
                                        "42 --nodes x",
                                        "9223372036854775808"};
    for (size_t i = 0; i < sizeof LINES / sizeof LINES[0]; i++) {
        struct seeds_line line;
        REQUIRE(!parses(LINES[i], &line));
    }
    EXPECT(true);
}

struct visits {
    size_t count;
    uint64_t last;
};

static void visit(void *context, const struct seeds_line *line)
{
    struct visits *visits = context;
    visits->count++;
    visits->last = line->seed;
}

static bool read_text(const char *text, struct visits *visits, char *error, size_t size)
{
    struct temporary_directory directory;
    char path[128];
    temporary_directory_make(&directory);
    (void)snprintf(path, sizeof path, "%s/seeds.txt", directory.path);
    FILE *file = fopen(path, "w");
    REQUIRE(file != NULL && fputs(text, file) >= 0 && fclose(file) == 0);
    *visits = (struct visits){0};
    const bool ok = seeds_file_read(path, visit, visits, error, size);
    temporary_directory_remove(&directory);
    return ok;
}

TEST(every_seed_of_a_file_is_visited_in_order)
{
    struct visits visits;
    char error[200];
    EXPECT(read_text("# head\n1\n\n2 nodes=3\n3", &visits, error, sizeof error));
    EXPECT(visits.count == 3 && visits.last == 3);
}

TEST(a_wrong_line_is_named_and_nothing_is_visited)
{
    struct visits visits;
    char error[200];
    EXPECT(!read_text("1\n2\n# c\n4 bla=1\n5\n", &visits, error, sizeof error));
    EXPECT(visits.count == 0);
    EXPECT(strcmp(error, "line 4: bla=1: is no option") == 0);
    EXPECT(!seeds_file_read("/nowhere/seeds.txt", visit, &visits, error, sizeof error));
    EXPECT(strcmp(error, "cannot be read") == 0);
}

TEST(the_repositorys_own_file_is_well_formed)
{
    struct visits visits = {0};
    char error[200];
    EXPECT(seeds_file_read(TEST_SOURCE_DIR "/seeds.txt", visit, &visits, error, sizeof error));
    EXPECT(visits.count > 0);
}

TEST_MAIN(CASE(a_line_may_be_empty_or_a_comment),
          CASE(a_seed_alone_gives_no_options),
          CASE(pairs_after_the_seed_are_options),
          CASE(the_older_way_to_force_the_nodes_stays_valid),
          CASE(malformed_lines_are_refused),
          CASE(every_seed_of_a_file_is_visited_in_order),
          CASE(a_wrong_line_is_named_and_nothing_is_visited),
          CASE(the_repositorys_own_file_is_well_formed))
