/* base/err: every code has its own text, and a wrong code has one too. */
#include "base/err.h"
#include "harness/test.h"

#include <string.h>

TEST(every_code_has_a_text_of_its_own)
{
    static const int codes[] = {Q_OK,
#define X(name, code, text) name,
                                Q_ERR_MAP(X)
#undef X
    };
    const size_t count = sizeof codes / sizeof codes[0];
    for (size_t i = 0; i < count; i++) {
        EXPECT(codes[i] <= 0);
        EXPECT(err_text(codes[i])[0] != '\0');
        for (size_t j = 0; j < i; j++) {
            EXPECT(codes[i] != codes[j]);
            EXPECT(strcmp(err_text(codes[i]), err_text(codes[j])) != 0);
        }
    }
}

TEST(an_unknown_code_has_a_text)
{
    EXPECT(err_text(1) != NULL);
    EXPECT(err_text(-9999)[0] != '\0');
}

TEST_MAIN(CASE(every_code_has_a_text_of_its_own), CASE(an_unknown_code_has_a_text))
