/* base/os/log: one event is one line, whatever a client puts into it. */
#include "base/os/log.h"
#include "harness/test.h"

#include <string.h>
#include <unistd.h>

static char line[4096];

/* Runs one log_event with stderr going to a pipe, and leaves what came out in `line`. */
static void capture(enum log_level level, bool json, enum log_level lowest, const char *value)
{
    int ends[2];
    REQUIRE(pipe(ends) == 0);
    const int saved = dup(STDERR_FILENO);
    REQUIRE(saved >= 0);
    REQUIRE(dup2(ends[1], STDERR_FILENO) >= 0);
    log_configure(lowest, json);
    log_event(level, "peer.lost", "peer=%d reason=\"%s\"", 2, value);
    log_configure(LOG_INFO, false);
    REQUIRE(dup2(saved, STDERR_FILENO) >= 0);
    (void)close(saved);
    (void)close(ends[1]);
    memset(line, 0, sizeof line);
    REQUIRE(read(ends[0], line, sizeof line - 1) >= 0);
    (void)close(ends[0]);
}

static bool is_one_line(void)
{
    const char *end = strchr(line, '\n');
    return end != NULL && end[1] == '\0';
}

TEST(an_event_is_one_logfmt_line)
{
    capture(LOG_WARN, false, LOG_INFO, "timeout");
    EXPECT(is_one_line());
    EXPECT(strncmp(line, "time=2", 6) == 0);
    EXPECT(strstr(line, "Z level=warn event=peer.lost peer=2 reason=\"timeout\"\n") != NULL);
}

TEST(json_escapes_quotes_and_backslashes)
{
    capture(LOG_ERROR, true, LOG_INFO, "a\\b");
    EXPECT(is_one_line());
    EXPECT(line[0] == '{');
    EXPECT(strstr(line, "\"level\":\"error\",\"event\":\"peer.lost\"") != NULL);
    EXPECT(strstr(line, "reason=\\\"a\\\\b\\\"") != NULL);
}

/* A client's bytes in a log line must not be able to begin another one. */
TEST(control_characters_cannot_forge_a_line)
{
    capture(LOG_INFO, false, LOG_INFO, "x\ntime=now level=error event=forged\r\x1b[2J\x7f");
    EXPECT(is_one_line());
    EXPECT(strstr(line, "\\u000atime=now") != NULL);
    EXPECT(strchr(line, '\x1b') == NULL && strchr(line, '\r') == NULL);
    EXPECT(strchr(line, '\x7f') == NULL);
}

TEST(an_overlong_event_is_cut_but_still_one_line)
{
    static char value[5000];
    memset(value, '\n', sizeof value - 1);
    capture(LOG_INFO, false, LOG_INFO, value);
    EXPECT(is_one_line());
    EXPECT(strlen(line) < 2300);
}

TEST(levels_below_the_lowest_and_off_say_nothing)
{
    capture(LOG_INFO, false, LOG_WARN, "x");
    EXPECT(line[0] == '\0');
    capture(LOG_WARN, false, LOG_WARN, "x");
    EXPECT(line[0] != '\0');
    capture(LOG_ERROR, false, LOG_OFF, "x");
    EXPECT(line[0] == '\0');
}

TEST_MAIN(CASE(an_event_is_one_logfmt_line),
          CASE(json_escapes_quotes_and_backslashes),
          CASE(control_characters_cannot_forge_a_line),
          CASE(an_overlong_event_is_cut_but_still_one_line),
          CASE(levels_below_the_lowest_and_off_say_nothing))
