/* SPDX-License-Identifier: MIT */
/* The configuration as a whole: start values, what only the whole can show to be wrong, CONFIG GET and SET, help. */
#include "conf_table.h"

#include <assert.h>
#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "data/glob.h"

/* ---- start values ------------------------------------------------------------------------------------------ */

static void set_initial(const struct conf_directive *row, struct conf *conf) {
    char text[CONF_TEXT_MAX], why[CONF_WHY_MAX] = "";
    char *words[CONF_ARGS_MAX];
    if (row->initial == NULL)
        return;
    assert(strlen(row->initial) < sizeof text);
    memcpy(text, row->initial, strlen(row->initial) + 1);
    int count = conf_split(text, words, CONF_ARGS_MAX);
    bool ok = conf_value_set(row, conf, count, words, why);
    assert(ok);
    (void)ok;
}

void conf_init(struct conf *conf) {
    memset(conf, 0, sizeof *conf);
    for (size_t i = 0; i < conf_directive_count; i++)
        set_initial(&conf_directives[i], conf);
    assert(conf->bind_count > 0);
    assert(conf->node_count == 0);
}

/* ---- the whole --------------------------------------------------------------------------------------------- */

static const struct conf_node *own_node(const struct conf *conf) {
    for (size_t i = 0; i < conf->node_count; i++)
        if (conf->nodes[i].id == conf->raft_id)
            return &conf->nodes[i];
    return NULL;
}

/* A node without raft-node lines is a cluster of its own. Nobody dials it, so its address is only a name. */
static void be_the_only_member(struct conf *conf) {
    struct conf_node *node = &conf->nodes[0];
    const char *bind = conf->bind[0] + (conf->bind[0][0] == '-');
    bool any = strcmp(bind, "0.0.0.0") == 0 || strcmp(bind, "::") == 0;
    node->id = conf->raft_id;
    node->port = conf->port;
    snprintf(node->host, sizeof node->host, "%s", any ? "127.0.0.1" : bind);
    conf->node_count = 1;
}

__attribute__((format(printf, 2, 3))) static bool wrong(char why[CONF_WHY_MAX], const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(why, CONF_WHY_MAX, format, args);
    va_end(args);
    return false;
}

/* One that joins knows of itself at most; who the others are it is told. */
static bool check_joining(const struct conf *conf, char why[CONF_WHY_MAX]) {
    for (size_t i = 0; i < conf->node_count; i++)
        if (conf->nodes[i].id != conf->raft_id)
            return wrong(why,
                         "raft-join and a raft-node line of another member (%" PRIu64 ")\n"
                         "A new node either founds a cluster, with raft-node lines of all members, or joins "
                         "one, with raft-join",
                         conf->nodes[i].id);
    return true;
}

static bool check_membership(const struct conf *conf, char why[CONF_WHY_MAX]) {
    if (conf->join_count > 0)
        return check_joining(conf, why);
    if (own_node(conf) != NULL)
        return true;
    char ids[256] = "";
    for (size_t i = 0, length = 0; i < conf->node_count && length < sizeof ids; i++)
        length += (size_t)snprintf(ids + length, sizeof ids - length, "%s%" PRIu64, i == 0 ? "" : ", ",
                                   conf->nodes[i].id);
    return wrong(
        why,
        "raft-id %" PRIu64 " is not among the raft-node lines (%s)\n"
        "Every member's file lists all members, itself included: add a line for it, or correct raft-id",
        conf->raft_id, ids);
}

static bool check_timers(const struct conf *conf, char why[CONF_WHY_MAX]) {
    if (2 * (uint64_t)conf->heartbeat_ms < conf->election_timeout_ms)
        return true;
    return wrong(why,
                 "raft-heartbeat-interval %u is too long for raft-election-timeout %u\n"
                 "It must be less than half of it, or one lost heartbeat starts an election",
                 conf->heartbeat_ms, conf->election_timeout_ms);
}

