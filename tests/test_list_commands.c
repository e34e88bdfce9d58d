/* SPDX-License-Identifier: MIT */
/* Lists; sorting of lists, sets and sorted sets. */
#include "../src/data/lists.h"
#include "call_world.h"

static void pushing_adds_at_either_end_and_tells_the_length(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"RPUSH l a", ":1"},
        {"RPUSH l b c", ":3"},
        {"LPUSH l x y", ":5"},
        {"LRANGE l 0 -1", "*5 $1 y $1 x $1 a $1 b $1 c"},
        {"LPUSHX l z", ":6"},
        {"RPUSHX l z z", ":8"},
        {"LLEN l", ":8"},
        {"LPUSHX none a", ":0"},
        {"RPUSHX none a", ":0"},
        {"EXISTS none", ":0"},
        {"LLEN none", ":0"},
        {"RPUSH l ''", ":9"},
        {"LINDEX l -1", "$0"},
        {"TYPE l", "+list"},
        {"OBJECT ENCODING l", "$9 quicklist"},
        {"SET s v", "+OK"},
        {"LPUSH s a", "-WRONGTYPE Operation against a key holding the wrong kind of value"},
        {"RPUSHX s a", "-WRONGTYPE Operation against a key holding the wrong kind of value"},
        {"LLEN s", "-WRONGTYPE Operation against a key holding the wrong kind of value"},
        {"GET l", "-WRONGTYPE Operation against a key holding the wrong kind of value"},
        {"APPEND l x", "-WRONGTYPE Operation against a key holding the wrong kind of value"},
        {"INCR l", "-WRONGTYPE Operation against a key holding the wrong kind of value"},
        {"GETSET l x", "-WRONGTYPE Operation against a key holding the wrong kind of value"},
        {"MGET l s", "*2 $-1 $1 v"},
        {"SETNX l x", ":0"},
        {"SET l x GET", "-WRONGTYPE Operation against a key holding the wrong kind of value"},
        {"SET l x", "+OK"},
        {"TYPE l", "+string"},
    };
    expect_rows(rows, sizeof rows / sizeof rows[0]);
}

static void popping_takes_from_either_end_one_or_several(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"RPUSH l 1 2 3 4 5 6 7", ":7"},
        {"LPOP l", "$1 1"},
        {"RPOP l", "$1 7"},
        {"LPOP l 2", "*2 $1 2 $1 3"},
        {"RPOP l 2", "*2 $1 6 $1 5"},
        {"LPOP l 0", "*0"},
        {"RPOP l 0", "*0"},
        {"LPOP l -1", "-ERR value is out of range, must be positive"},
        {"LPOP l x", "-ERR value is out of range, must be positive"},
        {"LPOP l 1.5", "-ERR value is out of range, must be positive"},
        {"LPOP l 1 2", "-ERR wrong number of arguments for 'lpop' command"},
        {"RPOP l 1 2", "-ERR wrong number of arguments for 'rpop' command"},
        {"LPOP l 99", "*1 $1 4"},
        {"EXISTS l", ":0"},
        {"LPOP l", "$-1"},
        {"LPOP l 1", "*-1"},
        {"RPOP l 0", "*-1"},
        {"SET s v", "+OK"},
        {"LPOP s", "-WRONGTYPE Operation against a key holding the wrong kind of value"},
        {"RPOP s 1", "-WRONGTYPE Operation against a key holding the wrong kind of value"},
        {"LPOP s -1", "-ERR value is out of range, must be positive"},
    };
    expect_rows(rows, sizeof rows / sizeof rows[0]);
}

