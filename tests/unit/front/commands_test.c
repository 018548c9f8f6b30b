/* front/commands: the table is sound, and the reference page says what it says. Set
 * QUORATE_UPDATE_DOCS=1 to rewrite docs/reference/commands.md. */
#include "front/commands.h"
#include "harness/test.h"
#include "unit/front/fake_node.h"

#include <stdio.h>
#include <stdlib.h>

TEST(rows_are_sorted_and_found_in_any_case)
{
    size_t count = 0;
    const struct command *all = commands_all(&count);
    EXPECT(count > 30);
    for (size_t i = 0; i < count; i++) {
        EXPECT(i == 0 || strcmp(all[i - 1].name, all[i].name) < 0);
        char upper[32];
        size_t size = 0;
        for (; all[i].name[size] != '\0'; size++) {
            upper[size] = (char)(all[i].name[size] - ('a' - 'A'));
        }
        EXPECT(commands_find(bytes_of(upper, size)) == &all[i]);
        EXPECT(commands_find(bytes_of_text(all[i].name)) == &all[i]);
    }
    EXPECT(commands_find(bytes_of_text("")) == NULL);
    EXPECT(commands_find(bytes_of_text("ge")) == NULL);
    EXPECT(commands_find(bytes_of_text("gets")) == NULL);
    EXPECT(commands_find(bytes_of_text("zzz")) == NULL);
}

TEST(every_row_is_served_in_one_way_and_says_so_in_its_flags)
{
    size_t count = 0;
    const struct command *all = commands_all(&count);
    for (size_t i = 0; i < count; i++) {
        const struct command *c = &all[i];
        EXPECT(strlen(c->name) < COMMAND_NAME_MAX);
        EXPECT(c->summary[strlen(c->summary) - 1] == '.');
        EXPECT(c->arity != 0);
        EXPECT((c->prepare != NULL) == (c->answer == NULL && c->subcommands == NULL));
        if (c->prepare != NULL) {
            EXPECT(((c->flags & COMMAND_WRITE) != 0) == op_writes(c->op));
            EXPECT(((c->flags & COMMAND_READONLY) != 0) == !op_writes(c->op));
            EXPECT(c->op != OP_NOTHING);
        } else {
            EXPECT((c->flags & (COMMAND_WRITE | COMMAND_READONLY)) == 0 && c->first_key == 0);
        }
        for (size_t j = 0; c->subcommands != NULL && j < c->subcommand_count; j++) {
            EXPECT(c->subcommands[j].answer != NULL && strlen(c->subcommands[j].summary) > 0);
        }
    }
}

TEST(the_reference_page_is_made_from_the_table)
{
    const char *path = TEST_SOURCE_DIR "/../docs/reference/commands.md";
    struct buf made = {0};
    commands_write_reference(&made);
    if (getenv("QUORATE_UPDATE_DOCS") != NULL) {
        FILE *out = fopen(path, "wb");
        EXPECT(out != NULL);
        EXPECT(fwrite(buf_bytes(&made).data, 1, buf_size(&made), out) == buf_size(&made));
        EXPECT(fclose(out) == 0);
    }
    FILE *in = fopen(path, "rb");
    EXPECT(in != NULL);
    struct buf page = {0};
    size_t got = 0;
    do {
        got = fread(buf_reserve(&page, 4096), 1, 4096, in);
        buf_added(&page, got);
    } while (got > 0);
    (void)fclose(in);
    EXPECT(bytes_equal(buf_bytes(&page), buf_bytes(&made)));
    buf_deinit(&page);
    buf_deinit(&made);
}

TEST_MAIN(CASE(rows_are_sorted_and_found_in_any_case),
          CASE(every_row_is_served_in_one_way_and_says_so_in_its_flags),
          CASE(the_reference_page_is_made_from_the_table))
