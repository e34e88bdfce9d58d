/* SPDX-License-Identifier: MIT */
/* One value of the configuration: from words to its field in struct conf, and back to text. One pair of functions a type. */
#include "conf_table.h"

#include <arpa/inet.h>
#include <assert.h>
#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

__attribute__((format(printf, 2, 3))) static bool fail(char why[CONF_WHY_MAX], const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(why, CONF_WHY_MAX, format, args);
    va_end(args);
    return false;
}

static void *field(const struct conf_directive *row, struct conf *conf) {
    return (char *)conf + row->offset;
}

static const void *field_of(const struct conf_directive *row, const struct conf *conf) {
    return (const char *)conf + row->offset;
}

static void store_number(const struct conf_directive *row, struct conf *conf, uint64_t value) {
    assert(row->size == sizeof(unsigned) || row->size == sizeof(uint64_t));
    if (row->size == sizeof(uint64_t))
        memcpy(field(row, conf), &value, sizeof value);
    else
        memcpy(field(row, conf), &(unsigned){(unsigned)value}, sizeof(unsigned));
}

static uint64_t load_number(const struct conf_directive *row, const struct conf *conf) {
    uint64_t wide;
    unsigned narrow;
    assert(row->size == sizeof narrow || row->size == sizeof wide);
    if (row->size == sizeof wide) {
        memcpy(&wide, field_of(row, conf), sizeof wide);
        return wide;
    }
    memcpy(&narrow, field_of(row, conf), sizeof narrow);
    return narrow;
}

/* ---- numbers ----------------------------------------------------------------------------------------------- */

/* Decimal digits without leading zeros, up to INT64_MAX, read up to *end. False when there are none, or too many. */
static bool read_digits(const char *text, uint64_t *value, const char **end) {
    uint64_t sum = 0;
    const char *at = text;
    for (; isdigit((unsigned char)*at); at++) {
        if (sum > ((uint64_t)INT64_MAX - (uint64_t)(*at - '0')) / 10)
            return false;
        sum = sum * 10 + (uint64_t)(*at - '0');
    }
    *value = sum;
    *end = at;
    return at != text && (*text != '0' || at == text + 1);
}

static bool store_bounded(const struct conf_directive *row, struct conf *conf, bool negative, uint64_t value,
                          char why[CONF_WHY_MAX]) {
    if ((negative && value != 0) || value < row->min || value > row->max)
        return fail(why, "argument must be between %" PRIu64 " and %" PRIu64 " inclusive", row->min,
                    row->max);
    store_number(row, conf, value);
    return true;
}

static bool set_number(const struct conf_directive *row, struct conf *conf, const char *word,
                       char why[CONF_WHY_MAX]) {
    uint64_t value;
    const char *end;
    bool negative = word[0] == '-';
    if (!read_digits(word + negative, &value, &end) || *end != '\0')
        return fail(why, "argument couldn't be parsed into an integer");
    return store_bounded(row, conf, negative, value, why);
}

/* From -1 on: it turns off what a number from 0 on bounds. */
static bool set_signed(const struct conf_directive *row, struct conf *conf, const char *word,
                       char why[CONF_WHY_MAX]) {
    uint64_t value;
    const char *end;
    bool negative = word[0] == '-';
    assert(row->size == sizeof(int64_t));
    if (!read_digits(word + negative, &value, &end) || *end != '\0')
        return fail(why, "argument couldn't be parsed into an integer");
    if (value > (negative ? 1 : row->max))
        return fail(why, "argument must be between -1 and %" PRIu64 " inclusive", row->max);
    store_number(row, conf, negative ? 0 - value : value);
    return true;
}