static void an_index_may_count_from_the_end(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"RPUSH l a b c d", ":4"},
        {"LINDEX l 0", "$1 a"},
        {"LINDEX l 3", "$1 d"},
        {"LINDEX l 4", "$-1"},
        {"LINDEX l -1", "$1 d"},
        {"LINDEX l -4", "$1 a"},
        {"LINDEX l -5", "$-1"},
        {"LINDEX l -9223372036854775808", "$-1"},
        {"LINDEX l x", "-ERR value is not an integer or out of range"},
        {"LINDEX none x", "$-1"},
        {"LINDEX none 0", "$-1"},
        {"SET s v", "+OK"},
        {"LINDEX s x", "-WRONGTYPE Operation against a key holding the wrong kind of value"},
        {"LSET l 0 A", "+OK"},
        {"LSET l -1 D", "+OK"},
        {"LSET l 4 x", "-ERR index out of range"},
        {"LSET l -5 x", "-ERR index out of range"},
        {"LSET l x x", "-ERR value is not an integer or out of range"},
        {"LSET none x x", "-ERR no such key"},
        {"LSET s x x", "-WRONGTYPE Operation against a key holding the wrong kind of value"},
        {"LRANGE l 0 -1", "*4 $1 A $1 b $1 c $1 D"},
        {"LRANGE l -3 2", "*2 $1 b $1 c"},
        {"LRANGE l 2 1", "*0"},
        {"LRANGE l 9 10", "*0"},
        {"LRANGE l -100 100", "*4 $1 A $1 b $1 c $1 D"},
        {"LRANGE l 0 x", "-ERR value is not an integer or out of range"},
        {"LRANGE none x 0", "-ERR value is not an integer or out of range"},
        {"LRANGE none 0 -1", "*0"},
        {"LRANGE s 0 -1", "-WRONGTYPE Operation against a key holding the wrong kind of value"},
        {"LRANGE s 0 x", "-ERR value is not an integer or out of range"},
    };
    expect_rows(rows, sizeof rows / sizeof rows[0]);
}

static void linsert_puts_an_element_beside_the_first_that_is_equal(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"RPUSH l a b a c", ":4"},
        {"LINSERT l BEFORE a x", ":5"},
        {"LINSERT l after a y", ":6"},
        {"LINSERT l AFTER c z", ":7"},
        {"LINSERT l BEFORE none q", ":-1"},
        {"LINSERT l BESIDE a q", "-ERR syntax error"},
        {"LINSERT none BEFORE a q", ":0"},
        {"EXISTS none", ":0"},
        {"LRANGE l 0 -1", "*7 $1 x $1 a $1 y $1 b $1 a $1 c $1 z"},
        {"RPUSH n 1 2 3", ":3"},
        {"LINSERT n BEFORE 2 1.5", ":4"},
        {"LINSERT n BEFORE 02 x", ":-1"},
        {"LRANGE n 0 -1", "*4 $1 1 $3 1.5 $1 2 $1 3"},
        {"SET s v", "+OK"},
        {"LINSERT s BEFORE a b", "-WRONGTYPE Operation against a key holding the wrong kind of value"},
        {"LINSERT s BESIDE a b", "-ERR syntax error"},
    };
    expect_rows(rows, sizeof rows / sizeof rows[0]);
}

static void lrem_removes_from_the_side_that_the_sign_says(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"RPUSH l a b a c a b", ":6"},
        {"LREM l 1 a", ":1"},
        {"LREM l -1 a", ":1"},
        {"LRANGE l 0 -1", "*4 $1 b $1 a $1 c $1 b"},
        {"LREM l 0 b", ":2"},
        {"LREM l 5 none", ":0"},
        {"LREM l x a", "-ERR value is not an integer or out of range"},
        {"LREM none 0 a", ":0"},
        {"LREM l -5 a", ":1"},
        {"LRANGE l 0 -1", "*1 $1 c"},
        {"LREM l -9223372036854775808 c", ":1"},
        {"EXISTS l", ":0"},
        {"SET s v", "+OK"},
        {"LREM s 0 a", "-WRONGTYPE Operation against a key holding the wrong kind of value"},
        {"LREM s x a", "-ERR value is not an integer or out of range"},
    };
    expect_rows(rows, sizeof rows / sizeof rows[0]);
}

static void ltrim_keeps_what_lies_between(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"RPUSH l 0 1 2 3 4 5 6 7 8 9", ":10"},
        {"LTRIM l 1 -2", "+OK"},
        {"LRANGE l 0 -1", "*8 $1 1 $1 2 $1 3 $1 4 $1 5 $1 6 $1 7 $1 8"},
        {"LTRIM l -5 3", "+OK"},
        {"LRANGE l 0 -1", "*1 $1 4"},
        {"LTRIM l 0 -1", "+OK"},
        {"LTRIM l x 0", "-ERR value is not an integer or out of range"},
        {"LTRIM none 0 1", "+OK"},
        {"LTRIM l 3 2", "+OK"},
        {"EXISTS l", ":0"},
        {"SET s v", "+OK"},
        {"LTRIM s 0 1", "-WRONGTYPE Operation against a key holding the wrong kind of value"},
        {"LTRIM s 0 x", "-ERR value is not an integer or out of range"},
    };
    expect_rows(rows, sizeof rows / sizeof rows[0]);
}

