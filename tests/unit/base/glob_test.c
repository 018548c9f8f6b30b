/* base/glob: what SCAN MATCH and CONFIG GET select. */
#include "base/glob.h"
#include "harness/test.h"

#include <string.h>

static bool matches(const char *pattern, const char *text, enum glob_case how)
{
    return glob_matches(bytes_of_text(pattern), bytes_of_text(text), how);
}

TEST(patterns_match_as_in_redis)
{
    const struct {
        const char *pattern;
        const char *text;
        bool matches;
    } cases[] = {
        {"*", "", true},
        {"", "", true},
        {"", "a", false},
        {"a*", "b", false},
        {"a*c", "abbc", true},
        {"a*c", "abb", false},
        {"*a*b*c*", "xaxxbxc", true},
        {"*a*b*c*", "xaxxcxb", false},
        {"a**", "a", true},
        {"a?c", "abc", true},
        {"a?c", "ac", false},
        {"[a-c]x", "bx", true},
        {"[c-a]x", "bx", true},
        {"[^a-c]x", "bx", false},
        {"[^a-c]x", "dx", true},
        {"[ab", "a", true},
        {"[", "[", false},
        {"[]", "a", false},
        {"\\*", "*", true},
        {"\\*", "a", false},
        {"\\", "\\", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        EXPECT(matches(cases[i].pattern, cases[i].text, GLOB_EXACT) == cases[i].matches);
        EXPECT(matches(cases[i].pattern, cases[i].text, GLOB_IGNORE_CASE) == cases[i].matches);
    }
}

TEST(case_counts_unless_told_otherwise)
{
    EXPECT(!matches("SAVE", "save", GLOB_EXACT));
    EXPECT(matches("SAVE", "save", GLOB_IGNORE_CASE));
    EXPECT(!matches("[A-C]", "b", GLOB_EXACT));
    EXPECT(matches("[A-C]", "b", GLOB_IGNORE_CASE));
}

/* Backtracking globs take exponential time on this one. */
TEST(a_pattern_of_many_stars_ends_soon)
{
    char text[2001];
    memset(text, 'a', 2000);
    text[2000] = '\0';
    EXPECT(!matches("a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", text, GLOB_EXACT));
}

TEST_MAIN(CASE(patterns_match_as_in_redis),
          CASE(case_counts_unless_told_otherwise),
          CASE(a_pattern_of_many_stars_ends_soon))
