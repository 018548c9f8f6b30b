/* base/bytes: the strict integer forms that INCR and every option parser rest on. */
#include "base/bytes.h"
#include "harness/test.h"

TEST(integers_parse_only_in_the_strict_form)
{
    int64_t value = 7;
    EXPECT(bytes_to_int64(bytes_of_text("-9223372036854775808"), &value) && value == INT64_MIN);
    EXPECT(bytes_to_int64(bytes_of_text("9223372036854775807"), &value) && value == INT64_MAX);
    EXPECT(bytes_to_int64(bytes_of_text("0"), &value) && value == 0);
    const char *wrong[] = {"", "-", "+1", "01", "-0", " 1", "1 ", "9223372036854775808", "1a"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        EXPECT(!bytes_to_int64(bytes_of_text(wrong[i]), &value));
    }
    EXPECT(value == 0);
}

TEST(integers_print_what_they_parse)
{
    const int64_t values[] = {0, 1, -1, 42, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        uint8_t text[20];
        int64_t back = 0;
        EXPECT(bytes_to_int64(bytes_of(text, bytes_from_int64(values[i], text)), &back));
        EXPECT(back == values[i]);
    }
}

TEST(words_compare_without_case)
{
    EXPECT(bytes_equal_word(bytes_of_text("gEt"), "GET"));
    EXPECT(!bytes_equal_word(bytes_of_text("ge"), "GET"));
    EXPECT(!bytes_equal_word(bytes_of_text("gets"), "GET"));
}

TEST_MAIN(CASE(integers_parse_only_in_the_strict_form),
          CASE(integers_print_what_they_parse),
          CASE(words_compare_without_case))
