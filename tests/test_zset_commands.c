/* SPDX-License-Identifier: MIT */
/* Sorted sets: each command as Redis answers it, then what takes many members. */
#include "../src/data/collection.h"
#include "call_world.h"

#define WRONG_TYPE "-WRONGTYPE Operation against a key holding the wrong kind of value"
#define NOT_FLOAT  "-ERR value is not a valid float"
#define NO_RANGE   "-ERR min or max is not a float"
#define NO_BYTES   "-ERR min or max not valid string range item"

static void zadd_adds_members_and_changes_their_scores(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"ZADD z 1 a 2 b", ":2"},
        {"ZADD z 1 a 3 b 4 c", ":1"},
        {"ZADD z CH 1 a 5 b 6 d", ":2"},
        {"ZADD z NX 9 a 9 e", ":1"},
        {"ZADD z XX 7 a 7 nobody", ":0"},
        {"ZADD z XX CH 8 a", ":1"},
        {"ZADD z GT 1 a", ":0"},
        {"ZADD z GT CH 9 a", ":1"},
        {"ZADD z LT CH 10 a 2 a", ":1"},
        {"ZADD z GT XX CH 10 nobody", ":0"},
        {"ZADD z INCR 0.5 a", "$3 2.5"},
        {"ZADD z NX INCR 1 a", "$-1"},
        {"ZADD z XX INCR 1 nobody", "$-1"},
        {"ZADD z GT INCR -1 a", "$-1"},
        {"ZADD none XX 1 a", ":0"},
        {"ZADD none XX INCR 1 a", "$-1"},
        {"EXISTS none", ":0"},
        {"ZADD z NX XX 1 a", "-ERR XX and NX options at the same time are not compatible"},
        {"ZADD z GT LT 1 a", "-ERR GT, LT, and/or NX options at the same time are not compatible"},
        {"ZADD z GT NX 1 a", "-ERR GT, LT, and/or NX options at the same time are not compatible"},
        {"ZADD z INCR 1 a 2 b", "-ERR INCR option supports a single increment-element pair"},
        {"ZADD z 1 a 2", SYNTAX},
        {"ZADD z NX 1", SYNTAX},
        {"ZADD z 1 a x b", NOT_FLOAT},
        {"ZADD z nan a", NOT_FLOAT},
        {"ZADD z '' a", NOT_FLOAT},
        {"ZADD z inf a -inf b", ":0"},
        {"ZADD z INCR -inf a", "-ERR resulting score is not a number (NaN)"},
        {"ZRANGE z 0 -1 WITHSCORES", "*10 $1 b $4 -inf $1 c $1 4 $1 d $1 6 $1 e $1 9 $1 a $3 inf"},
        {"ZINCRBY z 1.5 c", "$3 5.5"},
        {"ZINCRBY z x c", NOT_FLOAT},
        {"ZINCRBY z 3 new", "$1 3"},
        {"SET s string", "+OK"},
        {"ZADD s 1 a", WRONG_TYPE},
        {"ZINCRBY s 1 a", WRONG_TYPE},
        {"TYPE z", "+zset"},
    };
    expect_rows(rows, sizeof rows / sizeof rows[0]);
}

static void members_are_read_and_removed(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"ZADD z 1 a 2 b 3 c", ":3"},
        {"ZCARD z", ":3"},
        {"ZCARD none", ":0"},
        {"ZSCORE z b", "$1 2"},
        {"ZSCORE z nobody", "$-1"},
        {"ZSCORE none a", "$-1"},
        {"ZMSCORE z a nobody c", "*3 $1 1 $-1 $1 3"},
        {"ZMSCORE none a b", "*2 $-1 $-1"},
        {"ZRANK z c", ":2"},
        {"ZREVRANK z c", ":0"},
        {"ZRANK z nobody", "$-1"},
        {"ZRANK none a", "$-1"},
        {"ZREM z a nobody c c", ":2"},
        {"ZREM none a", ":0"},
        {"ZREM z b", ":1"},
        {"EXISTS z", ":0"},
        {"SET s string", "+OK"},
        {"ZCARD s", WRONG_TYPE},
        {"ZSCORE s a", WRONG_TYPE},
        {"ZMSCORE s a", WRONG_TYPE},
        {"ZRANK s a", WRONG_TYPE},
        {"ZREM s a", WRONG_TYPE},
    };
    expect_rows(rows, sizeof rows / sizeof rows[0]);
}