static void an_element_moves_from_one_list_to_another(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"RPUSH a 1 2 3", ":3"},
        {"RPOPLPUSH a b", "$1 3"},
        {"LMOVE a b LEFT RIGHT", "$1 1"},
        {"LRANGE a 0 -1", "*1 $1 2"},
        {"LRANGE b 0 -1", "*2 $1 3 $1 1"},
        {"LMOVE a b right left", "$1 2"},
        {"EXISTS a", ":0"},
        {"LMOVE a b LEFT LEFT", "$-1"},
        {"RPOPLPUSH a a", "$-1"},
        {"LMOVE b b UP LEFT", "-ERR syntax error"},
        {"LMOVE b b LEFT UP", "-ERR syntax error"},
        {"SET s v", "+OK"},
        {"LMOVE s b LEFT LEFT", "-WRONGTYPE Operation against a key holding the wrong kind of value"},
        {"LMOVE b s LEFT LEFT", "-WRONGTYPE Operation against a key holding the wrong kind of value"},
        {"LMOVE none s LEFT LEFT", "$-1"},
        {"RPOPLPUSH b s", "-WRONGTYPE Operation against a key holding the wrong kind of value"},
        {"LRANGE b 0 -1", "*3 $1 2 $1 3 $1 1"},
    };
    expect_rows(rows, sizeof rows / sizeof rows[0]);
}

static void a_list_turns_when_it_moves_its_own_elements(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"RPUSH l a b c 4", ":4"},
        {"EXPIREAT l 4000000000", ":1"},
        {"RPOPLPUSH l l", "$1 4"},
        {"LMOVE l l LEFT RIGHT", "$1 4"},
        {"LMOVE l l LEFT LEFT", "$1 a"},
        {"LMOVE l l RIGHT LEFT", "$1 4"},
        {"LRANGE l 0 -1", "*4 $1 4 $1 a $1 b $1 c"},
        {"EXPIRETIME l", ":4000000000"},
        {"RPUSH one x", ":1"},
        {"EXPIREAT one 4000000000", ":1"},
        {"RPOPLPUSH one one", "$1 x"},
        {"LRANGE one 0 -1", "*1 $1 x"},
        {"EXPIRETIME one", ":4000000000"},
    };
    expect_rows(rows, sizeof rows / sizeof rows[0]);
}

static void lpos_tells_where_equal_elements_lie(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"RPUSH l a b c 1 2 3 c c", ":8"},
        {"LPOS l c", ":2"},
        {"LPOS l c RANK 2", ":6"},
        {"LPOS l c RANK -1", ":7"},
        {"LPOS l c RANK -3", ":2"},
        {"LPOS l c RANK 4", "$-1"},
        {"LPOS l c COUNT 2", "*2 :2 :6"},
        {"LPOS l c COUNT 0", "*3 :2 :6 :7"},
        {"LPOS l c COUNT 0 RANK -2", "*2 :6 :2"},
        {"LPOS l c count 1 rank 2", "*1 :6"},
        {"LPOS l c MAXLEN 2", "$-1"},
        {"LPOS l c MAXLEN 3", ":2"},
        {"LPOS l c MAXLEN 0", ":2"},
        {"LPOS l c COUNT 0 MAXLEN 7", "*2 :2 :6"},
        {"LPOS l c RANK -1 MAXLEN 1 COUNT 5", "*1 :7"},
        {"LPOS l 2", ":4"},
        {"LPOS l 02", "$-1"},
        {"LPOS l none", "$-1"},
        {"LPOS l none COUNT 1", "*0"},
        {"LPOS none a", "$-1"},
        {"LPOS none a COUNT 1", "*0"},
        {"LPOS l c RANK 0", "-ERR RANK can't be zero: use 1 to start from the first match, 2 from the second "
                            "... or use negative to start from the end of the list"},
        {"LPOS l c RANK x", "-ERR value is not an integer or out of range"},
        {"LPOS l c COUNT -1", "-ERR COUNT can't be negative"},
        {"LPOS l c COUNT x", "-ERR COUNT can't be negative"},
        {"LPOS l c MAXLEN -1", "-ERR MAXLEN can't be negative"},
        {"LPOS l c RANK", "-ERR syntax error"},
        {"LPOS l c RANK 0 COUNT", "-ERR RANK can't be zero: use 1 to start from the first match, 2 from the "
                                  "second ... or use negative to start from the end of the list"},
        {"LPOS l c FOO 1", "-ERR syntax error"},
        {"SET s v", "+OK"},
        {"LPOS s v", "-WRONGTYPE Operation against a key holding the wrong kind of value"},
        {"LPOS s v FOO", "-ERR syntax error"},
    };
    expect_rows(rows, sizeof rows / sizeof rows[0]);
}