static bool check_sizes(const struct conf *conf, char why[CONF_WHY_MAX]) {
    if (conf->uncommitted_bytes_max >= conf->entry_bytes_max)
        return true;
    return wrong(why,
                 "raft-uncommitted-max-size %" PRIu64 " is less than raft-entry-max-size %" PRIu64 "\n"
                 "The largest entry could never be proposed",
                 conf->uncommitted_bytes_max, conf->entry_bytes_max);
}

static bool check_secret(const struct conf *conf, bool alone, char why[CONF_WHY_MAX]) {
    if (conf->secret_file[0] != '\0' || alone)
        return true;
    for (size_t i = 0; i < conf->node_count; i++)
        if (!conf_is_loopback(conf->nodes[i].host))
            return wrong(
                why,
                "raft-node %" PRIu64 " is at %s, not on this machine: raft-secret-file is needed\n"
                "Without it whoever reaches the port could join. Make one with `openssl rand -hex 32`, "
                "give every member the same",
                conf->nodes[i].id, conf->nodes[i].host);
    for (size_t i = 0; i < conf->join_count; i++)
        if (!conf_is_loopback(conf->joins[i].host))
            return wrong(why,
                         "raft-join names %s, not on this machine: raft-secret-file is needed\n"
                         "Copy the secret of the cluster's other members",
                         conf->joins[i].host);
    return true;
}

static bool check_words(const struct conf *conf, char why[CONF_WHY_MAX]) {
    if (conf->dir[0] == '\0')
        return wrong(why, "dir is empty: it must name the directory of the data");
    if (conf->cluster_name[0] == '\0')
        return wrong(why, "raft-cluster-name is empty");
    return true;
}

/* `alone`: no raft-node line was given. */
static bool check(const struct conf *conf, bool alone, char why[CONF_WHY_MAX]) {
    return check_words(conf, why) && check_membership(conf, why) && check_timers(conf, why) &&
           check_sizes(conf, why) && check_secret(conf, alone, why);
}

static void set_file(struct conf *conf, const char *path) {
    if (path == NULL || strcmp(path, "-") == 0)
        return;
    char *absolute = realpath(path, NULL);
    snprintf(conf->file, sizeof conf->file, "%s", absolute != NULL ? absolute : path);
    free(absolute);
}

bool conf_load(struct conf *conf, const char *path, int argc, char *const *argv, char why[CONF_WHY_MAX]) {
    conf_init(conf);
    if (path != NULL && !conf_read_file(conf, path, why))
        return false;
    if (!conf_read_arguments(conf, argc, argv, why))
        return false;
    set_file(conf, path);
    bool alone = conf->node_count == 0 && conf->join_count == 0;
    if (alone)
        be_the_only_member(conf);
    return check(conf, alone, why);
}

bool conf_lacks_secret(const struct conf *conf, const char *host) {
    return conf->secret_file[0] == '\0' && !conf_is_loopback(host);
}

void conf_own_address(const struct conf *conf, char *address, size_t size) {
    const struct conf_node *own = own_node(conf);
    const char *bind = conf->bind[0] + (conf->bind[0][0] == '-');
    bool any = strcmp(bind, "0.0.0.0") == 0 || strcmp(bind, "::") == 0 || conf->bind_count != 1;
    address[0] = '\0';
    if (own != NULL)
        snprintf(address, size, "%.240s:%u", own->host, own->port);
    else if (conf->announce_host[0] != '\0')
        snprintf(address, size, "%.240s:%u", conf->announce_host,
                 conf->announce_port != 0 ? conf->announce_port : conf->port);
    else if (!any && conf_is_loopback(bind) == conf_is_loopback(conf->joins[0].host))
        snprintf(address, size, "%.240s:%u", bind, conf->port);
}

bool conf_leases(const struct conf *conf) {
    return conf->leases || conf->read_consistency == CONF_LEASE;
}

/* ---- warnings ---------------------------------------------------------------------------------------------- */