static void scores_are_written_as_redis_writes_them(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"ZADD z 0.1 a 1e17 b 1e300 c 5e-324 d 3.14159265358979323846 e -0 f 123456789012345678 g 0x10 h",
         ":8"},
        {"ZRANGE z 0 -1 WITHSCORES",
         "*16 $1 f $1 0 $1 d $23 4.9406564584124654e-324 $1 a $19 0.10000000000000001 $1 e $18 "
         "3.1415926535897931 $1 h $2 16 $1 b $5 1e+17 $1 g $22 1.2345678901234568e+17 $1 c $23 "
         "1.0000000000000001e+300"},
        {"ZSCAN z 0", "*2 $1 0 *16 $1 f $1 0 $1 d $23 4.9406564584124654e-324 $1 a $19 0.10000000000000001 "
                      "$1 e $18 3.1415926535897931 $1 h $2 16 $1 b $18 100000000000000000 $1 g $18 "
                      "123456789012345680 $1 c $23 1.0000000000000001e+300"},
        {"ZINCRBY z 0.2 a", "$19 0.30000000000000004"},
        {"ZADD y INCR -0 a", "$2 -0"},
        {"ZSCORE y a", "$1 0"},
    };
    expect_rows(rows, sizeof rows / sizeof rows[0]);
}

static void ranges_of_ranks_count_from_either_end(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"ZADD z 1 a 2 b 3 c 4 d", ":4"},
        {"ZRANGE z 0 -1", "*4 $1 a $1 b $1 c $1 d"},
        {"ZRANGE z 1 2 WITHSCORES", "*4 $1 b $1 2 $1 c $1 3"},
        {"ZRANGE z -2 -1", "*2 $1 c $1 d"},
        {"ZRANGE z 3 1", "*0"},
        {"ZRANGE z 5 9", "*0"},
        {"ZRANGE z -9 0", "*1 $1 a"},
        {"ZRANGE z 0 1 REV", "*2 $1 d $1 c"},
        {"ZRANGE z 0 1 REV WITHSCORES", "*4 $1 d $1 4 $1 c $1 3"},
        {"ZREVRANGE z 0 0 WITHSCORES", "*2 $1 d $1 4"},
        {"ZREVRANGE z 0 0 REV", SYNTAX},
        {"ZRANGE z 0 -1 LIMIT 0 1",
         "-ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX"},
        {"ZRANGE z 0 -1 LIMIT 0 -1", "*4 $1 a $1 b $1 c $1 d"},
        {"ZRANGE z 0 -1 LIMIT 0", SYNTAX},
        {"ZRANGE z 0 -1 FOO", SYNTAX},
        {"ZRANGE z 0 x", NOT_INTEGER},
        {"ZRANGE none 0 -1", "*0"},
        {"ZRANGE none 0 x", NOT_INTEGER},
        {"SET s string", "+OK"},
        {"ZRANGE s 0 -1", WRONG_TYPE},
    };
    expect_rows(rows, sizeof rows / sizeof rows[0]);
}

static void ranges_of_scores_have_open_and_closed_bounds(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"ZADD z 1 a 2 b 2 c 3 d inf e", ":5"},
        {"ZRANGE z 1 2 BYSCORE", "*3 $1 a $1 b $1 c"},
        {"ZRANGE z (1 +inf BYSCORE WITHSCORES", "*8 $1 b $1 2 $1 c $1 2 $1 d $1 3 $1 e $3 inf"},
        {"ZRANGE z 3 (1 BYSCORE REV", "*3 $1 d $1 c $1 b"},
        {"ZRANGE z -inf inf BYSCORE LIMIT 1 2", "*2 $1 b $1 c"},
        {"ZRANGE z inf -inf BYSCORE REV LIMIT 1 2", "*2 $1 d $1 c"},
        {"ZRANGE z -inf inf BYSCORE LIMIT 3 -1", "*2 $1 d $1 e"},
        {"ZRANGE z -inf inf BYSCORE LIMIT -1 2", "*0"},
        {"ZRANGE z -inf inf BYSCORE LIMIT 0 0", "*0"},
        {"ZRANGE z -inf inf BYSCORE LIMIT x 0", NOT_INTEGER},
        {"ZRANGE z (2 (2 BYSCORE", "*0"},
        {"ZRANGE z 3 1 BYSCORE", "*0"},
        {"ZRANGE z '' 1 BYSCORE", "*1 $1 a"},
        {"ZRANGE z 1 x BYSCORE", NO_RANGE},
        {"ZRANGE z (nan 1 BYSCORE", NO_RANGE},
        {"ZRANGE z 1 2 BYSCORE BYLEX", SYNTAX},
        {"ZRANGEBYSCORE z 2 3 WITHSCORES LIMIT 1 1", "*2 $1 c $1 2"},
        {"ZRANGEBYSCORE z 2 3 REV", SYNTAX},
        {"ZREVRANGEBYSCORE z 3 2", "*3 $1 d $1 c $1 b"},
        {"ZREVRANGEBYSCORE z +inf (2 WITHSCORES", "*4 $1 e $3 inf $1 d $1 3"},
        {"ZCOUNT z 1 2", ":3"},
        {"ZCOUNT z (1 (3", ":2"},
        {"ZCOUNT z 3 1", ":0"},
        {"ZCOUNT z a b", NO_RANGE},
        {"ZCOUNT none 1 2", ":0"},
        {"ZREMRANGEBYSCORE z (1 2", ":2"},
        {"ZREMRANGEBYSCORE z x 2", NO_RANGE},
        {"ZREMRANGEBYSCORE none 1 2", ":0"},
        {"ZRANGE z 0 -1", "*3 $1 a $1 d $1 e"},
        {"ZREMRANGEBYSCORE z -inf inf", ":3"},
        {"EXISTS z", ":0"},
    };
    expect_rows(rows, sizeof rows / sizeof rows[0]);
}