static void lmpop_pops_from_the_first_list_that_is_there(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"RPUSH b 1 2 3 4", ":4"},
        {"RPUSH c x", ":1"},
        {"LMPOP 3 a b c LEFT", "*2 $1 b *1 $1 1"},
        {"LMPOP 3 a b c RIGHT COUNT 2", "*2 $1 b *2 $1 4 $1 3"},
        {"LMPOP 1 b left count 10", "*2 $1 b *1 $1 2"},
        {"EXISTS b", ":0"},
        {"LMPOP 2 a b LEFT", "*-1"},
        {"LMPOP 2 a b LEFT COUNT 2", "*-1"},
        {"LMPOP 0 a LEFT", "-ERR numkeys should be greater than 0"},
        {"LMPOP -1 a LEFT", "-ERR numkeys should be greater than 0"},
        {"LMPOP x a LEFT", "-ERR numkeys should be greater than 0"},
        {"LMPOP 2 a LEFT", "-ERR syntax error"},
        {"LMPOP 9 a LEFT", "-ERR syntax error"},
        {"LMPOP 1 a UP", "-ERR syntax error"},
        {"LMPOP 1 a b LEFT", "-ERR syntax error"},
        {"LMPOP 1 c LEFT COUNT", "-ERR syntax error"},
        {"LMPOP 1 c LEFT COUNT 0", "-ERR count should be greater than 0"},
        {"LMPOP 1 c LEFT COUNT x", "-ERR count should be greater than 0"},
        {"LMPOP 1 c LEFT COUNT 1 COUNT 1", "-ERR syntax error"},
        {"LMPOP 1 c LEFT FOO 1", "-ERR syntax error"},
        {"SET s v", "+OK"},
        {"LMPOP 2 s c LEFT", "-WRONGTYPE Operation against a key holding the wrong kind of value"},
        {"LMPOP 2 c s LEFT", "*2 $1 c *1 $1 x"},
        {"LMPOP 2 c s LEFT", "-WRONGTYPE Operation against a key holding the wrong kind of value"},
    };
    expect_rows(rows, sizeof rows / sizeof rows[0]);
}

static void numbers_are_sorted_by_their_value(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"RPUSH l 3 -1 2.5 10 1e1 0", ":6"},
        {"SORT l", "*6 $2 -1 $1 0 $3 2.5 $1 3 $2 10 $3 1e1"},
        {"SORT l DESC", "*6 $3 1e1 $2 10 $1 3 $3 2.5 $1 0 $2 -1"},
        {"SORT l desc ASC", "*6 $2 -1 $1 0 $3 2.5 $1 3 $2 10 $3 1e1"},
        {"SORT l LIMIT 1 2", "*2 $1 0 $3 2.5"},
        {"SORT l LIMIT -1 2", "*2 $2 -1 $1 0"},
        {"SORT l LIMIT 4 -1", "*2 $2 10 $3 1e1"},
        {"SORT l LIMIT 9 2", "*0"},
        {"SORT l LIMIT 0 0", "*0"},
        {"SORT l LIMIT 0 -5", "*6 $2 -1 $1 0 $3 2.5 $1 3 $2 10 $3 1e1"},
        {"SORT l ALPHA", "*6 $2 -1 $1 0 $2 10 $3 1e1 $3 2.5 $1 3"},
        {"SORT l ALPHA DESC LIMIT 0 2", "*2 $1 3 $3 2.5"},
        {"SORT l LIMIT 0 x", "-ERR value is not an integer or out of range"},
        {"SORT l LIMIT 0", "-ERR syntax error"},
        {"SORT l FOO", "-ERR syntax error"},
        {"SORT l BY", "-ERR syntax error"},
        {"SORT l GET", "-ERR syntax error"},
        {"SORT l STORE", "-ERR syntax error"},
        {"SORT none", "*0"},
        {"SORT none STORE none2", ":0"},
        {"SORT none FOO", "-ERR syntax error"},
        {"SORT_RO l DESC", "*6 $3 1e1 $2 10 $1 3 $3 2.5 $1 0 $2 -1"},
        {"SORT_RO l STORE x", "-ERR syntax error"},
        {"RPUSH m 1 a", ":2"},
        {"SORT m", "-ERR One or more scores can't be converted into double"},
        {"SORT m STORE x", "-ERR One or more scores can't be converted into double"},
        {"EXISTS x", ":0"},
        {"SORT m ALPHA", "*2 $1 1 $1 a"},
        {"SORT m BY nosort", "*2 $1 1 $1 a"},
        {"RPUSH e '' 1 -1", ":3"},
        {"SORT e", "*3 $2 -1 $0  $1 1"},
        {"RPUSH inf inf -inf 0x10 5", ":4"},
        {"SORT inf", "*4 $4 -inf $1 5 $4 0x10 $3 inf"},
        {"RPUSH nan nan", ":1"},
        {"SORT nan", "-ERR One or more scores can't be converted into double"},
        {"RPUSH big 1e400", ":1"},
        {"SORT big", "-ERR One or more scores can't be converted into double"},
        {"SET s v", "+OK"},
        {"SORT s", "-WRONGTYPE Operation against a key holding the wrong kind of value"},
        {"SORT s FOO", "-ERR syntax error"},
    };
    expect_rows(rows, sizeof rows / sizeof rows[0]);
}

