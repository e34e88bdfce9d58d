/* SPDX-License-Identifier: MIT */
/* SCAN: its options, and its promise while keys come, go and move. */
#include "call_world.h"

static void scan_takes_its_options(void **state) {
    (void)state;
#define CURSOR "-ERR invalid cursor"
    static const struct row rows[] = {
        {"SCAN 0", "*2 $1 0 *0"},
        {"MSET a 1 b 2 ab 3", "+OK"},
        {"SCAN 0", "*2 $1 0 *3 $2 ab $1 b $1 a"},
        {"SCAN 0 COUNT 1", "*2 $1 2 *1 $2 ab"},
        {"SCAN 2 COUNT 1", "*2 $1 1 *1 $1 b"},
        {"SCAN 1 COUNT 1", "*2 $1 0 *1 $1 a"},
        {"SCAN 2", "*2 $1 0 *2 $1 b $1 a"},
        {"SCAN 99", "*2 $1 0 *3 $2 ab $1 b $1 a"},
        {"SCAN 0 match a* count 100", "*2 $1 0 *2 $2 ab $1 a"},
        {"SCAN 0 MATCH *", "*2 $1 0 *3 $2 ab $1 b $1 a"},
        {"SCAN 0 TYPE STRING MATCH b", "*2 $1 0 *1 $1 b"},
        {"SCAN 0 TYPE hash", "*2 $1 0 *0"},
        {"SCAN 0 COUNT 9223372036854775807", "*2 $1 0 *3 $2 ab $1 b $1 a"},
        {"SCAN x", CURSOR},
        {"SCAN 1x", CURSOR},
        {"SCAN 18446744073709551616", CURSOR},
        {"SCAN 0 COUNT 0", SYNTAX},
        {"SCAN 0 COUNT x", NOT_INTEGER},
        {"SCAN 0 COUNT", SYNTAX},
        {"SCAN 0 MATCH", SYNTAX},
        {"SCAN 0 what x", SYNTAX},
    };
    expect_rows(rows, sizeof rows / sizeof rows[0]);
    struct fixture f = fixture_new();
    for (size_t i = 0; i < 4; i++)
        expect(&f, (const char *[]){"SCAN ''", "SCAN -1", "SCAN +00", "SCAN 18446744073709551615"}[i],
               "*2 $1 0 *0");
    keyspace_free(f.keyspace);
}

enum { SCAN_NAMES = 400 };

static uint64_t draw(uint64_t *seed, uint64_t below) {
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (*seed >> 33) % below;
}

/* Something that makes, moves or takes away keys: all but those that `kept` names, which may only be renamed
 * over. */
static void disturb(struct fixture *f, uint64_t *seed, const bool *kept) {
    char line[96];
    int name = (int)draw(seed, SCAN_NAMES), other = (int)draw(seed, SCAN_NAMES);
    uint64_t what = draw(seed, 100);
    if (what < 30)
        snprintf(line, sizeof line, "SET k%d v%s", name, kept[name] ? "" : " PX 30");
    else if (what < 60 && !kept[name])
        snprintf(line, sizeof line, "DEL k%d", name);
    else if (what < 80 && !kept[name])
        snprintf(line, sizeof line, "RENAME k%d k%d", name, other);
    else
        snprintf(line, sizeof line, "APPEND k%d longer-by-this", name);
    run(f, line);
    if (kept[other]) { /* a rename may have given it a deadline */
        snprintf(line, sizeof line, "PERSIST k%d", other);
        run(f, line);
    }
    if (what % 7 == 0)
        keyspace_advance(f->keyspace, keyspace_clock(f->keyspace) + 1);
    if (what % 3 == 0)
        keyspace_reclaim(f->keyspace, 2);
}

/* Notes the names in a SCAN's reply; returns its cursor. */
static uint64_t take_names(const char *reply, bool *seen) {
    uint64_t cursor = strtoull(strchr(reply + 3, ' ') + 1, NULL, 10);
    for (const char *at = strstr(reply, " k"); at; at = strstr(at + 1, " k"))
        seen[atoi(at + 2)] = true;
    return cursor;
}

static void scan_returns_every_key_that_is_there_throughout(void **state) {
    (void)state;
    uint64_t seed = 9;
    for (int round = 0; round < 40; round++) {
        struct fixture f = fixture_new();
        bool kept[SCAN_NAMES] = {false}, seen[SCAN_NAMES] = {false};
        char line[64];
        for (int i = 0; i < SCAN_NAMES; i++) {
            kept[i] = draw(&seed, 3) == 0;
            snprintf(line, sizeof line, "SET k%d v%s", i, kept[i] ? "" : " PX 40");
            expect(&f, line, "+OK");
        }
        uint64_t cursor = 0, calls = 0;
        do {
            snprintf(line, sizeof line, "SCAN %llu COUNT %d", (unsigned long long)cursor, 1 + round % 12);
            cursor = take_names(run(&f, line), seen);
            for (int i = 0; i < 10; i++)
                disturb(&f, &seed, kept);
            assert_true(++calls < 2 * SCAN_NAMES);
        } while (cursor != 0);
        for (int i = 0; i < SCAN_NAMES; i++)
            if (kept[i] && !seen[i])
                fail_msg("round %d: k%d was there throughout and was not returned", round, i);
        keyspace_free(f.keyspace);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scan_takes_its_options),
        cmocka_unit_test(scan_returns_every_key_that_is_there_throughout),
    };
    return cmocka_run_group_tests_name("scan", tests, NULL, NULL);
}
