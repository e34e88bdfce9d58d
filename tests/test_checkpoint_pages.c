/* SPDX-License-Identifier: MIT */
/*
 * Checkpoints of a keyspace that goes on changing. Random operations of every kind run while checkpoints
 * begin, hand out pages, succeed and fail; the pages of those that succeed go to an array that stands for the
 * disk. After each of them the disk is loaded, and what comes out must be, byte for byte and digest for
 * digest, what was frozen; then the loaded keyspace goes through the operations that followed the freeze, and
 * must be what the first one has become.
 *
 * Two sources of chance: one chooses operations, so that they can be chosen again; the other everything about
 * checkpoints.
 */
#include "checkpoint_world.h"

enum { DATABASES = 3, NAMES = 400, LONG_MAX = 3 << 20 };

struct chance {
    uint64_t seed;
};

/* What the operations run on and are chosen by. */
struct world {
    struct keyspace *keyspace;
    struct chance chance;
    uint64_t version;
};

static uint64_t draw(struct chance *chance, uint64_t below) {
    chance->seed = chance->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (chance->seed >> 33) % below;
}

static char filler[LONG_MAX];

static void fill(void) {
    struct chance chance = {7};
    for (size_t i = 0; i < sizeof filler; i++)
        filler[i] = (char)draw(&chance, 256);
}

static struct resp_arg name_of(char text[16], uint64_t name) {
    return (struct resp_arg){text, (size_t)snprintf(text, 16, "k%llu", (unsigned long long)name)};
}

/* ---- operations --- */

/* Mostly short; often about the lengths at which a value becomes an object or gets another page; seldom long. */
static struct resp_arg random_value(struct chance *chance) {
    static const uint64_t bounds[] = {10, 60, 300, 1100, 3000, 40000, 70000, 200000};
    uint64_t kind = draw(chance, 400);
    size_t length;
    if (kind == 0)
        length = (size_t)draw(chance, LONG_MAX);
    else if (kind < 20)
        length = (size_t)(16384 * (1 + draw(chance, 4)) - 2 + draw(chance, 5));
    else if (kind < 30)
        length = (size_t)(1022 + draw(chance, 5));
    else
        length = (size_t)draw(chance, bounds[kind % (kind < 90 ? 8 : 4)]);
    return (struct resp_arg){filler + draw(chance, LONG_MAX - length), length};
}

static void op_set(struct world *w, unsigned db, const struct resp_arg *key) {
    struct resp_arg value = random_value(&w->chance);
    bool keep = draw(&w->chance, 2);
    keyspace_set_string(w->keyspace, db, key, value.bytes, value.length, keep, w->version);
}

/* A string's item, or NULL. */
static struct item *string_of(struct world *w, unsigned db, const struct resp_arg *key) {
    struct item *item = keyspace_find(w->keyspace, db, key);
    return item && item_type(item) == VALUE_STRING ? item : NULL;
}

static void op_append(struct world *w, unsigned db, const struct resp_arg *key) {
    struct resp_arg value = random_value(&w->chance);
    struct item *item = string_of(w, db, key);
    if (item)
        item_append(w->keyspace, db, item, value.bytes, value.length, w->version);
}

/* ---- operations on collections --- */

/* Few names, so that members are found again; some integers, some long ones. */
static struct resp_arg random_member(struct chance *chance, char text[32]) {
    uint64_t name = draw(chance, 2000), kind = draw(chance, 300);
    if (kind < 5)
        return (struct resp_arg){filler + draw(chance, 1000), (size_t)draw(chance, kind == 0 ? 9000 : 600)};
    const char *format = name % 3 == 0 ? "%llu" : name % 3 == 1 ? "-%llu00000" : "member:%llu";
    return (struct resp_arg){text, (size_t)snprintf(text, 32, format, (unsigned long long)name)};
}

static double random_score(struct chance *chance) {
    double score = (double)draw(chance, 50);
    uint64_t kind = draw(chance, 8);
    return kind == 0 ? score / 7 : kind == 1 ? -score : kind == 2 ? score * 1e300 : score;
}

static void change_hash(struct chance *chance, struct collection *c) {
    char name[32];
    struct resp_arg field = random_member(chance, name), value = random_value(chance);
    if (draw(chance, 6))
        value.length %= 40;
    value.length %= 20000;
    hash_set(c, &field, &value);
}

