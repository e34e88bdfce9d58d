/* SPDX-License-Identifier: MIT */
/* What commands make happen, as values: the names are those of Redis 7.0. A line a command; "event key" for each event, "@db" before it where it is not 0. */
#include "call_world.h"

struct happening {
    const char *line, *events;
};

static void show_events(const struct events *events, char *text, size_t size) {
    size_t length = 0;
    text[0] = '\0';
    for (size_t i = 0; i < events->count; i++) {
        const struct event *event = &events->list[i];
        struct resp_arg key = event_key(events, event), message = event_message(events, event);
        char db[16] = "";
        if (event->db != 0)
            snprintf(db, sizeof db, "@%u ", event->db);
        length += (size_t)snprintf(text + length, size - length, "%s%s%s %.*s%s%.*s", i ? ", " : "", db,
                                   event->name ? event->name : "message", (int)key.length, key.bytes,
                                   event->name ? "" : " ", (int)message.length, message.bytes);
        assert_true(length < size);
    }
}

static void expect_events(const struct happening *rows, size_t count, unsigned wanted) {
    struct fixture f = fixture_new();
    struct events events = {.wanted = wanted};
    keyspace_set_events(f.keyspace, &events);
    for (size_t i = 0; i < count; i++) {
        char text[1024];
        if (strncmp(rows[i].line, "clock ", 6) == 0)
            keyspace_advance(f.keyspace, CLOCK + (uint64_t)atoi(rows[i].line + 6));
        else if (strcmp(rows[i].line, "reclaim") == 0)
            keyspace_reclaim_due(f.keyspace, 100);
        else
            (void)run(&f, rows[i].line);
        show_events(&events, text, sizeof text);
        if (strcmp(text, rows[i].events) != 0)
            fail_msg("%s\n    makes    %s\n    and not  %s", rows[i].line, text, rows[i].events);
        events_cut(&events, 0);
    }
    keyspace_set_events(f.keyspace, NULL);
    keyspace_free(f.keyspace);
    events_close(&events);
}

#define EXPECT_EVENTS(rows, wanted) expect_events(rows, sizeof(rows) / sizeof *(rows), wanted)

static void strings_and_keys_say_what_happened_to_them(void **state) {
    (void)state;
    static const struct happening rows[] = {
        {"SET a 1", "set a"},
        {"SET a 1 NX", ""},
        {"SET a 1 EX 10", "set a, expire a"},
        {"SETEX b 10 x", "set b, expire b"},
        {"GETSET a 2", "set a"},
        {"SETNX a 2", ""},
        {"SETNX c 2", "set c"},
        {"MSET a 1 b 2", "set a, set b"},
        {"MSETNX a 1 z 2", ""},
        {"INCR a", "incrby a"},
        {"DECRBY a 3", "incrby a"},
        {"INCRBYFLOAT a 1.5", "incrbyfloat a"},
        {"APPEND a x", "append a"},
        {"SETRANGE a 1 yy", "setrange a"},
        {"SETRANGE a 1 ''", ""},
        {"SETBIT bits 3 0", "setbit bits"},
        {"SETBIT bits 3 0", ""},
        {"SETBIT bits 3 1", "setbit bits"},
        {"BITFIELD bits SET u8 0 255", "setbit bits"},
        {"BITFIELD bits GET u8 0", ""},
        {"BITOP NOT bits2 bits", "set bits2"},
        {"BITOP NOT bits2 nothing", "del bits2"},
        {"GETEX a EX 10", "expire a"},
        {"GETEX a PERSIST", "persist a"},
        {"GETEX a PERSIST", ""},
        {"GETDEL a", "del a"},
        {"EXPIRE b 10", "expire b"},
        {"PERSIST b", "persist b"},
        {"EXPIRE b -1", "del b"},
        {"DEL b c nothing", "del c"},
        {"RENAME bits d", "rename_from bits, rename_to d"},
        {"RENAME d d", ""},
        {"COPY d e DB 2", "@2 copy_to e"},
        {"MOVE d 3", "move_from d, @3 move_to d"},
        {"FLUSHALL", ""},
    };
    EXPECT_EVENTS(rows, EVENT_ALL);
}

