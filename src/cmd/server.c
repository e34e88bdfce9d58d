/* SPDX-License-Identifier: MIT */
/* The server itself: CONFIG, ROLE, SAVE, BGSAVE, LASTSAVE, LOLWUT, DEBUG, SHUTDOWN. */
#include "command.h"

#include <assert.h>
#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "../conf.h"
#include "../version.h"
#include "families.h"
#include "health.h"
#include "sessions.h"
#include "text.h"

/* ---- CONFIG --- */

/* A copy of an argument as a C string; the caller frees it. */
static char *arg_text(const struct resp_arg *arg) {
    char *text = malloc(arg->length + 1);

    if (!text)
        abort();
    if (arg->length)
        memcpy(text, arg->bytes, arg->length);
    text[arg->length] = '\0';
    return text;
}

static void *allocate(size_t count, size_t size) {
    void *memory = calloc(count, size);

    if (!memory)
        abort();
    return memory;
}

static void count_directive(void *context, const char *name, const char *value) {
    (void)name;
    (void)value;
    ++*(size_t *)context;
}

static void reply_directive(void *context, const char *name, const char *value) {
    resp_bulk_text(context, name);
    resp_bulk_text(context, value);
}

void session_config_get(struct session_call *call) {
    size_t patterns = call->count - 2, found = 0;
    char **texts = allocate(patterns, sizeof *texts);

    for (size_t at = 0; at < patterns; at++)
        texts[at] = arg_text(&call->args[2 + at]);
    conf_get(call->conf, (const char *const *)texts, patterns, count_directive, &found);
    resp_map(call->reply, found);
    conf_get(call->conf, (const char *const *)texts, patterns, reply_directive, call->reply);
    for (size_t at = 0; at < patterns; at++)
        free(texts[at]);
    free(texts);
}

/* What is wrong with a CONFIG SET. A name that cannot be set outweighs a value that does not fit, wherever each stands. */
struct set_error {
    bool unknown, structural, any;
    char *name; /* owned */
    char why[CONF_WHY_MAX];
};

static void set_error(struct set_error *error, enum conf_set_result result, const char *name,
                      const char *why) {
    bool structural = result != CONF_SET_INVALID;

    if (error->structural || (error->any && !structural))
        return;
    free(error->name);
    error->name = arg_text(&(struct resp_arg){name, strlen(name)});
    error->unknown = result == CONF_SET_UNKNOWN;
    error->structural = structural;
    error->any = true;
    error->why[0] = '\0';
    strncat(error->why, why, sizeof error->why - 1);
    for (char *at = error->name; !error->unknown && *at; at++)
        *at = (char)tolower((unsigned char)*at);
}

static bool named_before(const struct session_call *call, size_t at, const char *name) {
    for (size_t before = 2; before < at; before += 2)
        if (resp_arg_is(&call->args[before], name))
            return true;
    return false;
}

/* Sets the pair at `at` in a configuration that is only tried. */
static void set_pair(struct session_call *call, size_t at, struct conf *trial, struct set_error *error) {
    char *name = arg_text(&call->args[at]), *value = arg_text(&call->args[at + 1]);
    char why[CONF_WHY_MAX] = "";
    enum conf_set_result result = conf_set(trial, name, value, why);

    if (result == CONF_SET_IMMUTABLE)
        set_error(error, result, name, "can't set immutable config");
    else if (result != CONF_SET_UNKNOWN && named_before(call, at, name))
        set_error(error, CONF_SET_IMMUTABLE, name, "duplicate parameter");
    else if (result == CONF_SET_INVALID && strlen(value) != call->args[at + 1].length)
        set_error(error, result, name, "a value cannot hold a zero byte");
    else if (result != CONF_SET_OK)
        set_error(error, result, name, why);
    free(name);
    free(value);
}

/* All pairs take effect or none: they are set in a copy first. */
void session_config_set(struct session_call *call) {
    if (call->count % 2) {
        resp_error(call->reply, "ERR syntax error");
        return;
    }
    struct conf *trial = allocate(1, sizeof *trial);
    struct set_error error = {0};
    *trial = *call->conf;
    for (size_t at = 2; at < call->count; at += 2)
        set_pair(call, at, trial, &error);
    if (!error.any) {
        *call->conf = *trial;
        call->wishes->conf_changed = true;
        resp_status(call->reply, "OK");
    } else if (error.unknown)
        resp_error(call->reply, "ERR Unknown option or number of arguments for CONFIG SET - '%s'",
                   error.name);
    else
        resp_error(call->reply, "ERR CONFIG SET failed (possibly related to argument '%s') - %s", error.name,
                   error.why);
    free(error.name);
    free(trial);
}

void session_config_resetstat(struct session_call *call) {
    call->wishes->reset_statistics = true;
    resp_status(call->reply, "OK");
}

void session_config_rewrite(struct session_call *call) {
    if (call->conf->file[0])
        call->wishes->rewrite_conf = true;
    else
        resp_error(call->reply, "ERR The server is running without a config file");
}

/* ---- SAVE, BGSAVE, LASTSAVE, LOLWUT, DEBUG --- */

/* What was acknowledged is on disk before; a checkpoint only makes the way back from it shorter. So SAVE need not wait for it. */
void session_save(struct session_call *call) {
    call->wishes->checkpoint = true;
    resp_status(call->reply, "OK");
}

void session_bgsave(struct session_call *call) {
    bool schedule = call->count == 2 && resp_arg_is(&call->args[1], "SCHEDULE");

    assert(call->report);
    if (call->count > 1 && !schedule) {
        resp_error(call->reply, "ERR syntax error");
        return;
    }
    if (call->report->checkpoint_under_way_ms && !schedule) {
        resp_error(call->reply, "ERR Background save already in progress");
        return;
    }
    call->wishes->checkpoint = true;
    resp_status(call->reply, call->report->checkpoint_under_way_ms ? "Background saving scheduled"
                                                                   : "Background saving started");
}