static void change_set(struct chance *chance, struct collection *c) {
    char name[32];
    struct resp_arg member = random_member(chance, name);
    set_add(c, &member);
}

static void change_zset(struct chance *chance, struct collection *c) {
    char name[32];
    struct resp_arg member = random_member(chance, name);
    zset_set(c, &member, random_score(chance));
    size_t count = collection_count(c->item), from = (size_t)draw(chance, count);
    if (draw(chance, 60) == 0)
        zset_remove_ranks(c, from, from + (size_t)draw(chance, count - from < 20 ? count - from + 1 : 20));
}

static enum list_end random_end(struct chance *chance) {
    return draw(chance, 3) ? LIST_TAIL : LIST_HEAD;
}

static void change_list(struct chance *chance, struct collection *c) {
    char name[32];
    struct resp_arg value = random_member(chance, name);
    size_t count = collection_count(c->item), at = (size_t)draw(chance, count + 1);
    uint64_t what = draw(chance, 100);
    if (draw(chance, 4) == 0)
        value = (struct resp_arg){filler + draw(chance, 1000), (size_t)draw(chance, 400)};
    if (what < 75)
        list_push(c, random_end(chance), &value);
    else if (what < 90)
        list_insert(c, at, &value);
    else if (at < count)
        list_set(c, at, &value);
}

static void remove_elements(struct chance *chance, struct collection *c) {
    char name[32];
    struct resp_arg value = random_member(chance, name);
    size_t count = collection_count(c->item), at = (size_t)draw(chance, count + 1);
    uint64_t what = draw(chance, 1000);
    if (count == 0)
        return;
    if (what < 800)
        list_pop(c, random_end(chance));
    else if (what < 960 && at < count)
        list_remove(c, at, 1);
    else if (what < 970)
        list_remove(c, at, (size_t)draw(chance, count - at < 300 ? count - at + 1 : 300));
    else
        list_remove_equal(c, &value, (size_t)draw(chance, 4), random_end(chance));
}

static void remove_member(struct chance *chance, struct collection *c) {
    char name[32];
    struct resp_arg member = random_member(chance, name);
    size_t count = collection_count(c->item);
    if (item_type(c->item) == VALUE_LIST)
        remove_elements(chance, c);
    else if (draw(chance, 2) && count > 0)
        collection_remove_at(c, (size_t)draw(chance, count));
    else
        collection_remove(c, &member);
}

static void op_collection(struct world *w, unsigned db, const struct resp_arg *key, enum value_type type) {
    static void (*const change[])(struct chance * chance, struct collection * c) = {
        [VALUE_HASH] = change_hash,
        [VALUE_SET] = change_set,
        [VALUE_ZSET] = change_zset,
        [VALUE_LIST] = change_list,
    };
    struct collection_limits limits = {128, 64};
    struct collection c;
    struct item *item = keyspace_find(w->keyspace, db, key);
    if (item && item_type(item) != type)
        keyspace_delete(w->keyspace, db, key);
    collection_open(&c, w->keyspace, db, key, type, &limits);
    uint64_t growth = 1 + draw(&w->chance, 10); /* some collections grow, some shrink */
    for (uint64_t i = draw(&w->chance, 4) ? draw(&w->chance, 4) : draw(&w->chance, 400); i > 0; i--)
        (draw(&w->chance, 10) < growth ? change[type] : remove_member)(&w->chance, &c);
    collection_close(&c, w->version);
}

/* ---- operations on keys --- */

static void op_deadline(struct world *w, unsigned db, const struct resp_arg *key) {
    uint64_t deadline = draw(&w->chance, 4) ? keyspace_clock(w->keyspace) + draw(&w->chance, 300) : 0;
    struct item *item = keyspace_find(w->keyspace, db, key);
    if (item)
        item_set_deadline(w->keyspace, db, item, deadline, w->version);
}

static void op_rename(struct world *w, unsigned db, const struct resp_arg *key) {
    char text[16];
    struct resp_arg to = name_of(text, draw(&w->chance, NAMES));
    if (keyspace_find(w->keyspace, db, key))
        keyspace_rename(w->keyspace, db, key, &to, w->version);
}

static void op_flush(struct world *w, unsigned db) {
    if (draw(&w->chance, 16) == 0)
        keyspace_flush(w->keyspace, db);
}