static void keys_named_by_patterns_weigh_and_are_told(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"RPUSH l 1 2 3 4", ":4"},
        {"MSET w1 30 w2 10 w3 20 n1 one n2 two n3 three ww1x 7", "+OK"},
        {"SORT l BY w*", "*4 $1 4 $1 2 $1 3 $1 1"},
        {"SORT l BY w* DESC", "*4 $1 1 $1 3 $1 2 $1 4"},
        {"SORT l BY w* GET n*", "*4 $-1 $3 two $5 three $3 one"},
        {"SORT l BY w* GET # GET n* GET x*",
         "*12 $1 4 $-1 $-1 $1 2 $3 two $-1 $1 3 $5 three $-1 $1 1 $3 one $-1"},
        {"SORT l BY w* LIMIT 1 2 GET n*", "*2 $3 two $5 three"},
        {"SORT l BY n*", "-ERR One or more scores can't be converted into double"},
        {"SORT l BY n* ALPHA", "*4 $1 4 $1 1 $1 3 $1 2"},
        {"SORT l BY n* ALPHA DESC", "*4 $1 2 $1 3 $1 1 $1 4"},
        {"SORT l BY missing* ALPHA", "*4 $1 1 $1 2 $1 3 $1 4"},
        {"SORT l BY missing* ALPHA DESC", "*4 $1 1 $1 2 $1 3 $1 4"},
        {"SORT l BY nosort", "*4 $1 1 $1 2 $1 3 $1 4"},
        {"SORT l BY nosort DESC", "*4 $1 4 $1 3 $1 2 $1 1"},
        {"SORT l BY nosort DESC LIMIT 1 2", "*2 $1 3 $1 2"},
        {"SORT l BY nosort LIMIT 1 2 GET #", "*2 $1 2 $1 3"},
        {"SORT l BY nosort BY w*", "*4 $1 1 $1 2 $1 3 $1 4"},
        {"SORT l BY # DESC", "*4 $1 4 $1 3 $1 2 $1 1"},
        {"SORT l GET n1", "*4 $-1 $-1 $-1 $-1"},
        {"SORT l GET *", "*4 $-1 $-1 $-1 $-1"},
        {"SORT l GET ww*x", "*4 $1 7 $-1 $-1 $-1"},
        {"SORT l GET n*-> GET w*", "*8 $-1 $2 30 $-1 $2 10 $-1 $2 20 $-1 $-1"},
        {"SORT l GET l", "*4 $-1 $-1 $-1 $-1"},
        {"SORT_RO l BY w* GET n*", "*4 $-1 $3 two $5 three $3 one"},
    };
    expect_rows(rows, sizeof rows / sizeof rows[0]);
}