static void collections_say_what_happened_to_them(void **state) {
    (void)state;
    static const struct happening rows[] = {
        {"RPUSH l a b c d", "rpush l"},
        {"LPUSHX nothing a", ""},
        {"LINSERT l BEFORE b x", "linsert l"},
        {"LSET l 0 y", "lset l"},
        {"LREM l 0 nothing", ""},
        {"LREM l 0 x", "lrem l"},
        {"LPOP l", "lpop l"},
        {"LTRIM l 0 5", "ltrim l"},
        {"LMOVE l m LEFT RIGHT", "rpush m, lpop l"},
        {"RPOPLPUSH l l", "lpush l, rpop l"},
        {"RPOP l 5", "rpop l, del l"},
        {"LMPOP 2 l m LEFT", "lpop m, del m"},
        {"HSET h f v", "hset h"},
        {"HSETNX h f v", ""},
        {"HINCRBY h n 1", "hincrby h"},
        {"HINCRBYFLOAT h n 1", "hincrbyfloat h"},
        {"HDEL h nothing", ""},
        {"HDEL h f n", "hdel h, del h"},
        {"SADD s a b", "sadd s"},
        {"SADD s a", ""},
        {"SMOVE s t a", "srem s, sadd t"},
        {"SMOVE s t b", "srem s, del s, sadd t"},
        {"SUNIONSTORE u t", "sunionstore u"},
        {"SINTERSTORE u t nothing", "del u"},
        {"SINTERSTORE u t nothing", ""},
        {"SREM t a", "srem t"},
        {"SPOP t", "spop t, del t"},
        {"ZADD z 1 a 2 b 3 c", "zadd z"},
        {"ZADD z 1 a", ""},
        {"ZADD z INCR 1 a", "zincr z"},
        {"ZINCRBY z 1 a", "zincr z"},
        {"ZRANGESTORE y z 0 -1", "zrangestore y"},
        {"ZUNIONSTORE x 1 y", "zunionstore x"},
        {"ZINTERSTORE x 1 nothing", "del x"},
        {"ZREM z a nothing", "zrem z"},
        {"ZPOPMIN z", "zpopmin z"},
        {"ZPOPMAX z 5", "zpopmax z, del z"},
        {"ZREMRANGEBYRANK y 0 0", "zremrangebyrank y"},
        {"ZREMRANGEBYSCORE y -inf inf", "zremrangebyscore y, del y"},
        {"XADD q 1-1 a b", "xadd q"},
        {"XADD q MAXLEN 1 2-1 a b", "xadd q, xtrim q"},
        {"XADD q MAXLEN 5 3-1 a b", "xadd q"},
        {"XGROUP CREATE q g 0", "xgroup-create q"},
        {"XREADGROUP GROUP g one STREAMS q >", "xgroup-createconsumer q"},
        {"XREADGROUP GROUP g one STREAMS q >", ""},
        {"XACK q g 2-1", ""},
        {"XAUTOCLAIM q g two 0 0", "xgroup-createconsumer q"},
        {"XGROUP SETID q g 0", "xgroup-setid q"},
        {"XGROUP DELCONSUMER q g one", "xgroup-delconsumer q"},
        {"XGROUP DESTROY q g", "xgroup-destroy q"},
        {"XDEL q 9-9", ""},
        {"XDEL q 2-1", "xdel q"},
        {"XSETID q 9-9", "xsetid q"},
        {"XTRIM q MAXLEN 0", "xtrim q"},
        {"RPUSH nums 2 1", "rpush nums"},
        {"SORT nums STORE sorted", "sortstore sorted"},
        {"SORT nothing STORE sorted", "del sorted"},
    };
    EXPECT_EVENTS(rows, EVENT_ALL);
}

static void a_key_whose_time_has_come_says_so_when_it_goes(void **state) {
    (void)state;
    static const struct happening rows[] = {
        {"SET a 1 PX 100", "set a, expire a"},
        {"SET b 1 PX 100", "set b, expire b"},
        {"SWAPDB 0 2", ""},
        {"clock 100", ""},
        {"GET a", ""},
        {"SWAPDB 0 2", ""},
        {"SET a 2", "expired a, set a"},
        {"SWAPDB 0 5", ""},
        {"reclaim", "@5 expired b"},
    };
    EXPECT_EVENTS(rows, EVENT_ALL);
}

static void new_keys_and_missing_ones_are_told_to_those_who_ask(void **state) {
    (void)state;
    static const struct happening rows[] = {
        {"SET a 1", "new a"},
        {"SET a 2", ""},
        {"GET a", ""},
        {"GET b", "keymiss b"},
        {"MGET a b c", "keymiss b, keymiss c"},
        {"INCR n", "new n"},
        {"RENAME a n", "new n"},
        {"COPY n m", "new m"},
        {"SADD s a", "new s"},
        {"SUNIONSTORE t s", "new t"},
        {"SUNIONSTORE t s", ""},
        {"ZADD z 1 a", "new z"},
        {"ZUNIONSTORE y 1 z", "new y"},
        {"ZUNIONSTORE y 1 z", ""},
        {"RPUSH l 1", "new l"},
        {"SORT l STORE k", "new k"},
        {"SORT l STORE k", ""},
        {"HSET h f v", "new h"},
    };
    EXPECT_EVENTS(rows, EVENT_NEW | EVENT_KEY_MISS);
}

static void what_nobody_wants_is_not_kept(void **state) {
    (void)state;
    static const struct happening rows[] = {
        {"SET a 1 EX 10", "expire a"}, {"HSET h f v", ""},    {"HDEL h f", "del h"},
        {"PUBLISH c m", ""},           {"GETDEL a", "del a"},
    };
    EXPECT_EVENTS(rows, EVENT_GENERIC);
}

static void a_message_comes_with_its_channel(void **state) {
    (void)state;
    static const struct happening rows[] = {
        {"PUBLISH news hello", "message news hello"},
        {"SPUBLISH s ''", "message s "},
        {"SET a 1", ""},
    };
    EXPECT_EVENTS(rows, EVENT_MESSAGE | EVENT_SHARD_MESSAGE);
}

/* Replicas and scripts: whoever listens here must not change what is told. */
static void without_an_audience_nobody_is_counted(void **state) {
    (void)state;
    static const struct row rows[] = {{"PUBLISH c m", ":0"}, {"SPUBLISH c m", ":0"}};
    expect_rows(rows, sizeof rows / sizeof *rows);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings_and_keys_say_what_happened_to_them),
        cmocka_unit_test(collections_say_what_happened_to_them),
        cmocka_unit_test(a_key_whose_time_has_come_says_so_when_it_goes),
        cmocka_unit_test(new_keys_and_missing_ones_are_told_to_those_who_ask),
        cmocka_unit_test(what_nobody_wants_is_not_kept),
        cmocka_unit_test(a_message_comes_with_its_channel),
        cmocka_unit_test(without_an_audience_nobody_is_counted),
    };
    return cmocka_run_group_tests_name("notify_commands", tests, NULL, NULL);
}