static void op_overwrite(struct world *w, unsigned db, const struct resp_arg *key) {
    struct item *item = string_of(w, db, key);
    size_t length = item ? item_string(item).length : 0;
    if (length == 0)
        return;
    size_t offset = draw(&w->chance, length), most = length - offset < 300 ? length - offset : 300;
    char bytes[300];
    memset(bytes, (int)('a' + draw(&w->chance, 26)), sizeof bytes);
    item_overwrite(w->keyspace, db, item, offset, bytes, draw(&w->chance, most + 1), w->version);
}

static void op_move(struct world *w, unsigned db, const struct resp_arg *key) {
    unsigned to_db = (db + 1 + (unsigned)draw(&w->chance, DATABASES - 1)) % DATABASES;
    if (keyspace_find(w->keyspace, db, key) && !keyspace_find(w->keyspace, to_db, key))
        keyspace_move(w->keyspace, db, key, to_db, w->version);
}

static void op_copy(struct world *w, unsigned db, const struct resp_arg *key) {
    char text[16];
    unsigned to_db = (unsigned)draw(&w->chance, DATABASES);
    struct resp_arg to = name_of(text, draw(&w->chance, NAMES));
    if (keyspace_find(w->keyspace, db, key) && (to_db != db || strcmp(text, key->bytes) != 0))
        keyspace_copy(w->keyspace, db, key, to_db, &to, w->version);
}

static void op_flush_or_swap(struct world *w, unsigned db) {
    if (draw(&w->chance, 4) == 0)
        keyspace_swap(w->keyspace, db, (unsigned)draw(&w->chance, DATABASES));
    else
        op_flush(w, db);
}

static void operate(struct world *w) {
    char text[16];
    unsigned db = (unsigned)draw(&w->chance, DATABASES);
    uint64_t name = draw(&w->chance, draw(&w->chance, 3) ? NAMES : 8);
    struct resp_arg key = name_of(text, name);
    uint64_t what = draw(&w->chance, 1000);
    w->version++;
    if (what < 200 || (name < 8 && what < 870))
        op_collection(w, db, &key, (enum value_type)(VALUE_HASH + name % 4));
    else if (what < 350)
        op_set(w, db, &key);
    else if (what < 550)
        op_append(w, db, &key);
    else if (what < 700)
        op_deadline(w, db, &key);
    else if (what < 820)
        keyspace_delete(w->keyspace, db, &key);
    else if (what < 860)
        op_rename(w, db, &key);
    else if (what < 885)
        op_copy(w, db, &key);
    else if (what < 900)
        op_move(w, db, &key);
    else if (what < 930)
        op_overwrite(w, db, &key);
    else if (what < 950)
        keyspace_advance(w->keyspace, keyspace_clock(w->keyspace) + draw(&w->chance, 9));
    else if (what < 990)
        keyspace_reclaim_due(w->keyspace, (size_t)draw(&w->chance, 6));
    else
        op_flush_or_swap(w, db);
}

/* ---- checkpoints --- */

struct fixture {
    struct world world;
    struct chance chance;
    struct disk disk;
    struct batch batch;
    bool active;
    /* as of the freeze */
    struct resp_buf frozen, head;
    struct chance then;
    uint64_t version_then, operations_since;
    unsigned committed, failed, doubtful;
};

/* What a run is to have met: of each type one that is large and has several pages. */
static size_t largest[VALUE_LIST + 1];

static void note_sizes(struct keyspace *keyspace) {
    for (unsigned db = 0; db < DATABASES; db++)
        for (size_t slot = 0; slot < keyspace_slots(keyspace, db); slot++) {
            const struct item *item = keyspace_at(keyspace, db, slot);
            if (!item || item_type(item) == VALUE_STRING || collection_is_small(item))
                continue;
            size_t count = collection_count(item), *most = &largest[item_type(item)];
            *most = count > *most ? count : *most;
        }
}

static void begin(struct fixture *f) {
    keyspace_checkpoint_begin(f->world.keyspace);
    f->active = true;
    note_sizes(f->world.keyspace);
    resp_buf_truncate(&f->frozen, 0);
    resp_buf_truncate(&f->head, 0);
    dump(f->world.keyspace, &f->frozen);
    keyspace_checkpoint_head(f->world.keyspace, &f->head);
    f->then = f->world.chance;
    f->version_then = f->world.version;
    f->operations_since = 0;
}

static void write_disk(struct fixture *f) {
    batch_write(&f->batch, &f->disk);
    resp_buf_truncate(&f->disk.head, 0);
    resp_buf_append(&f->disk.head, resp_buf_bytes(&f->head), resp_buf_length(&f->head));
}