static void what_was_sorted_may_be_stored_even_over_itself(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"RPUSH l 3 1 2", ":3"},
        {"SORT l STORE l", ":3"},
        {"LRANGE l 0 -1", "*3 $1 1 $1 2 $1 3"},
        {"SET s v EX 100", "+OK"},
        {"SORT l DESC STORE s", ":3"},
        {"LRANGE s 0 -1", "*3 $1 3 $1 2 $1 1"},
        {"TTL s", ":-1"},
        {"MSET n1 one n3 three", "+OK"},
        {"SORT l BY nosort GET # GET n* STORE n1", ":6"},
        {"LRANGE n1 0 -1", "*6 $1 1 $3 one $1 2 $0  $1 3 $5 three"},
        {"SORT l LIMIT 5 1 STORE n1", ":0"},
        {"EXISTS n1", ":0"},
        {"SORT l STORE a STORE b", ":3"},
        {"EXISTS a b", ":1"},
        {"SORT none STORE b", ":0"},
        {"EXISTS b", ":0"},
        {"SORT l ALPHA STORE", "-ERR syntax error"},
    };
    expect_rows(rows, sizeof rows / sizeof rows[0]);
}

/* ---- what other families make --- */

static struct resp_arg arg(const char *text) {
    return (struct resp_arg){text, strlen(text)};
}

static void open_key(struct fixture *f, struct collection *c, const char *key, enum value_type type) {
    struct resp_arg name = arg(key);
    collection_open(c, f->keyspace, f->db, &name, type, NULL);
}

static void make_set(struct fixture *f, const char *key, const char *const *members, size_t count) {
    struct collection c;
    open_key(f, &c, key, VALUE_SET);
    for (size_t i = 0; i < count; i++) {
        struct resp_arg member = arg(members[i]);
        set_add(&c, &member);
    }
    collection_close(&c, f->version);
}

static void make_zset(struct fixture *f, const char *key, const char *const *members, size_t count) {
    struct collection c;
    open_key(f, &c, key, VALUE_ZSET);
    for (size_t i = 0; i < count; i++) {
        struct resp_arg member = arg(members[i]);
        zset_set(&c, &member, (double)i);
    }
    collection_close(&c, f->version);
}

static void make_hash(struct fixture *f, const char *key, const char *field, const char *value) {
    struct collection c;
    struct resp_arg name = arg(field), bytes = arg(value);
    open_key(f, &c, key, VALUE_HASH);
    hash_set(&c, &name, &bytes);
    collection_close(&c, f->version);
}

static void sets_and_sorted_sets_are_sorted_too(void **state) {
    (void)state;
    static const char *const numbers[] = {"3", "1", "2"};
    static const char *const words[] = {"c", "a", "b", "d"};
    struct fixture f = fixture_new();
    make_set(&f, "set", numbers, 3);
    make_set(&f, "letters", words, 4);
    make_zset(&f, "zset", words, 4);
    make_hash(&f, "hash", "f", "v");
    expect(&f, "SORT set", "*3 $1 1 $1 2 $1 3");
    expect(&f, "SORT set DESC LIMIT 0 2", "*2 $1 3 $1 2");
    expect(&f, "SORT letters", "-ERR One or more scores can't be converted into double");
    expect(&f, "SORT set BY nosort LIMIT 1 5", "*2 $1 1 $1 2");
    expect(&f, "SORT letters ALPHA", "*4 $1 a $1 b $1 c $1 d");
    expect(&f, "SORT letters BY nosort STORE to", ":4");
    expect(&f, "LRANGE to 0 -1", "*4 $1 a $1 b $1 c $1 d");
    expect(&f, "SORT letters BY nosort LIMIT 1 2 DESC STORE to", ":2");
    expect(&f, "LRANGE to 0 -1", "*2 $1 c $1 b");
    expect(&f, "SORT zset ALPHA DESC", "*4 $1 d $1 c $1 b $1 a");
    expect(&f, "SORT zset BY nosort", "*4 $1 c $1 a $1 b $1 d");
    expect(&f, "SORT zset BY nosort DESC", "*4 $1 d $1 b $1 a $1 c");
    expect(&f, "SORT zset BY nosort DESC LIMIT 1 2", "*2 $1 b $1 a");
    expect(&f, "SORT zset BY nosort LIMIT 3 10", "*1 $1 d");
    expect(&f, "SORT hash", "-WRONGTYPE Operation against a key holding the wrong kind of value");
    expect(&f, "LPUSH set x", "-WRONGTYPE Operation against a key holding the wrong kind of value");
    expect(&f, "TYPE zset", "+zset");
    expect(&f, "TYPE hash", "+hash");
    expect(&f, "TYPE set", "+set");
    keyspace_free(f.keyspace);
}