static void ranges_of_bytes_run_where_scores_are_the_same(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"ZADD z 0 a 0 aa 0 b 0 c 0 d", ":5"},
        {"ZRANGE z - + BYLEX", "*5 $1 a $2 aa $1 b $1 c $1 d"},
        {"ZRANGE z [aa (c BYLEX", "*2 $2 aa $1 b"},
        {"ZRANGE z + - BYLEX REV LIMIT 1 2", "*2 $1 c $1 b"},
        {"ZRANGE z (a [b BYLEX WITHSCORES",
         "-ERR syntax error, WITHSCORES not supported in combination with BYLEX"},
        {"ZRANGE z + - BYLEX", "*0"},
        {"ZRANGE z - - BYLEX", "*0"},
        {"ZRANGE z a b BYLEX", NO_BYTES},
        {"ZRANGE z -a + BYLEX", NO_BYTES},
        {"ZRANGEBYLEX z [b +", "*3 $1 b $1 c $1 d"},
        {"ZRANGEBYLEX z [b + LIMIT 1 1", "*1 $1 c"},
        {"ZREVRANGEBYLEX z (c -", "*3 $1 b $2 aa $1 a"},
        {"ZLEXCOUNT z [a (b", ":2"},
        {"ZLEXCOUNT z - +", ":5"},
        {"ZLEXCOUNT z x +", NO_BYTES},
        {"ZLEXCOUNT none - +", ":0"},
        {"ZREMRANGEBYLEX z [aa [b", ":2"},
        {"ZREMRANGEBYLEX z ( [", ":0"},
        {"ZRANGE z 0 -1", "*3 $1 a $1 c $1 d"},
    };
    expect_rows(rows, sizeof rows / sizeof rows[0]);
}

static void ranges_are_removed_by_rank_and_stored(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"ZADD z 1 a 2 b 3 c 4 d 5 e", ":5"},
        {"ZREMRANGEBYRANK z 1 2", ":2"},
        {"ZREMRANGEBYRANK z -1 -1", ":1"},
        {"ZREMRANGEBYRANK z 9 10", ":0"},
        {"ZREMRANGEBYRANK z 0 x", NOT_INTEGER},
        {"ZRANGE z 0 -1 WITHSCORES", "*4 $1 a $1 1 $1 d $1 4"},
        {"ZADD z 2 b 3 c", ":2"},
        {"SET to string EX 100", "+OK"},
        {"ZRANGESTORE to z 1 2", ":2"},
        {"ZRANGE to 0 -1 WITHSCORES", "*4 $1 b $1 2 $1 c $1 3"},
        {"TTL to", ":-1"},
        {"ZRANGESTORE to z (2 inf BYSCORE LIMIT 0 1", ":1"},
        {"ZRANGE to 0 -1 WITHSCORES", "*2 $1 c $1 3"},
        {"ZRANGESTORE z z 0 1 REV", ":2"},
        {"ZRANGE z 0 -1 WITHSCORES", "*4 $1 c $1 3 $1 d $1 4"},
        {"ZRANGESTORE z z 0 1 WITHSCORES", SYNTAX},
        {"ZRANGESTORE to z 7 8", ":0"},
        {"EXISTS to", ":0"},
        {"SET to string", "+OK"},
        {"ZRANGESTORE to none 0 -1", ":0"},
        {"EXISTS to", ":0"},
        {"SET s string", "+OK"},
        {"ZRANGESTORE to s 0 -1", WRONG_TYPE},
    };
    expect_rows(rows, sizeof rows / sizeof rows[0]);
}

