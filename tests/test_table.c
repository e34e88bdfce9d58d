/* SPDX-License-Identifier: MIT */
/* The command table and its lookup; slots of keys. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "session_world.h"

static const struct command *find(const char *command) {
    char *line = strdup(command);
    struct resp_arg args[WORLD_ARGS_MAX];
    size_t count = world_split(line, args);
    const struct command *row = command_find(args, count);

    free(line);
    return row;
}

static void assert_found(const char *command, const char *name) {
    const struct command *row = find(command);

    if (!row)
        fail_msg("%s is not found", command);
    else
        assert_string_equal(row->name, name);
}

static void a_name_is_found_in_any_case(void **state) {
    (void)state;
    assert_found("get", "get");
    assert_found("GET k", "get");
    assert_found("gEt k", "get");
    assert_found("RAFT.INFO", "raft.info");
    assert_null(find("ge"));
    assert_null(find("gett"));
    assert_null(find("\"\""));
    assert_null(find("raft\x0einfo")); /* differs from '.' by the bit that lowers letters */
}

static void a_container_leads_to_its_subcommand(void **state) {
    (void)state;
    assert_found("CLIENT", "client");
    assert_found("Client Id", "client|id");
    assert_found("COMMAND", "command");
    assert_found("command docs get", "command|docs");
    assert_null(find("client nosuch"));
    assert_null(find("client \"\""));
    assert_null(find("get|x"));
    assert_null(find("client|id"));
    assert_null(find("client id|x"));
    assert_null(find("clien t|id"));
}

static void a_very_long_name_is_unknown(void **state) {
    static char name[1 << 20];
    struct resp_arg args[2] = {{name, sizeof name}, {name, sizeof name}};
    (void)state;

    memset(name, 'a', sizeof name);
    assert_null(command_find(args, 2));
    args[0] = (struct resp_arg){"client", 6};
    assert_null(command_find(args, 2));
    assert_null(command_find_name(&args[1]));
}

/* Every row can be found by its own words, and keeps the rules that the gate and COMMAND build on. */
static void check_row(const struct command *row, bool top) {
    char words[64];
    const char *bar = strchr(row->name, '|');

    snprintf(words, sizeof words, "%s", row->name);
    if (bar)
        words[bar - row->name] = ' ';
    assert_ptr_equal(find(words), row);
    struct resp_arg name = {row->name, strlen(row->name)};
    assert_ptr_equal(command_find_name(&name), row);
    assert_int_equal(bar == NULL, top);
    for (const char *at = row->name; *at; at++)
        assert_false(*at >= 'A' && *at <= 'Z');
    assert_true(row->arity != 0);
    assert_non_null(row->summary);
    assert_non_null(row->since);
    assert_non_null(row->group);
    assert_non_null(row->complexity);
    assert_false(row->run && row->session);
    assert_true(row->run || row->session || row->subcommands);
    assert_true((row->flags & (COMMAND_READONLY | COMMAND_WRITE)) == 0 || row->run);
    assert_false((row->flags & COMMAND_READONLY) && (row->flags & COMMAND_WRITE));
    assert_true((row->first_key != 0) <= (row->keys != NULL));
    assert_int_equal(row->first_key != 0, row->key_step != 0);
    for (const struct command_keys *keys = row->keys; keys && keys->flags; keys++)
        assert_true(row->first_key || keys->count_at || keys->search == KEYS_BEHIND_WORD);
}

static void every_row_is_found_and_well_formed(void **state) {
    size_t count, subcommands = 0;
    const struct command *rows = command_table(&count);
    (void)state;

    assert_null(rows[count].name);
    for (size_t i = 0; i < count; i++) {
        check_row(&rows[i], true);
        for (const struct command *sub = rows[i].subcommands; sub && sub->name; sub++, subcommands++)
            check_row(sub, false);
    }
    assert_true(count > 50 && subcommands > 40);
}

static void arity_counts_the_name_and_may_be_a_least(void **state) {
    (void)state;
    assert_true(command_arity_ok(find("get"), 2));
    assert_false(command_arity_ok(find("get"), 1));
    assert_false(command_arity_ok(find("get"), 3));
    assert_true(command_arity_ok(find("del"), 2));
    assert_true(command_arity_ok(find("del"), 100));
    assert_false(command_arity_ok(find("del"), 1));
    assert_true(command_arity_ok(find("info"), 1));
}

static void the_first_key_is_where_the_row_says(void **state) {
    struct resp_arg args[3] = {{"get", 3}, {"k", 1}, {"v", 1}};
    (void)state;

    assert_ptr_equal(command_first_key(find("get k"), args, 2), &args[1]);
    assert_ptr_equal(command_first_key(find("mset k v"), args, 3), &args[1]);
    assert_null(command_first_key(find("get"), args, 1));
    assert_null(command_first_key(find("ping"), args, 2));
}