static void a_pattern_may_lead_to_a_field_of_a_hash(void **state) {
    (void)state;
    struct fixture f = fixture_new();
    make_hash(&f, "h1", "w", "20");
    make_hash(&f, "h2", "w", "10");
    make_hash(&f, "h3", "other", "x");
    expect(&f, "RPUSH l 1 2 3 4", ":4");
    expect(&f, "SET h4 string", "+OK");
    expect(&f, "SORT l BY h*->w", "*4 $1 3 $1 4 $1 2 $1 1");
    expect(&f, "SORT l BY h*->w DESC GET h*->w", "*4 $2 20 $2 10 $-1 $-1");
    expect(&f, "SORT l GET h*->other GET h*", "*8 $-1 $-1 $-1 $-1 $1 x $-1 $-1 $6 string");
    expect(&f, "SORT l BY h*->w GET h*->w STORE to", ":4");
    expect(&f, "LRANGE to 0 -1", "*4 $0  $0  $2 10 $2 20");
    expect(&f, "SORT l BY h*->other", "-ERR One or more scores can't be converted into double");
    keyspace_free(f.keyspace);
}

static void nothing_to_pop_is_null_in_either_protocol(void **state) {
    (void)state;
    struct fixture f = fixture_new();
    expect(&f, "LPOP none", "$-1");
    expect(&f, "LPOP none 1", "*-1");
    expect(&f, "LMPOP 1 none LEFT", "*-1");
    expect(&f, "LPOS none a COUNT 1", "*0");
    f.protocol = 3;
    expect(&f, "LPOP none", "_");
    expect(&f, "LPOP none 1", "_");
    expect(&f, "LMPOP 1 none LEFT", "_");
    expect(&f, "LMOVE none none LEFT LEFT", "_");
    expect(&f, "LINDEX none 0", "_");
    expect(&f, "LPOS none a", "_");
    expect(&f, "RPUSH l 1", ":1");
    expect(&f, "SORT l GET none*", "*1 _");
    expect(&f, "LPOP l 1", "*1 $1 1");
    keyspace_free(f.keyspace);
}

static void a_read_that_meets_a_key_which_is_due_says_so(void **state) {
    (void)state;
    struct fixture f = fixture_new();
    run(&f, "RPUSH l 1 2");
    run(&f, "SET w1 5");
    run(&f, "PEXPIREAT w1 1000500");
    run(&f, "SORT_RO l BY w*");
    assert_false(f.due);
    f.wall_ms = CLOCK + 600;
    run(&f, "SORT_RO l BY w*");
    assert_true(f.due);
    run(&f, "LRANGE l 0 -1");
    assert_false(f.due);
    run(&f, "SORT_RO l GET w*");
    assert_true(f.due);
    keyspace_free(f.keyspace);
}

static void what_a_command_did_not_change_keeps_its_version(void **state) {
    (void)state;
    struct fixture f = fixture_new();
    struct resp_arg key = arg("l");
    run(&f, "RPUSH l a b");
    f.version = 9;
    run(&f, "LREM l 0 none");
    run(&f, "LTRIM l 0 -1");
    run(&f, "LPOP l 0");
    run(&f, "LINSERT l BEFORE none x");
    assert_int_equal(item_version(keyspace_find(f.keyspace, 0, &key)), 1);
    run(&f, "LSET l 0 x");
    assert_int_equal(item_version(keyspace_find(f.keyspace, 0, &key)), 9);
    keyspace_free(f.keyspace);
}

/* ---- long lists, against arrays of numbers --- */

enum { TWIN_MAX = 4000, STEPS = 6000 };

struct twin {
    size_t count;
    int values[TWIN_MAX];
};

/* Elements of some hundred bytes, so that the list outgrows its item. */
static const char *element(int value) {
    static char text[200];
    snprintf(text, sizeof text, "%d%s", value,
             value % 3 ? ""
                       : ":a-tail-that-makes-the-element-long-enough-to-fill-segments-soon-and-many-of-them");
    return text;
}

static void twin_insert(struct twin *twin, size_t at, int value) {
    assert_true(twin->count < TWIN_MAX);
    memmove(twin->values + at + 1, twin->values + at, (twin->count++ - at) * sizeof twin->values[0]);
    twin->values[at] = value;
}

static int twin_remove(struct twin *twin, size_t at) {
    int value = twin->values[at];
    memmove(twin->values + at, twin->values + at + 1, (--twin->count - at) * sizeof twin->values[0]);
    return value;
}