/* What is acknowledged is on disk, at every moment. */
void session_lastsave(struct session_call *call) {
    resp_integer(call->reply, (int64_t)(call->now_ms / 1000));
}

/* A raft, as many logs long as VERSION says; three for the smallest that survives a failure. */
void cmd_lolwut(struct call *call) {
    enum { LOGS_MAX = 40 };
    struct resp_buf text = {0};
    int64_t logs = 3;

    if (call->count > 2 && resp_arg_is(&call->args[1], "version") &&
        !resp_arg_integer(&call->args[2], &logs)) {
        resp_error(call->reply, "ERR value is not an integer or out of range");
        return;
    }
    logs = logs < 1 ? 1 : logs > LOGS_MAX ? LOGS_MAX : logs;
    text_add(&text, "        |>\n        |\n");
    for (int64_t log = 0; log < logs; log++)
        text_add(&text, "  (=================)\n");
    text_add(&text, "~~~~~~~~~~~~~~~~~~~~~~~\nredraft ver. %s\n", REDRAFT_VERSION);
    text_reply(&text, call->reply);
}

void session_debug(struct session_call *call) {
    call->session->multi.failed |= call->session->multi.open;
    resp_error(call->reply,
               "ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", you "
               "can run it from a local connection, otherwise you need to set this option in the "
               "configuration file, and then restart the server.");
}

/* ---- ROLE --- */

static void role_of_leader(struct session_call *call) {
    const struct report *report = call->report;
    size_t followers = 0;

    resp_array(call->reply, 3);
    resp_bulk_text(call->reply, "master");
    resp_integer(call->reply, (int64_t)report->commit_index);
    size_t mark = resp_array_open(call->reply);
    for (size_t at = 0; at < report->member_count; at++) {
        const struct report_member *member = &report->members[at];
        if (member->id == report->node_id || !health_reachable(report, member))
            continue;
        resp_array(call->reply, 3);
        resp_bulk_text(call->reply, member->host);
        resp_bulk_format(call->reply, "%u", member->port);
        resp_bulk_format(call->reply, "%" PRIu64, member->match_index);
        followers++;
    }
    resp_array_close(call->reply, mark, followers);
}

static void role_of_follower(struct session_call *call, bool connected) {
    const struct report_member *leader = report_known_leader(call->report);

    resp_array(call->reply, 5);
    resp_bulk_text(call->reply, "slave");
    resp_bulk_text(call->reply, leader ? leader->host : "");
    resp_integer(call->reply, leader ? leader->port : 0);
    resp_bulk_text(call->reply, connected ? "connected" : "connect");
    resp_integer(call->reply, (int64_t)call->report->applied_index);
}

void session_role(struct session_call *call) {
    struct health health;

    assert(call->report);
    health_judge(call->report, &health);
    if (health.master)
        role_of_leader(call);
    else
        role_of_follower(call, health.quorum && call->report->leader_id != 0);
}

/* ---- SHUTDOWN --- */

static void shutdown_abort(struct session_call *call) {
    switch (call->report->stop) {
    case REPORT_RUNNING:
        resp_error(call->reply, "ERR No shutdown in progress.");
        break;
    case REPORT_LEAVING:
        call->wishes->shutdown_abort = true;
        resp_status(call->reply, "OK");
        break;
    case REPORT_STOPPING:
        resp_error(call->reply, "ERR Too late to abort: another node leads and this one ends.");
        break;
    }
}

/* A time-out in milliseconds; 0 is for ever. */
void session_wait(struct session_call *call) {
    int64_t members, timeout;
    if (!resp_arg_integer(&call->args[1], &members))
        resp_error(call->reply, "ERR value is not an integer or out of range");
    else if (!resp_arg_integer(&call->args[2], &timeout))
        resp_error(call->reply, "ERR timeout is not an integer or out of range");
    else if (timeout < 0)
        resp_error(call->reply, "ERR timeout is negative");
    else {
        call->wishes->wait = true;
        call->wishes->wait_members = members;
        call->wishes->wait_ms = (uint64_t)timeout;
    }
}

/* What is acknowledged is durable already, so SAVE, NOSAVE and FORCE mean nothing. NOW is for who does not want the
 * leadership handed over first; while it is, ABORT takes the SHUTDOWN back. */
void session_shutdown(struct session_call *call) {
    enum { SAVE = 1, NOSAVE = 2, NOW = 4, FORCE = 8, ABORT = 16 };
    static const struct {
        const char *name;
        unsigned flag;
    } options[] = {{"SAVE", SAVE}, {"NOSAVE", NOSAVE}, {"NOW", NOW}, {"FORCE", FORCE}, {"ABORT", ABORT}};
    unsigned given = 0;
    bool known = true;

    assert(call->report);
    for (size_t at = 1; at < call->count && known; at++) {
        known = false;
        for (size_t option = 0; option < sizeof options / sizeof options[0]; option++)
            if (resp_arg_is(&call->args[at], options[option].name)) {
                given |= options[option].flag;
                known = true;
            }
    }
    if (!known || ((given & ABORT) && given != ABORT) || ((given & SAVE) && (given & NOSAVE)))
        resp_error(call->reply, "ERR syntax error");
    else if (given & ABORT)
        shutdown_abort(call);
    else {
        call->wishes->shutdown = true;
        call->wishes->shutdown_now = given & NOW;
    }
}