static void members_are_taken_from_an_end(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"ZADD z 1 a 2 b 3 c 4 d 5 e", ":5"},
        {"ZPOPMIN z", "*2 $1 a $1 1"},
        {"ZPOPMAX z", "*2 $1 e $1 5"},
        {"ZPOPMIN z 0", "*0"},
        {"ZPOPMIN z 2", "*4 $1 b $1 2 $1 c $1 3"},
        {"ZPOPMAX z 9", "*2 $1 d $1 4"},
        {"EXISTS z", ":0"},
        {"ZPOPMIN z", "*0"},
        {"ZPOPMAX z 3", "*0"},
        {"ZPOPMIN z -1", "-ERR value is out of range, must be positive"},
        {"ZPOPMIN z x", "-ERR value is out of range, must be positive"},
        {"ZPOPMIN z 1 2", SYNTAX},
        {"SET s string", "+OK"},
        {"ZPOPMIN s", WRONG_TYPE},
        {"ZPOPMIN s 0", WRONG_TYPE},
        {"ZADD y 1 a 2 b 3 c", ":3"},
        {"ZMPOP 2 none y MIN", "*2 $1 y *1 *2 $1 a $1 1"},
        {"ZMPOP 2 none y MAX COUNT 5", "*2 $1 y *2 *2 $1 c $1 3 *2 $1 b $1 2"},
        {"ZMPOP 2 none y MIN", "*-1"},
        {"ZMPOP 2 none s MIN", WRONG_TYPE},
        {"ZMPOP 0 none MIN", "-ERR numkeys should be greater than 0"},
        {"ZMPOP x none MIN", "-ERR numkeys should be greater than 0"},
        {"ZMPOP 2 none MIN", SYNTAX},
        {"ZMPOP 1 none MID", SYNTAX},
        {"ZMPOP 1 none MIN COUNT 0", "-ERR count should be greater than 0"},
        {"ZMPOP 1 none MIN COUNT 1 COUNT 2", SYNTAX},
        {"ZMPOP 1 none MIN COUNT", SYNTAX},
    };
    expect_rows(rows, sizeof rows / sizeof rows[0]);
}

static void unions_weigh_and_aggregate_scores(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"ZADD a 1 x 2 y", ":2"},
        {"ZADD b 10 y 20 z", ":2"},
        {"ZUNION 2 a b", "*3 $1 x $1 y $1 z"},
        {"ZUNION 2 a b WITHSCORES", "*6 $1 x $1 1 $1 y $2 12 $1 z $2 20"},
        {"ZUNION 2 a b WEIGHTS 2 0.5 WITHSCORES", "*6 $1 x $1 2 $1 y $1 9 $1 z $2 10"},
        {"ZUNION 2 a b AGGREGATE MIN WITHSCORES", "*6 $1 x $1 1 $1 y $1 2 $1 z $2 20"},
        {"ZUNION 2 a b AGGREGATE max WITHSCORES", "*6 $1 x $1 1 $1 y $2 10 $1 z $2 20"},
        {"ZUNION 2 a b WEIGHTS 1 -1 AGGREGATE MIN WITHSCORES", "*6 $1 z $3 -20 $1 y $3 -10 $1 x $1 1"},
        {"ZUNION 3 a none a WITHSCORES", "*4 $1 x $1 2 $1 y $1 4"},
        {"ZUNION 1 none", "*0"},
        {"ZUNION 0 a", "-ERR at least 1 input key is needed for 'zunion' command"},
        {"ZUNION -1 a", "-ERR at least 1 input key is needed for 'zunion' command"},
        {"ZUNION x a", NOT_INTEGER},
        {"ZUNION 3 a b", SYNTAX},
        {"ZUNION 2 a b WEIGHTS 1", SYNTAX},
        {"ZUNION 2 a b WEIGHTS 1 x", "-ERR weight value is not a float"},
        {"ZUNION 2 a b AGGREGATE avg", SYNTAX},
        {"ZUNION 2 a b FOO", SYNTAX},
        {"ZUNIONSTORE to 2 a b", ":3"},
        {"ZRANGE to 0 -1 WITHSCORES", "*6 $1 x $1 1 $1 y $2 12 $1 z $2 20"},
        {"ZUNIONSTORE a 2 a b WEIGHTS 2 2", ":3"},
        {"ZRANGE a 0 -1 WITHSCORES", "*6 $1 x $1 2 $1 y $2 24 $1 z $2 40"},
        {"ZUNIONSTORE to 1 none", ":0"},
        {"EXISTS to", ":0"},
        {"ZUNIONSTORE to 1 a WITHSCORES", SYNTAX},
        {"ZUNIONSTORE to 0 a", "-ERR at least 1 input key is needed for 'zunionstore' command"},
        {"SET s string", "+OK"},
        {"ZUNION 2 a s", WRONG_TYPE},
        {"ZUNIONSTORE to 2 a s FOO", WRONG_TYPE},
        {"ZADD i inf x", ":1"},
        {"ZADD j -inf x", ":1"},
        {"ZUNION 2 i j WITHSCORES", "*2 $1 x $1 0"},
        {"ZUNION 1 i WEIGHTS 0 WITHSCORES", "*2 $1 x $1 0"},
    };
    expect_rows(rows, sizeof rows / sizeof rows[0]);
}