static bool read_memory(const char *word, uint64_t *bytes) {
    static const struct {
        const char *name;
        uint64_t bytes;
    } units[] = {{"", 1},           {"b", 1},
                 {"k", 1000},       {"kb", 1024},
                 {"m", 1000000},    {"mb", 1024 * 1024},
                 {"g", 1000000000}, {"gb", 1024 * 1024 * 1024}};
    uint64_t value;
    const char *unit;
    if (!read_digits(word, &value, &unit))
        return false;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strcasecmp(unit, units[i].name) != 0)
            continue;
        *bytes = value * units[i].bytes;
        return value <= (uint64_t)INT64_MAX / units[i].bytes;
    }
    return false;
}

static bool set_memory(const struct conf_directive *row, struct conf *conf, const char *word,
                       char why[CONF_WHY_MAX]) {
    uint64_t bytes;
    if (!read_memory(word, &bytes))
        return fail(why, "argument must be a memory value");
    return store_bounded(row, conf, false, bytes, why);
}

/* ---- words ------------------------------------------------------------------------------------------------- */

static bool set_yesno(const struct conf_directive *row, struct conf *conf, const char *word,
                      char why[CONF_WHY_MAX]) {
    bool yes = strcasecmp(word, "yes") == 0;
    if (!yes && strcasecmp(word, "no") != 0)
        return fail(why, "argument must be 'yes' or 'no'");
    assert(row->size == sizeof yes);
    memcpy(field(row, conf), &yes, sizeof yes);
    return true;
}

static bool is_name(const char *word) {
    for (; *word != '\0'; word++)
        if (!isgraph((unsigned char)*word) || strchr(",@=\"'", *word) != NULL)
            return false;
    return true;
}

static bool set_text(const struct conf_directive *row, struct conf *conf, const char *word,
                     char why[CONF_WHY_MAX]) {
    size_t length = strlen(word);
    if (length >= row->size)
        return fail(why, "argument must be at most %zu bytes long", row->size - 1);
    if ((row->flags & CONF_NAME) && !is_name(word))
        return fail(why, "argument must be of letters, digits and punctuation other than , @ = and quotes");
    memset(field(row, conf), 0, row->size);
    memcpy(field(row, conf), word, length);
    return true;
}

static bool set_choice(const struct conf_directive *row, struct conf *conf, const char *word,
                       char why[CONF_WHY_MAX]) {
    size_t length = 0;
    why[0] = '\0';
    for (unsigned i = 0; row->choices[i] != NULL; i++) {
        if (strcasecmp(row->choices[i], word) == 0) {
            store_number(row, conf, i);
            return true;
        }
        length +=
            (size_t)snprintf(why + length, CONF_WHY_MAX - length, "%s%s",
                             i == 0 ? "argument(s) must be one of the following: " : ", ", row->choices[i]);
        assert(length < CONF_WHY_MAX);
    }
    return false;
}

/* ---- addresses --------------------------------------------------------------------------------------------- */

bool conf_is_loopback(const char *host) {
    struct in_addr four;
    struct in6_addr six;
    if (inet_pton(AF_INET, host, &four) == 1)
        return (ntohl(four.s_addr) >> 24) == 127;
    if (inet_pton(AF_INET6, host, &six) == 1)
        return IN6_IS_ADDR_LOOPBACK(&six);
    return strcasecmp(host, "localhost") == 0;
}

/* Redis's short forms, written out. */
static const char *full_address(const char *word) {
    if (strcmp(word, "*") == 0)
        return "0.0.0.0";
    if (strcmp(word, "::*") == 0)
        return "::";
    return strcasecmp(word, "localhost") == 0 ? "127.0.0.1" : word;
}