static void expect_element(struct fixture *f, const char *line, int value) {
    char reply[256];
    snprintf(reply, sizeof reply, "$%zu %s", strlen(element(value)), element(value));
    expect(f, line, reply);
}

static void twin_step(struct fixture *f, struct twin *twin, unsigned kind, unsigned chance) {
    char line[512], reply[64];
    int value = (int)(chance % 50);
    size_t at = twin->count ? chance % twin->count : 0;
    bool head = chance & 1;
    if (kind < 4 && twin->count < TWIN_MAX / 2) {
        snprintf(line, sizeof line, "%s l %s", head ? "LPUSH" : "RPUSH", element(value));
        twin_insert(twin, head ? 0 : twin->count, value);
        snprintf(reply, sizeof reply, ":%zu", twin->count);
        expect(f, line, reply);
    } else if (twin->count > 1 && kind == 4) {
        expect_element(f, head ? "LPOP l" : "RPOP l", twin_remove(twin, head ? 0 : twin->count - 1));
    } else if (twin->count > 0 && kind == 5) {
        snprintf(line, sizeof line, "LSET l %zu %s", at, element(value));
        twin->values[at] = value;
        expect(f, line, "+OK");
    } else if (twin->count > 0 && kind == 6) {
        int moved = twin_remove(twin, head ? 0 : twin->count - 1);
        twin_insert(twin, head ? twin->count : 0, moved);
        expect_element(f, head ? "LMOVE l l LEFT RIGHT" : "RPOPLPUSH l l", moved);
    } else if (twin->count > 0) {
        snprintf(line, sizeof line, "LINDEX l -%zu", at + 1);
        expect_element(f, line, twin->values[twin->count - 1 - at]);
    }
}

static void a_long_list_is_what_an_array_would_be(void **state) {
    (void)state;
    static struct twin twin;
    struct fixture f = fixture_new(), same = fixture_new();
    uint64_t chance = 7;
    for (int step = 0; step < STEPS; step++) {
        chance = chance * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        struct twin before = twin;
        twin_step(&f, &twin, (unsigned)(chance >> 60) % 8, (unsigned)(chance >> 33));
        twin_step(&same, &before, (unsigned)(chance >> 60) % 8, (unsigned)(chance >> 33));
    }
    assert_true(twin.count > 1000);
    for (size_t i = 0; i < twin.count; i++) {
        char line[64];
        snprintf(line, sizeof line, "LRANGE l %zu %zu", i, i);
        run(&f, line);
        assert_string_equal(strrchr(f.reply, ' ') + 1, element(twin.values[i]));
    }
    expect(&f, "SORT l ALPHA STORE to", run(&same, "SORT l ALPHA STORE to"));
    assert_true(keyspace_digest(f.keyspace) == keyspace_digest(same.keyspace));
    keyspace_free(f.keyspace);
    keyspace_free(same.keyspace);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pushing_adds_at_either_end_and_tells_the_length),
        cmocka_unit_test(popping_takes_from_either_end_one_or_several),
        cmocka_unit_test(an_index_may_count_from_the_end),
        cmocka_unit_test(linsert_puts_an_element_beside_the_first_that_is_equal),
        cmocka_unit_test(lrem_removes_from_the_side_that_the_sign_says),
        cmocka_unit_test(ltrim_keeps_what_lies_between),
        cmocka_unit_test(an_element_moves_from_one_list_to_another),
        cmocka_unit_test(a_list_turns_when_it_moves_its_own_elements),
        cmocka_unit_test(lpos_tells_where_equal_elements_lie),
        cmocka_unit_test(lmpop_pops_from_the_first_list_that_is_there),
        cmocka_unit_test(numbers_are_sorted_by_their_value),
        cmocka_unit_test(keys_named_by_patterns_weigh_and_are_told),
        cmocka_unit_test(what_was_sorted_may_be_stored_even_over_itself),
        cmocka_unit_test(sets_and_sorted_sets_are_sorted_too),
        cmocka_unit_test(a_pattern_may_lead_to_a_field_of_a_hash),
        cmocka_unit_test(nothing_to_pop_is_null_in_either_protocol),
        cmocka_unit_test(a_read_that_meets_a_key_which_is_due_says_so),
        cmocka_unit_test(what_a_command_did_not_change_keeps_its_version),
        cmocka_unit_test(a_long_list_is_what_an_array_would_be),
    };
    return cmocka_run_group_tests_name("list_commands", tests, NULL, NULL);
}