static void intersections_and_differences_are_told_stored_and_counted(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"ZADD a 1 x 2 y 3 z", ":3"},
        {"ZADD b 10 y 20 z", ":2"},
        {"ZINTER 2 a b WITHSCORES", "*4 $1 y $2 12 $1 z $2 23"},
        {"ZINTER 2 a b WEIGHTS 2 1 AGGREGATE MAX WITHSCORES", "*4 $1 y $2 10 $1 z $2 20"},
        {"ZINTER 2 a none", "*0"},
        {"ZINTER 2 b b WITHSCORES", "*4 $1 y $2 20 $1 z $2 40"},
        {"ZINTERSTORE to 2 a b AGGREGATE MIN", ":2"},
        {"ZRANGE to 0 -1 WITHSCORES", "*4 $1 y $1 2 $1 z $1 3"},
        {"ZINTERSTORE to 2 a none", ":0"},
        {"EXISTS to", ":0"},
        {"ZINTERCARD 2 a b", ":2"},
        {"ZINTERCARD 2 a b LIMIT 1", ":1"},
        {"ZINTERCARD 2 a b LIMIT 0", ":2"},
        {"ZINTERCARD 2 a b LIMIT -1", "-ERR LIMIT can't be negative"},
        {"ZINTERCARD 2 a b LIMIT", SYNTAX},
        {"ZINTERCARD 2 a b WEIGHTS 1 1", SYNTAX},
        {"ZINTERCARD 0 a", "-ERR at least 1 input key is needed for 'zintercard' command"},
        {"ZDIFF 2 a b", "*1 $1 x"},
        {"ZDIFF 2 a b WITHSCORES", "*2 $1 x $1 1"},
        {"ZDIFF 2 b a", "*0"},
        {"ZDIFF 1 a", "*3 $1 x $1 y $1 z"},
        {"ZDIFF 2 none a", "*0"},
        {"ZDIFF 2 a none WITHSCORES", "*6 $1 x $1 1 $1 y $1 2 $1 z $1 3"},
        {"ZDIFF 2 a b AGGREGATE SUM", SYNTAX},
        {"ZDIFFSTORE to 2 a b", ":1"},
        {"ZRANGE to 0 -1 WITHSCORES", "*2 $1 x $1 1"},
        {"ZDIFFSTORE to 2 a a", ":0"},
        {"EXISTS to", ":0"},
        {"ZDIFFSTORE to 2 a b WITHSCORES", SYNTAX},
    };
    expect_rows(rows, sizeof rows / sizeof rows[0]);
}

static void what_is_drawn_of_one_member_is_that_member(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"ZADD z 1 a", ":1"},
        {"ZRANDMEMBER z", "$1 a"},
        {"ZRANDMEMBER z 5", "*1 $1 a"},
        {"ZRANDMEMBER z -3 WITHSCORES", "*6 $1 a $1 1 $1 a $1 1 $1 a $1 1"},
        {"ZRANDMEMBER z 0", "*0"},
        {"ZRANDMEMBER none", "$-1"},
        {"ZRANDMEMBER none 3", "*0"},
        {"ZRANDMEMBER z x", NOT_INTEGER},
        {"ZRANDMEMBER z 1 FOO", SYNTAX},
        {"ZRANDMEMBER z 1 WITHSCORES x", SYNTAX},
        {"ZRANDMEMBER z -9223372036854775808",
         "-ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807"},
        {"ZRANDMEMBER z 9223372036854775807 WITHSCORES", "-ERR value is out of range"},
        {"SET s string", "+OK"},
        {"ZRANDMEMBER s", WRONG_TYPE},
    };
    expect_rows(rows, sizeof rows / sizeof rows[0]);
}

static void a_small_set_is_scanned_in_one_step(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"ZADD z 1 a 2 b 3 ab", ":3"},
        {"ZSCAN z 0", "*2 $1 0 *6 $1 a $1 1 $1 b $1 2 $2 ab $1 3"},
        {"ZSCAN z 0 MATCH a* COUNT 1", "*2 $1 0 *4 $1 a $1 1 $2 ab $1 3"},
        {"ZSCAN z x", "-ERR invalid cursor"},
        {"ZSCAN z 0 COUNT 0", SYNTAX},
        {"ZSCAN z 0 COUNT x", NOT_INTEGER},
        {"ZSCAN z 0 TYPE zset", SYNTAX},
        {"ZSCAN none 0 FOO", "*2 $1 0 *0"},
        {"SET s string", "+OK"},
        {"ZSCAN s 0", WRONG_TYPE},
    };
    expect_rows(rows, sizeof rows / sizeof rows[0]);
}

static void in_resp3_scores_are_doubles_and_pairs_are_arrays(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"ZADD z 1 a 2.5 b inf c", ":3"},
        {"ZADD z INCR 1 a", ",2"},
        {"ZADD z XX INCR 1 nobody", "_"},
        {"ZSCORE z b", ",2.5"},
        {"ZSCORE z nobody", "_"},
        {"ZMSCORE z a nobody", "*2 ,2 _"},
        {"ZRANGE z 0 -1 WITHSCORES", "*3 *2 $1 a ,2 *2 $1 b ,2.5 *2 $1 c ,inf"},
        {"ZRANGE z 0 0", "*1 $1 a"},
        {"ZRANGEBYSCORE z 2 3 WITHSCORES", "*2 *2 $1 a ,2 *2 $1 b ,2.5"},
        {"ZUNION 1 z WITHSCORES", "*3 *2 $1 a ,2 *2 $1 b ,2.5 *2 $1 c ,inf"},
        {"ZPOPMIN z", "*2 $1 a ,2"},
        {"ZPOPMIN z 1", "*1 *2 $1 b ,2.5"},
        {"ZPOPMIN none", "*0"},
        {"ZMPOP 1 z MIN", "*2 $1 z *1 *2 $1 c ,inf"},
        {"ZMPOP 1 none MIN", "_"},
        {"ZRANDMEMBER none", "_"},
        {"ZADD z 1 a", ":1"},
        {"ZRANDMEMBER z -2 WITHSCORES", "*2 *2 $1 a ,1 *2 $1 a ,1"},
        {"ZRANDMEMBER z 5 WITHSCORES", "*1 *2 $1 a ,1"},
        {"ZSCAN z 0", "*2 $1 0 *2 $1 a $1 1"},
    };
    struct fixture f = fixture_new();
    f.protocol = 3;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        expect(&f, rows[i].line, rows[i].reply);
    keyspace_free(f.keyspace);
}