static void assert_places(const char *command, size_t specification, size_t first, size_t last) {
    char *line = strdup(command);
    struct resp_arg args[WORLD_ARGS_MAX];
    size_t count = world_split(line, args);
    struct command_places places;

    assert_true(command_places(command_find(args, count), specification, args, count, &places));
    assert_int_equal(places.first, first);
    assert_int_equal(places.last, last);
    free(line);
}

static void assert_no_places(const char *command) {
    char *line = strdup(command);
    struct resp_arg args[WORLD_ARGS_MAX];
    size_t count = world_split(line, args);
    struct command_places places;

    assert_false(command_places(command_find(args, count), 0, args, count, &places));
    assert_null(command_first_key(command_find(args, count), args, count));
    free(line);
}

static void keys_that_are_counted_stand_behind_their_number(void **state) {
    struct resp_arg args[4] = {{"lmpop", 5}, {"1", 1}, {"k", 1}, {"left", 4}};
    (void)state;

    assert_ptr_equal(command_first_key(find("lmpop 1 k left"), args, 4), &args[2]);
    assert_places("lmpop 2 a b left", 0, 2, 3);
    assert_places("lmpop 1 a left count 3", 0, 2, 2);
    assert_no_places("lmpop 0 a left");
    assert_no_places("lmpop -1 a left");
    assert_no_places("lmpop x a left");
    assert_no_places("lmpop 3 a b");
    assert_no_places("lmpop 9223372036854775807 a left");
    assert_no_places("lmpop");
}

static void sort_stores_behind_the_last_store_that_is_no_value(void **state) {
    (void)state;
    assert_places("sort a limit 0 1 by b*", 0, 1, 1);
    assert_places("sort a limit 0 1 by b*", 2, 1, 0);
    assert_places("sort a store b", 2, 3, 3);
    assert_places("sort a store b STORE c", 2, 5, 5);
    assert_places("sort a by store get store alpha store c", 2, 8, 8);
    assert_places("sort a store", 2, 1, 0);
}

/* The slot of a key, by the definition: a bit at a time. */
static unsigned slow_slot(const char *bytes, size_t length) {
    unsigned crc = 0;

    for (size_t i = 0; i < length * 8; i++) {
        unsigned bit = ((unsigned char)bytes[i / 8] >> (7 - i % 8)) & 1, top = (crc >> 15) & 1;
        crc = (crc << 1) & 0xffff;
        if (bit ^ top)
            crc ^= 0x1021;
    }
    return crc % 16384;
}

static void a_slot_is_the_keys_checksum(void **state) {
    char key[64];
    (void)state;

    for (unsigned i = 0; i < 20000; i++) {
        int length =
            snprintf(key, sizeof key, "key:%u:%c%c", i * 2654435761u, (char)(i % 256), (char)(i / 7 % 256));
        struct resp_arg arg = {key, (size_t)length};
        if (!memchr(key, '{', arg.length))
            assert_int_equal(command_key_slot(&arg), slow_slot(key, arg.length));
    }
    assert_int_equal(command_key_slot(&(struct resp_arg){"123456789", 9}),
                     0x31c3); /* the checksum's known test value */
}

static void only_the_tag_counts_when_there_is_one(void **state) {
    static const struct {
        const char *key, *counted;
    } cases[] = {{"{user}a", "user"},
                 {"b{user}", "user"},
                 {"{user}{x}", "user"},
                 {"a{}b", "a{}b"},
                 {"a{b", "a{b"},
                 {"a}b{c}d", "c"},
                 {"{", "{"},
                 {"{}", "{}"},
                 {"a{{b}}c", "{b"},
                 {"{}{user}", "{}{user}"}};
    (void)state;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct resp_arg key = {cases[i].key, strlen(cases[i].key)};
        assert_int_equal(command_key_slot(&key), slow_slot(cases[i].counted, strlen(cases[i].counted)));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_is_found_in_any_case),
        cmocka_unit_test(a_container_leads_to_its_subcommand),
        cmocka_unit_test(a_very_long_name_is_unknown),
        cmocka_unit_test(every_row_is_found_and_well_formed),
        cmocka_unit_test(arity_counts_the_name_and_may_be_a_least),
        cmocka_unit_test(the_first_key_is_where_the_row_says),
        cmocka_unit_test(keys_that_are_counted_stand_behind_their_number),
        cmocka_unit_test(sort_stores_behind_the_last_store_that_is_no_value),
        cmocka_unit_test(a_slot_is_the_keys_checksum),
        cmocka_unit_test(only_the_tag_counts_when_there_is_one),
    };
    return cmocka_run_group_tests_name("table", tests, NULL, NULL);
}