static bool set_bind(struct conf *conf, int count, char *const *words, char why[CONF_WHY_MAX]) {
    char bind[CONF_BINDS_MAX][CONF_HOST_MAX] = {{0}};
    unsigned char address[sizeof(struct in6_addr)];
    if (count > CONF_BINDS_MAX)
        return fail(why, "Too many bind addresses specified.");
    for (int i = 0; i < count; i++) {
        bool optional = words[i][0] == '-';
        const char *host = full_address(words[i] + optional);
        if (inet_pton(AF_INET, host, address) != 1 && inet_pton(AF_INET6, host, address) != 1)
            return fail(why, "'%.100s' is not an address: bind takes numeric IPv4 and IPv6 addresses", host);
        snprintf(bind[i], sizeof bind[i], "%s%s", optional ? "-" : "", host);
    }
    memcpy(conf->bind, bind, sizeof bind);
    conf->bind_count = (size_t)count;
    return true;
}

bool conf_read_address(const char *word, struct conf_node *node) {
    const char *colon = strrchr(word, ':');
    const char *end;
    uint64_t port;
    if (colon == NULL || !read_digits(colon + 1, &port, &end) || *end != '\0' || port < 1 || port > 65535)
        return false;
    size_t length = (size_t)(colon - word);
    bool bracketed = length >= 2 && word[0] == '[' && word[length - 1] == ']';
    const char *host = word + bracketed;
    length -= 2 * (size_t)bracketed;
    if (length == 0 || length >= CONF_HOST_MAX)
        return false;
    snprintf(node->host, sizeof node->host, "%.*s", (int)length, host);
    node->port = (unsigned)port;
    unsigned char six[sizeof(struct in6_addr)];
    if (bracketed)
        return inet_pton(AF_INET6, node->host, six) == 1;
    return strspn(node->host, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_") == length;
}

static bool add_raft_node(struct conf *conf, int count, char *const *words, char why[CONF_WHY_MAX]) {
    struct conf_node node = {0};
    const char *end;
    if (count != 2)
        return fail(why, "wrong number of arguments: raft-node <id> <host>:<port>");
    if (!read_digits(words[0], &node.id, &end) || *end != '\0' || node.id == 0)
        return fail(why, "a member's id must be between 1 and %" PRId64 " inclusive", INT64_MAX);
    if (!conf_read_address(words[1], &node))
        return fail(why, "a member's address must be <host>:<port> or [<IPv6 address>]:<port>");
    for (size_t i = 0; i < conf->node_count; i++) {
        const struct conf_node *other = &conf->nodes[i];
        if (other->id == node.id)
            return fail(why, "member %" PRIu64 " is there twice: first as %s:%u", node.id, other->host,
                        other->port);
        if (other->port == node.port && strcasecmp(other->host, node.host) == 0)
            return fail(why, "members %" PRIu64 " and %" PRIu64 " have the same address", other->id, node.id);
    }
    if (conf->node_count == CONF_NODES_MAX)
        return fail(why, "more than %d members", CONF_NODES_MAX);
    conf->nodes[conf->node_count++] = node;
    return true;
}

static bool add_join(struct conf *conf, const char *word, char why[CONF_WHY_MAX]) {
    struct conf_node node = {0};
    if (word[0] == '\0') {
        conf->join_count = 0;
        return true;
    }
    if (!conf_read_address(word, &node))
        return fail(why, "argument must be <host>:<port> or [<IPv6 address>]:<port>");
    if (conf->join_count == CONF_JOINS_MAX)
        return fail(why, "more than %d addresses", CONF_JOINS_MAX);
    conf->joins[conf->join_count++] = node;
    return true;
}

/* ---- limits ------------------------------------------------------------------------------------------------ */

static struct conf_output_limit *limit_of_class(struct conf *conf, const char *class) {
    if (strcasecmp(class, "normal") == 0)
        return &conf->output_normal;
    if (strcasecmp(class, "replica") == 0 || strcasecmp(class, "slave") == 0)
        return &conf->output_replica;
    return strcasecmp(class, "pubsub") == 0 ? &conf->output_pubsub : NULL;
}

static bool set_output_limits(struct conf *conf, int count, char *const *words, char why[CONF_WHY_MAX]) {
    struct conf_output_limit limits[CONF_ARGS_MAX / 4];
    const char *end;
    if (count % 4 != 0)
        return fail(why, "Wrong number of arguments in buffer limit configuration.");
    for (int i = 0; i < count; i += 4) {
        struct conf_output_limit *limit = &limits[i / 4];
        if (limit_of_class(conf, words[i]) == NULL)
            return fail(why, "Invalid client class specified in buffer limit configuration.");
        if (!read_memory(words[i + 1], &limit->hard_bytes) ||
            !read_memory(words[i + 2], &limit->soft_bytes) ||
            !read_digits(words[i + 3], &limit->soft_s, &end) || *end != '\0')
            return fail(why, "Error in hard, soft or soft_seconds setting in buffer limit configuration.");
    }
    for (int i = 0; i < count; i += 4)
        *limit_of_class(conf, words[i]) = limits[i / 4];
    return true;
}

/* ---- events ------------------------------------------------------------------------------------------------ */

/* In the order in which CONFIG GET tells them. */
static const struct event_letter {
    char letter;
    unsigned class;
} event_letters[] = {
    {'A', EVENT_ALL},         {'g', EVENT_GENERIC},     {'$', EVENT_STRING},   {'l', EVENT_LIST},
    {'s', EVENT_SET},         {'h', EVENT_HASH},        {'z', EVENT_ZSET},     {'x', EVENT_EXPIRED},
    {'e', EVENT_EVICTED},     {'t', EVENT_STREAM},      {'d', EVENT_MODULE},   {'n', EVENT_NEW},
    {'K', EVENT_TO_KEYSPACE}, {'E', EVENT_TO_KEYEVENT}, {'m', EVENT_KEY_MISS},
};

enum { EVENT_LETTERS = sizeof event_letters / sizeof event_letters[0] };

static bool set_events(const struct conf_directive *row, struct conf *conf, const char *word,
                       char why[CONF_WHY_MAX]) {
    unsigned classes = 0;
    for (; *word; word++) {
        size_t at = 0;
        while (at < EVENT_LETTERS && event_letters[at].letter != *word)
            at++;
        if (at == EVENT_LETTERS)
            return fail(why, "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.");
        classes |= event_letters[at].class;
    }
    store_number(row, conf, classes);
    return true;
}

/* ---- any --------------------------------------------------------------------------------------------------- */

static bool takes_many(enum conf_type type) {
    return type == CONF_BIND || type == CONF_OUTPUT_LIMIT || type == CONF_RAFT_NODE;
}

/* Several words in one, as CONFIG SET and `--bind "a b"` give them. */
static bool set_split(const struct conf_directive *row, struct conf *conf, const char *text,
                      char why[CONF_WHY_MAX]) {
    char *words[CONF_ARGS_MAX];
    char *copy = strdup(text);
    if (copy == NULL)
        abort();
    int count = conf_split(copy, words, CONF_ARGS_MAX);
    bool ok =
        count > 1 ? conf_value_set(row, conf, count, words, why) : fail(why, "wrong number of arguments");
    free(copy);
    return ok;
}

bool conf_value_set(const struct conf_directive *row, struct conf *conf, int count, char *const *words,
                    char why[CONF_WHY_MAX]) {
    assert(count >= 0 && count <= CONF_ARGS_MAX);
    if (count == 0 || (count != 1 && !takes_many(row->type)))
        return fail(why, "wrong number of arguments");
    if (count == 1 && takes_many(row->type) && strpbrk(words[0], " \t") != NULL)
        return set_split(row, conf, words[0], why);
    switch (row->type) {
    case CONF_NUMBER:
        return set_number(row, conf, words[0], why);
    case CONF_SIGNED:
        return set_signed(row, conf, words[0], why);
    case CONF_MEMORY:
        return set_memory(row, conf, words[0], why);
    case CONF_YESNO:
        return set_yesno(row, conf, words[0], why);
    case CONF_TEXT:
        return set_text(row, conf, words[0], why);
    case CONF_CHOICE:
        return set_choice(row, conf, words[0], why);
    case CONF_BIND:
        return set_bind(conf, count, words, why);
    case CONF_OUTPUT_LIMIT:
        return set_output_limits(conf, count, words, why);
    case CONF_RAFT_NODE:
        return add_raft_node(conf, count, words, why);
    case CONF_EVENTS:
        return set_events(row, conf, words[0], why);
    case CONF_JOIN:
        return add_join(conf, words[0], why);
    }
    abort();
}

static void add_text(char out[CONF_VALUE_MAX], const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add_text(char out[CONF_VALUE_MAX], const char *format, ...) {
    size_t length = strlen(out);
    va_list args;
    va_start(args, format);
    int added = vsnprintf(out + length, CONF_VALUE_MAX - length, format, args);
    va_end(args);
    assert(added >= 0 && length + (size_t)added < CONF_VALUE_MAX);
}

static void add_limit(char out[CONF_VALUE_MAX], const char *class, const struct conf_output_limit *limit) {
    add_text(out, "%s%s %" PRIu64 " %" PRIu64 " %" PRIu64, out[0] == '\0' ? "" : " ", class,
             limit->hard_bytes, limit->soft_bytes, limit->soft_s);
}

static void add_address(char out[CONF_VALUE_MAX], const struct conf_node *node) {
    bool six = strchr(node->host, ':') != NULL;
    add_text(out, "%s%s%s:%u", six ? "[" : "", node->host, six ? "]" : "", node->port);
}

static void add_node(char out[CONF_VALUE_MAX], const struct conf_node *node) {
    add_text(out, "%s%" PRIu64 " ", out[0] == '\0' ? "" : " ", node->id);
    add_address(out, node);
}

/* All of a letter's bits that no letter before it has told. */
static void add_events(char out[CONF_VALUE_MAX], uint64_t classes) {
    uint64_t told = 0;
    for (size_t i = 0; i < EVENT_LETTERS; i++) {
        uint64_t bits = event_letters[i].class;
        if ((classes & bits) == bits && (told & bits) == 0)
            add_text(out, "%c", event_letters[i].letter);
        told |= (classes & bits) == bits ? bits : 0;
    }
}

void conf_value_get(const struct conf_directive *row, const struct conf *conf, char out[CONF_VALUE_MAX]) {
    out[0] = '\0';
    switch (row->type) {
    case CONF_NUMBER:
    case CONF_MEMORY:
        add_text(out, "%" PRIu64, load_number(row, conf));
        return;
    case CONF_SIGNED:
        add_text(out, "%" PRId64, (int64_t)load_number(row, conf));
        return;
    case CONF_YESNO:
        add_text(out, "%s", *(const bool *)field_of(row, conf) ? "yes" : "no");
        return;
    case CONF_TEXT:
        add_text(out, "%s", (const char *)field_of(row, conf));
        return;
    case CONF_CHOICE:
        add_text(out, "%s", row->choices[load_number(row, conf)]);
        return;
    case CONF_BIND:
        for (size_t i = 0; i < conf->bind_count; i++)
            add_text(out, "%s%s", i == 0 ? "" : " ", conf->bind[i]);
        return;
    case CONF_OUTPUT_LIMIT:
        add_limit(out, "normal", &conf->output_normal);
        add_limit(out, "slave", &conf->output_replica);
        add_limit(out, "pubsub", &conf->output_pubsub);
        return;
    case CONF_RAFT_NODE:
        for (size_t i = 0; i < conf->node_count; i++)
            add_node(out, &conf->nodes[i]);
        return;
    case CONF_EVENTS:
        add_events(out, load_number(row, conf));
        return;
    case CONF_JOIN:
        for (size_t i = 0; i < conf->join_count; i++) {
            add_text(out, "%s", i == 0 ? "" : " ");
            add_address(out, &conf->joins[i]);
        }
        return;
    }
}