/* ---- sets among them --------------------------------------------------------------------------------------- */

static void give_set(struct fixture *f, const char *key, const char *const *members) {
    struct collection set;
    collection_open(&set, f->keyspace, 0, &(struct resp_arg){key, strlen(key)}, VALUE_SET, NULL);
    for (; *members; members++)
        (void)set_add(&set, &(struct resp_arg){*members, strlen(*members)});
    (void)collection_close(&set, 1);
}

static void a_member_of_a_set_has_the_score_one(void **state) {
    (void)state;
    static const char *const members[] = {"x", "y", "7", NULL};
    struct fixture f = fixture_new();
    give_set(&f, "set", members);
    expect(&f, "ZADD z 5 y 6 z 7 7", ":3");
    expect(&f, "ZUNION 2 z set WITHSCORES", "*8 $1 x $1 1 $1 y $1 6 $1 z $1 6 $1 7 $1 8");
    expect(&f, "ZUNION 1 set WEIGHTS 3 WITHSCORES", "*6 $1 7 $1 3 $1 x $1 3 $1 y $1 3");
    expect(&f, "ZINTER 2 set z WEIGHTS 10 1 WITHSCORES", "*4 $1 y $2 15 $1 7 $2 17");
    expect(&f, "ZDIFF 2 set z WITHSCORES", "*2 $1 x $1 1");
    expect(&f, "ZDIFF 2 z set WITHSCORES", "*2 $1 z $1 6");
    expect(&f, "ZINTERCARD 2 z set", ":2");
    expect(&f, "ZUNIONSTORE set 2 set z", ":4");
    expect(&f, "TYPE set", "+zset");
    give_set(&f, "other", members);
    expect(&f, "ZADD other 1 x", WRONG_TYPE);
    expect(&f, "ZRANGE other 0 -1", WRONG_TYPE);
    expect(&f, "ZMPOP 1 other MIN", WRONG_TYPE);
    keyspace_free(f.keyspace);
}

/* ---- encodings --------------------------------------------------------------------------------------------- */

static const char *format(const char *text, ...) __attribute__((format(printf, 1, 2)));
static const char *format(const char *text, ...) {
    static char lines[2][512]; /* a line and its reply */
    static unsigned turn;
    char *line = lines[turn++ % 2];
    va_list arguments;
    va_start(arguments, text);
    vsnprintf(line, sizeof lines[0], text, arguments);
    va_end(arguments);
    return line;
}

static void add_many(struct fixture *f, const char *key, int count) {
    for (int i = 0; i < count; i++)
        (void)run(f, format("ZADD %s %d m%d", key, i / 2, i));
}

static void the_encoding_follows_from_the_number_and_length_of_members(void **state) {
    (void)state;
    struct fixture f = fixture_new();
    add_many(&f, "z", 128);
    expect(&f, "OBJECT ENCODING z", "$8 listpack");
    expect(&f, "ZADD z 1 one", ":1");
    expect(&f, "OBJECT ENCODING z", "$8 skiplist");
    expect(&f, "ZREM z one", ":1");
    expect(&f, "OBJECT ENCODING z", "$8 skiplist");
    expect(&f, "ZUNIONSTORE again 1 z", ":128");
    expect(&f, "OBJECT ENCODING again", "$8 listpack");
    expect(&f, format("ZADD long 1 %064d", 1), ":1");
    expect(&f, "OBJECT ENCODING long", "$8 listpack");
    expect(&f, format("ZADD long 1 %065d", 1), ":1");
    expect(&f, "OBJECT ENCODING long", "$8 skiplist");
    keyspace_free(f.keyspace);
}

static void only_a_set_that_is_not_compact_knows_a_negative_zero(void **state) {
    (void)state;
    struct fixture f = fixture_new();
    expect(&f, "ZADD z -0 a", ":1");
    expect(&f, "ZSCORE z a", "$1 0");
    expect(&f, format("ZADD z -0 %065d", 1), ":1");
    expect(&f, format("ZSCORE z %065d", 1), "$2 -0");
    expect(&f, "ZADD z -0 b", ":1");
    expect(&f, "ZSCORE z b", "$2 -0");
    expect(&f, "ZSCORE z a", "$1 0");
    keyspace_free(f.keyspace);
}