/* What is on the disk is what was frozen, and becomes what that has become. */
static void judge_disk(struct fixture *f) {
    struct resp_buf loaded = {0}, now = {0}, then = {0};
    struct world again = {disk_load(&f->disk), f->then, f->version_then};
    dump(again.keyspace, &loaded);
    assert_same(&f->frozen, &loaded);
    for (uint64_t i = 0; i < f->operations_since; i++)
        operate(&again);
    dump(again.keyspace, &then);
    dump(f->world.keyspace, &now);
    assert_same(&now, &then);
    keyspace_free(again.keyspace);
    resp_buf_close(&loaded);
    resp_buf_close(&now);
    resp_buf_close(&then);
}

static void finish(struct fixture *f) {
    while (batch_take(&f->batch, f->world.keyspace))
        ;
    assert_int_equal(keyspace_checkpoint_rest(f->world.keyspace), 0);
    assert_int_equal(keyspace_checkpoint_kept(f->world.keyspace), 0);
    bool committed = draw(&f->chance, 3) > 0;
    bool written = committed || draw(&f->chance, 2);
    if (written) {
        write_disk(f);
        judge_disk(f);
    }
    keyspace_checkpoint_end(f->world.keyspace, committed);
    assert_int_equal(keyspace_checkpoint_mapped(f->world.keyspace), 0);
    f->committed += committed;
    f->doubtful += written && !committed;
    f->failed += !written;
    f->active = false;
    batch_clear(&f->batch);
}

static void give_up(struct fixture *f) {
    keyspace_checkpoint_end(f->world.keyspace, false);
    assert_int_equal(keyspace_checkpoint_mapped(f->world.keyspace), 0);
    f->failed++;
    f->active = false;
    batch_clear(&f->batch);
}

/* Some pages, and what the number of those to come says about them. */
static void take_some(struct fixture *f) {
    for (uint64_t pages = draw(&f->chance, 12); pages > 0; pages--) {
        size_t rest = keyspace_checkpoint_rest(f->world.keyspace);
        bool more = batch_take(&f->batch, f->world.keyspace);
        assert_int_equal(more, rest > 0);
        if (!more)
            return;
    }
}

static void turn(struct fixture *f, uint64_t length) {
    for (uint64_t i = draw(&f->chance, length); i > 0; i--) {
        operate(&f->world);
        f->operations_since++;
    }
    if (draw(&f->chance, 2))
        keyspace_reclaim_flushed(f->world.keyspace, (size_t)draw(&f->chance, 200));
    uint64_t what = draw(&f->chance, 100);
    if (!f->active && what < 30)
        begin(f);
    else if (f->active && what < 70)
        take_some(f);
    else if (f->active && what < 75)
        give_up(f);
    else if (f->active && what < 90)
        finish(f);
}

static void run(uint64_t seed, unsigned turns, uint64_t length) {
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->world = (struct world){keyspace_new(DATABASES), {seed}, 0};
    f->chance.seed = ~seed;
    keyspace_set_hash_key(f->world.keyspace, seed, seed * 3);
    keyspace_advance(f->world.keyspace, 1000000);
    for (unsigned i = 0; i < turns; i++)
        turn(f, length);
    if (f->active)
        give_up(f);
    assert_true(f->committed > 0 && f->failed > 0 && f->doubtful > 0);
    keyspace_free(f->world.keyspace); /* asserts that all memory was accounted for */
    disk_close(&f->disk);
    batch_close(&f->batch);
    resp_buf_close(&f->frozen);
    resp_buf_close(&f->head);
    free(f);
}

static void what_is_loaded_is_what_was_frozen_whatever_happened_meanwhile(void **state) {
    (void)state;
    fill();
    for (uint64_t seed = 1; seed <= 4; seed++)
        run(seed, 700, 40);
    for (size_t type = VALUE_HASH; type <= VALUE_LIST; type++) {
        assert_true(largest[type] > 500);
    }
}

static void few_changes_between_pages_leave_few_pages(void **state) {
    (void)state;
    fill();
    for (uint64_t seed = 101; seed <= 103; seed++)
        run(seed, 2000, 4);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_loaded_is_what_was_frozen_whatever_happened_meanwhile),
        cmocka_unit_test(few_changes_between_pages_leave_few_pages),
    };
    return cmocka_run_group_tests_name("checkpoint_pages", tests, NULL, NULL);
}