void conf_warnings(const struct conf *conf, void (*each)(void *context, const char *text), void *context) {
    char text[CONF_WHY_MAX];
    for (size_t i = 0; i < conf->ignored_count; i++) {
        const struct conf_foreign *row = &conf_foreign[conf->ignored[i]];
        snprintf(text, sizeof text, "directive '%s' is accepted but does nothing: %s", row->name,
                 row->reason);
        each(context, text);
    }
    if (conf->node_count == 2)
        each(context, "2 members: while either is down, nothing is served; with 3 one may be down");
    else if (conf->node_count > 0 && conf->node_count % 2 == 0) {
        snprintf(text, sizeof text, "%zu members may lose no more of them than %zu: an odd number is better",
                 conf->node_count, conf->node_count - 1);
        each(context, text);
    }
    const struct conf_node *own = own_node(conf);
    if (own != NULL && own->port != conf->port) {
        snprintf(text, sizeof text,
                 "peers dial this member at %s:%u (raft-node %" PRIu64 "), but it listens on port %u: "
                 "right only if something forwards the one to the other",
                 own->host, own->port, own->id, conf->port);
        each(context, text);
    }
}

/* ---- CONFIG GET and SET ------------------------------------------------------------------------------------ */

/* Names are lower case; the case of a pattern does not matter. */
static bool matches(const char *pattern, const char *name) {
    char lower[128];
    size_t length = strlen(pattern);
    if (length >= sizeof lower)
        return false;
    for (size_t i = 0; i < length; i++)
        lower[i] = (char)tolower((unsigned char)pattern[i]);
    return glob_match(&(struct resp_arg){lower, length}, &(struct resp_arg){name, strlen(name)});
}

static bool matches_any(const char *const *patterns, size_t count, const char *name) {
    for (size_t i = 0; i < count; i++)
        if (matches(patterns[i], name))
            return true;
    return false;
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void conf_get(const struct conf *conf, const char *const *patterns, size_t count,
              void (*each)(void *context, const char *name, const char *value), void *context) {
    const char **names = calloc(conf_directive_count + conf_foreign_count, sizeof *names);
    char value[CONF_VALUE_MAX];
    size_t found = 0;
    if (names == NULL)
        abort();
    for (size_t i = 0; i < conf_directive_count; i++)
        if (matches_any(patterns, count, conf_directives[i].name))
            names[found++] = conf_directives[i].name;
    for (size_t i = 0; i < conf_foreign_count; i++)
        if (conf_foreign[i].value != NULL && matches_any(patterns, count, conf_foreign[i].name))
            names[found++] = conf_foreign[i].name;
    qsort(names, found, sizeof *names, by_name);
    for (size_t i = 0; i < found; i++) {
        const struct conf_directive *row = conf_find(names[i]);
        if (row != NULL)
            conf_value_get(row, conf, value);
        each(context, names[i], row != NULL ? value : conf_find_foreign(names[i])->value);
    }
    free(names);
}

enum conf_set_result conf_set(struct conf *conf, const char *name, const char *value,
                              char why[CONF_WHY_MAX]) {
    const struct conf_directive *row = conf_find(name);
    const struct conf_foreign *foreign = conf_find_foreign(name);
    if (row == NULL && (foreign == NULL || foreign->value == NULL)) {
        snprintf(why, CONF_WHY_MAX, "Unknown option or number of arguments for CONFIG SET - '%.100s'", name);
        return CONF_SET_UNKNOWN;
    }
    if (row == NULL && strcasecmp(foreign->value, value) == 0)
        return CONF_SET_OK;
    if (row == NULL || !(row->flags & CONF_LIVE)) {
        snprintf(why, CONF_WHY_MAX, "can't set immutable config");
        return CONF_SET_IMMUTABLE;
    }
    char *word = strdup(value);
    if (word == NULL)
        abort();
    bool ok = conf_value_set(row, conf, 1, &word, why);
    free(word);
    return ok ? CONF_SET_OK : CONF_SET_INVALID;
}

/* ---- help -------------------------------------------------------------------------------------------------- */

void conf_help(FILE *out) {
    for (size_t i = 0; i < conf_directive_count; i++) {
        const struct conf_directive *row = &conf_directives[i];
        fprintf(out, "  %-27s %s\n", row->name, row->help);
        if (row->initial != NULL)
            fprintf(out, "  %-27s default: %s\n", "", row->initial);
    }
}