/* ---- many members ------------------------------------------------------------------------------------------ */

enum { MANY = 3000 };

/* Member i has the score i / 2, and its bytes are in the order of i. */
static void add_ordered(struct fixture *f, const char *key) {
    for (int i = 0; i < MANY; i++)
        expect(f, format("ZADD %s %d %06d", key, i * 7919 % MANY / 2, i * 7919 % MANY), ":1");
}

static void ranges_of_a_large_set_begin_and_end_where_they_should(void **state) {
    (void)state;
    struct fixture f = fixture_new();
    add_ordered(&f, "z");
    for (int i = 0; i + 3 < MANY; i += 13) {
        char expected[128];
        int even = i / 2 * 2;
        snprintf(expected, sizeof expected, "*3 $6 %06d $6 %06d $6 %06d", i, i + 1, i + 2);
        expect(&f, format("ZRANGE z %d %d", i, i + 2), expected);
        expect(&f, format("ZRANGE z -inf +inf BYSCORE LIMIT %d 3", i), expected);
        snprintf(expected, sizeof expected, "*2 $6 %06d $6 %06d", i + 1, i);
        expect(&f, format("ZREVRANGE z %d %d", MANY - 2 - i, MANY - 1 - i), expected);
        snprintf(expected, sizeof expected, "*2 $6 %06d $6 %06d", even + 1, even);
        expect(&f, format("ZRANGE z %d %d BYSCORE REV", i / 2, i / 2), expected);
        expect(&f, format("ZREVRANGEBYSCORE z (%d (%d", i / 2 + 1, i / 2 - 1), expected);
        expect(&f, format("ZRANK z %06d", i), format(":%d", i));
        snprintf(expected, sizeof expected, ":%d", MANY - even);
        expect(&f, format("ZCOUNT z %d +inf", i / 2), expected);
    }
    expect(&f, format("ZREMRANGEBYSCORE z (0 (%d", MANY / 2 - 1), format(":%d", MANY - 4));
    expect(&f, "ZRANGE z 0 -1", "*4 $6 000000 $6 000001 $6 002998 $6 002999");
    keyspace_free(f.keyspace);
}

static void a_union_of_large_sets_has_every_member_once(void **state) {
    (void)state;
    struct fixture f = fixture_new();
    add_ordered(&f, "a");
    expect(&f, "ZUNIONSTORE b 2 a a WEIGHTS 1 2", format(":%d", MANY));
    expect(&f, "ZREMRANGEBYRANK b 0 9", ":10");
    expect(&f, "ZDIFFSTORE rest 2 a b", ":10");
    expect(&f, "ZRANGE rest -2 -1 WITHSCORES", "*4 $6 000008 $1 4 $6 000009 $1 4");
    expect(&f, "ZINTERCARD 3 a b a", format(":%d", MANY - 10));
    expect(&f, "ZINTERSTORE c 2 b a", format(":%d", MANY - 10));
    expect(&f, "ZRANGE c 0 0 WITHSCORES", "*2 $6 000010 $2 20");
    expect(&f, "ZUNIONSTORE all 2 rest b", format(":%d", MANY));
    expect(&f, "ZSCORE all 000100", "$3 150");
    keyspace_free(f.keyspace);
}

/* Counts the members of a scan's step; returns the next cursor. */
static unsigned long step(struct fixture *f, unsigned long cursor, unsigned seen[MANY]) {
    char *at = f->reply;
    (void)run(f, format("ZSCAN z %lu COUNT 50", cursor));
    assert_int_equal(strncmp(at, "*2 $", 4), 0);
    at = strchr(at + 4, ' ') + 1;
    unsigned long next = strtoul(at, &at, 10);
    for (at = strstr(at, "$6 "); at; at = strstr(at + 3, "$6 ")) {
        unsigned long member = strtoul(at + 3, NULL, 10);
        assert_true(member < MANY);
        seen[member]++;
    }
    return next;
}

static void a_scan_meets_every_member_that_stays(void **state) {
    (void)state;
    static unsigned seen[MANY];
    struct fixture f = fixture_new();
    unsigned long cursor = 0, steps = 0;
    add_ordered(&f, "z");
    do {
        cursor = step(&f, cursor, seen);
        (void)run(&f, format("ZREM z %06lu", (steps * 37) % MANY));
        steps++;
    } while (cursor != 0);
    for (unsigned long i = 0; i < MANY; i++)
        if (strcmp(run(&f, format("ZSCORE z %06lu", i)), "$-1") != 0)
            assert_true(seen[i] >= 1);
    assert_true(steps >= MANY / 50);
    keyspace_free(f.keyspace);
}

static void members_drawn_are_different_or_as_many_as_asked_for(void **state) {
    (void)state;
    struct fixture f = fixture_new();
    char first[REPLY_MAX];
    add_ordered(&f, "z");
    for (f.seed = 1; f.seed < 50; f.seed++) {
        static unsigned seen[MANY];
        memset(seen, 0, sizeof seen);
        strcpy(first, run(&f, "ZRANDMEMBER z 100"));
        assert_string_equal(first, run(&f, "ZRANDMEMBER z 100"));
        assert_int_equal(strncmp(first, "*100 ", 5), 0);
        for (const char *at = strstr(first, "$6 "); at; at = strstr(at + 3, "$6 "))
            assert_int_equal(seen[strtoul(at + 3, NULL, 10)]++, 0);
        assert_int_equal(strncmp(run(&f, "ZRANDMEMBER z -200"), "*200 ", 5), 0);
    }
    expect(&f, "ZRANDMEMBER z -100000000", "-ERR value is out of range");
    keyspace_free(f.keyspace);
}

/* ---- what goes into the log's state ------------------------------------------------------------------------- */

static void what_changes_nothing_keeps_the_version(void **state) {
    (void)state;
    static const char *const lines[] = {
        "ZADD z NX 2 a",         "ZADD z 1 a",  "ZADD z XX 1 b",     "ZINCRBY z 0 a", "ZREM z b",
        "ZREMRANGEBYRANK z 5 6", "ZPOPMIN z 0", "ZADD z INCR nan a", "ZADD z GT 0 a",
    };
    struct fixture f = fixture_new();
    const struct resp_arg key = {"z", 1};
    (void)run(&f, "ZADD z 1 a");
    f.version = 2;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        (void)run(&f, lines[i]);
        assert_int_equal(item_version(keyspace_find(f.keyspace, 0, &key)), 1);
    }
    (void)run(&f, "ZADD z 2 a");
    assert_int_equal(item_version(keyspace_find(f.keyspace, 0, &key)), 2);
    keyspace_free(f.keyspace);
}

static void a_stored_set_has_no_deadline_and_a_changed_one_keeps_it(void **state) {
    (void)state;
    struct fixture f = fixture_new();
    expect(&f, "ZADD z 1 a", ":1");
    expect(&f, "EXPIRE z 100", ":1");
    expect(&f, "ZADD z 2 b", ":1");
    expect(&f, "TTL z", ":100");
    expect(&f, "ZUNIONSTORE z 1 z", ":2");
    expect(&f, "TTL z", ":-1");
    keyspace_free(f.keyspace);
}

static void keys_behind_their_number_are_found(void **state) {
    (void)state;
    struct fixture f = fixture_new();
    size_t count = split(&f, "ZUNION 2 first second");
    const struct command *command = command_find(f.args, count);
    assert_ptr_equal(command_first_key(command, f.args, count), &f.args[2]);
    assert_null(command_first_key(command, f.args, 2));
    count = split(&f, "ZUNIONSTORE to 1 from");
    command = command_find(f.args, count);
    assert_ptr_equal(command_first_key(command, f.args, count), &f.args[1]);
    keyspace_free(f.keyspace);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zadd_adds_members_and_changes_their_scores),
        cmocka_unit_test(members_are_read_and_removed),
        cmocka_unit_test(scores_are_written_as_redis_writes_them),
        cmocka_unit_test(ranges_of_ranks_count_from_either_end),
        cmocka_unit_test(ranges_of_scores_have_open_and_closed_bounds),
        cmocka_unit_test(ranges_of_bytes_run_where_scores_are_the_same),
        cmocka_unit_test(ranges_are_removed_by_rank_and_stored),
        cmocka_unit_test(members_are_taken_from_an_end),
        cmocka_unit_test(unions_weigh_and_aggregate_scores),
        cmocka_unit_test(intersections_and_differences_are_told_stored_and_counted),
        cmocka_unit_test(what_is_drawn_of_one_member_is_that_member),
        cmocka_unit_test(a_small_set_is_scanned_in_one_step),
        cmocka_unit_test(in_resp3_scores_are_doubles_and_pairs_are_arrays),
        cmocka_unit_test(a_member_of_a_set_has_the_score_one),
        cmocka_unit_test(the_encoding_follows_from_the_number_and_length_of_members),
        cmocka_unit_test(only_a_set_that_is_not_compact_knows_a_negative_zero),
        cmocka_unit_test(ranges_of_a_large_set_begin_and_end_where_they_should),
        cmocka_unit_test(a_union_of_large_sets_has_every_member_once),
        cmocka_unit_test(a_scan_meets_every_member_that_stays),
        cmocka_unit_test(members_drawn_are_different_or_as_many_as_asked_for),
        cmocka_unit_test(what_changes_nothing_keeps_the_version),
        cmocka_unit_test(a_stored_set_has_no_deadline_and_a_changed_one_keeps_it),
        cmocka_unit_test(keys_behind_their_number_are_found),
    };
    return cmocka_run_group_tests_name("zset_commands", tests, NULL, NULL);
}
