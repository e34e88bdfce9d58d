/* SPDX-License-Identifier: MIT */
/*
 * INFO: sections of `field:value` lines, in Redis's order and under Redis's names, since dashboards and clients parse them; what
 * does not exist here says so with the value that Redis has for it when unused. Two rules for whoever adds a field:
 *
 *   - redis-cli --stat looks for some names with a plain substring search, so none of used_memory, connected_clients,
 *     blocked_clients, loading, bgsave_in_progress, aof_rewrite_in_progress, total_commands_processed,
 *     total_connections_received, cluster_enabled may occur before the field of that name. Raft's section is last for this reason.
 *   - role:master is said only by a leader that serves and has its quorum: load balancers and clients pick the leader by it.
 */
#include "command.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "../conf.h"
#include "../version.h"
#include "health.h"
#include "raft_lines.h"
#include "sessions.h"
#include "text.h"

/* What a section is made from. */
struct info {
    struct resp_buf text;
    const struct report *report;
    const struct conf *conf;
    struct health health;
};

static void number(struct info *info, const char *field, uint64_t value) {
    text_add(&info->text, "%s:%" PRIu64 "\r\n", field, value);
}

static void word(struct info *info, const char *field, const char *value) {
    text_add(&info->text, "%s:", field);
    text_add_word(&info->text, value, 0);
    text_add(&info->text, "\r\n");
}

/* Fields that are always the same here, "name:value" each. */
static void constants(struct info *info, const char *const *lines) {
    for (; *lines; lines++)
        text_add(&info->text, "%s\r\n", *lines);
}

/* A number of bytes, and the same for people. */
static void bytes(struct info *info, const char *field, size_t value) {
    char human[TEXT_HUMAN_MAX];

    text_human(human, value);
    text_add(&info->text, "%s:%zu\r\n%s_human:%s\r\n", field, value, field, human);
}

static double percent(size_t part, size_t whole) {
    return whole ? 100.0 * (double)part / (double)whole : 0;
}

static void server_section(struct info *info) {
    const struct report *report = info->report;

    word(info, "redis_version", REDRAFT_REDIS_VERSION);
    word(info, "server_name", "redraft");
    word(info, "redraft_version", report->version);
    word(info, "redis_git_sha1", "00000000");
    word(info, "redis_git_dirty", "0");
    word(info, "redis_build_id", report->build);
    word(info, "redis_mode", "cluster");
    word(info, "os", report->os);
    number(info, "arch_bits", sizeof(void *) * 8);
    word(info, "monotonic_clock", "POSIX clock_gettime");
    word(info, "multiplexing_api", "epoll");
    text_add(&info->text, "gcc_version:%d.%d.%d\r\n", __GNUC__, __GNUC_MINOR__, __GNUC_PATCHLEVEL__);
    text_add(&info->text, "process_id:%" PRId64 "\r\n", report->process_id);
    word(info, "process_supervised", "no");
    word(info, "run_id", report->run_id);
    number(info, "tcp_port", report->tcp_port);
    number(info, "server_time_usec", report->now_us);
    number(info, "uptime_in_seconds", report->uptime_s);
    number(info, "uptime_in_days", report->uptime_s / 86400);
    word(info, "executable", report->executable);
    word(info, "config_file", info->conf->file);
    word(info, "io_threads_active", "0");
    number(info, "io_uring_active", report->io_uring);
}

static void clients_section(struct info *info) {
    const struct report *report = info->report;

    number(info, "connected_clients", report->clients);
    number(info, "cluster_connections", report->peer_links);
    number(info, "maxclients", info->conf->clients_max);
    number(info, "client_recent_max_input_buffer", report->input_max);
    number(info, "client_recent_max_output_buffer", report->output_max);
    number(info, "blocked_clients", report->clients_blocked);
    number(info, "tracking_clients", 0);
    number(info, "clients_in_timeout_table", report->clients_timed);

    number(info, "clients_via_members", report->clients_via_members);
    number(info, "proxied_clients", report->proxied_clients);
}

/* What the system has given beyond what the allocator has asked for is pages that it has not touched: the difference may be below 0. */
static void allocator_lines(struct info *info) {
    const struct report *report = info->report;
    size_t given = report->memory_allocated, active = report->memory_active,
           resident = report->memory_resident;

    number(info, "allocator_allocated", given);
    number(info, "allocator_active", active);
    number(info, "allocator_resident", resident);
    text_add(&info->text, "allocator_frag_ratio:%.2f\r\nallocator_frag_bytes:%" PRId64 "\r\n",
             given ? (double)active / (double)given : 0, (int64_t)active - (int64_t)given);
    text_add(&info->text, "allocator_rss_ratio:%.2f\r\nallocator_rss_bytes:%" PRId64 "\r\n",
             active ? (double)resident / (double)active : 0, (int64_t)resident - (int64_t)active);
    text_add(&info->text, "rss_overhead_ratio:1.00\r\nrss_overhead_bytes:0\r\n");
}

static void memory_section(struct info *info) {
    static const char *const lines[] = {
        "mem_clients_slaves:0", "mem_replication_backlog:0", "mem_total_replication_buffers:0",
        "mem_aof_buffer:0",     "mem_cluster_links:0",       NULL,
    };
    /* What is deleted is freed at once or counted no more; there are no functions; Lua's machine lasts for one script. */
    static const char *const absent[] = {
        "lazyfree_pending_objects:0",    "lazyfreed_objects:0",
        "used_memory_functions:0",       "used_memory_vm_eval:0",
        "used_memory_vm_functions:0",    "used_memory_vm_total:0",
        "used_memory_vm_total_human:0B", NULL,
    };
    const struct report *report = info->report;
    size_t used = report->memory_used, data = report->memory_keyspace;
    double spread = used ? (double)report->memory_resident / (double)used : 0;

    bytes(info, "used_memory", used);
    bytes(info, "used_memory_rss", report->memory_resident);
    bytes(info, "used_memory_peak", report->memory_used_peak);
    text_add(&info->text, "used_memory_peak_perc:%.2f%%\r\n", percent(used, report->memory_used_peak));
    number(info, "used_memory_overhead", used > data ? used - data : 0);
    number(info, "used_memory_startup", report->memory_used_startup);
    number(info, "used_memory_dataset", data);
    text_add(&info->text, "used_memory_dataset_perc:%.2f%%\r\n", percent(data, used));
    bytes(info, "total_system_memory", report->memory_system);
    bytes(info, "used_memory_lua", 0);
    bytes(info, "used_memory_scripts", report->memory_scripts);
    number(info, "used_memory_scripts_eval", report->memory_scripts);
    number(info, "number_of_cached_scripts", report->scripts);
    number(info, "number_of_functions", 0);
    number(info, "number_of_libraries", 0);
    bytes(info, "maxmemory", info->conf->maxmemory);
    word(info, "maxmemory_policy", conf_eviction_name(info->conf->maxmemory_policy));
    text_add(&info->text, "mem_fragmentation_ratio:%.2f\r\n", spread);
    text_add(&info->text, "mem_fragmentation_bytes:%" PRId64 "\r\n",
             (int64_t)report->memory_resident - (int64_t)used);
    number(info, "mem_not_counted_for_evict",
           used > report->memory_lasting ? used - report->memory_lasting : 0);
    number(info, "mem_clients_normal", report->memory_clients);
    word(info, "mem_allocator", report->allocator);
    number(info, "active_defrag_running", 0);
    constants(info, lines);
    constants(info, absent);
    allocator_lines(info);
}

/* Everything acknowledged is on disk already, so there is never a change that waits to be saved. What Redis tells of its
 * background saves is told of checkpoints. */
static void persistence_section(struct info *info) {
    static const char *const lines[] = {
        "async_loading:0",
        "rdb_changes_since_last_save:0",
        "aof_enabled:0",
        "aof_rewrite_in_progress:0",
        "aof_rewrite_scheduled:0",
        "aof_last_rewrite_time_sec:-1",
        "aof_current_rewrite_time_sec:-1",
        "aof_last_bgrewrite_status:ok",
        "aof_last_write_status:ok",
        NULL,
    };

    /* Nothing is forked, so no page is copied for a child. */
    static const char *const absent[] = {
        "current_cow_peak:0",
        "current_cow_size:0",
        "current_cow_size_age:0",
        "current_fork_perc:0.00",
        "rdb_last_cow_size:0",
        "aof_rewrites:0",
        "aof_rewrites_consecutive_failures:0",
        "aof_last_cow_size:0",
        "module_fork_in_progress:0",
        "module_fork_last_cow_size:0",
        NULL,
    };
    const struct report *report = info->report;

    number(info, "loading", report->state == REPORT_LOADING);
    constants(info, lines);
    number(info, "rdb_bgsave_in_progress", report->checkpoint_under_way_ms > 0);
    word(info, "rdb_last_bgsave_status", report->checkpoint_failures ? "err" : "ok");
    text_add(&info->text, "rdb_last_bgsave_time_sec:%" PRId64 "\r\n",
             report->checkpoint_count ? (int64_t)report->checkpoint_took_ms / 1000 : -1);
    text_add(&info->text, "rdb_current_bgsave_time_sec:%" PRId64 "\r\n",
             report->checkpoint_under_way_ms ? (int64_t)report->checkpoint_under_way_ms / 1000 : -1);
    number(info, "rdb_last_save_time", report->now_us / 1000000);
    number(info, "rdb_saves", report->checkpoint_count);
    constants(info, absent);
}

static void stats_section(struct info *info) {
    /* Every key expires at its time, nothing is moved about in memory, no client is tracked, no thread helps. */
    static const char *const absent[] = {
        "expired_stale_perc:0.00",       "expired_time_cap_reached_count:0",
        "slave_expires_tracked_keys:0",  "active_defrag_hits:0",
        "active_defrag_misses:0",        "active_defrag_key_hits:0",
        "active_defrag_key_misses:0",    "total_active_defrag_time:0",
        "current_active_defrag_time:0",  "tracking_total_items:0",
        "tracking_total_prefixes:0",     "dump_payload_sanitizations:0",
        "io_threaded_reads_processed:0", "io_threaded_writes_processed:0",
        "unexpected_error_replies:0",    NULL,
    };
    const struct report *report = info->report;
    static const char *const lines[] = {
        "sync_full:0",   "sync_partial_ok:0",        "sync_partial_err:0",    "latest_fork_usec:0",
        "total_forks:0", "migrate_cached_sockets:0", "tracking_total_keys:0", NULL,
    };

    number(info, "total_connections_received", report->connections);
    number(info, "total_commands_processed", report->commands);
    text_add(&info->text, "instantaneous_ops_per_sec:%.0f\r\n", report->commands_per_s);
    number(info, "total_net_input_bytes", report->bytes_in);
    number(info, "total_net_output_bytes", report->bytes_out);
    number(info, "total_net_repl_input_bytes", report->peer_bytes_in);
    number(info, "total_net_repl_output_bytes", report->peer_bytes_out);
    text_add(&info->text, "instantaneous_input_kbps:%.2f\r\ninstantaneous_output_kbps:%.2f\r\n",
             report->kbytes_in_per_s, report->kbytes_out_per_s);
    number(info, "rejected_connections", report->rejected_connections);
    number(info, "expired_keys", report->expired_keys);
    number(info, "evicted_keys", report->evicted_keys);
    number(info, "evicted_clients", 0);
    number(info, "total_eviction_exceeded_time", report->over_memory_total_ms);
    number(info, "current_eviction_exceeded_time", report->over_memory_ms);
    number(info, "keyspace_hits", report->keyspace_hits);
    number(info, "keyspace_misses", report->keyspace_misses);
    number(info, "pubsub_channels", report->pubsub_channels);
    number(info, "pubsub_patterns", report->pubsub_patterns);
    number(info, "pubsubshard_channels", report->pubsub_shard_channels);
    constants(info, lines);
    constants(info, absent);
    number(info, "total_error_replies", report->error_replies);
    number(info, "total_reads_processed", report->reads);
    number(info, "total_writes_processed", report->writes);
}

static void leader_lines(struct info *info) {
    const struct report *report = info->report;
    size_t followers = 0;

    word(info, "role", "master");
    for (size_t at = 0; at < report->member_count; at++)
        followers +=
            report->members[at].id != report->node_id && health_reachable(report, &report->members[at]);
    number(info, "connected_slaves", followers);
    followers = 0;
    for (size_t at = 0; at < report->member_count; at++) {
        const struct report_member *member = &report->members[at];
        if (member->id == report->node_id || !health_reachable(report, member))
            continue;
        text_add(&info->text, "slave%zu:ip=%s,port=%u,state=online,offset=%" PRIu64 ",lag=%" PRId64 "\r\n",
                 followers++, member->host, member->port, member->match_index,
                 member->last_contact_ms < 0 ? 0 : member->last_contact_ms / 1000);
    }
}

static void follower_lines(struct info *info) {
    const struct report *report = info->report;
    const struct report_member *leader = report_known_leader(report);
    bool up = info->health.quorum && report->leader_id != 0 && report->leader_id != report->node_id;
    int64_t heard_s = up && leader && leader->last_contact_ms >= 0 ? leader->last_contact_ms / 1000 : -1;

    word(info, "role", "slave");
    word(info, "master_host", leader ? leader->host : "");
    number(info, "master_port", leader ? leader->port : 0);
    word(info, "master_link_status", up ? "up" : "down");
    text_add(&info->text, "master_last_io_seconds_ago:%" PRId64 "\r\n", heard_s);
    number(info, "master_sync_in_progress", 0);
    number(info, "slave_read_repl_offset", report->last_index);
    number(info, "slave_repl_offset", report->applied_index);
    if (!up && report->quorum_lost_since_ms && report->quorum_lost_since_ms <= report->now_us / 1000)
        number(info, "master_link_down_since_seconds",
               (report->now_us / 1000 - report->quorum_lost_since_ms) / 1000);
    word(info, "slave_priority", "100");
    word(info, "slave_read_only", "1");
    word(info, "replica_announced", "1");
    number(info, "connected_slaves", 0);
}

/* Offsets are log indexes. */
static void replication_section(struct info *info) {
    static const char none[] = "0000000000000000000000000000000000000000";
    const char *cluster = info->report->cluster_id;

    if (info->health.master)
        leader_lines(info);
    else
        follower_lines(info);
    word(info, "master_failover_state", "no-failover");
    word(info, "master_replid", cluster[0] ? cluster : none);
    word(info, "master_replid2", none);
    number(info, "master_repl_offset", info->report->commit_index);
    word(info, "second_repl_offset", "-1");
    number(info, "repl_backlog_active", info->report->log_entries > 0);
    number(info, "repl_backlog_size", info->report->log_bytes);
    number(info, "repl_backlog_first_byte_offset",
           info->report->log_entries ? info->report->last_index - info->report->log_entries + 1 : 0);
    number(info, "repl_backlog_histlen", info->report->log_entries);
}

static void cpu_section(struct info *info) {
    text_add(&info->text, "used_cpu_sys:%.6f\r\nused_cpu_user:%.6f\r\n", info->report->cpu_sys_s,
             info->report->cpu_user_s);
    text_add(&info->text, "used_cpu_sys_main_thread:%.6f\r\nused_cpu_user_main_thread:%.6f\r\n",
             info->report->loop_sys_s, info->report->loop_user_s);
    text_add(&info->text, "used_cpu_sys_children:0.000000\r\nused_cpu_user_children:0.000000\r\n");
}

static void modules_section(struct info *info) {
    (void)info; /* there are none, but the section's title is looked for */
}

static void commandstats_section(struct info *info) {
    for (size_t at = 0; at < info->report->call_count; at++) {
        const struct report_calls *calls = &info->report->calls[at];
        double each = calls->calls ? (double)calls->us / (double)calls->calls : 0;
        text_add(&info->text,
                 "cmdstat_%s:calls=%" PRIu64 ",usec=%" PRIu64 ",usec_per_call=%.2f,rejected_calls=%" PRIu64
                 ",failed_calls=%" PRIu64 "\r\n",
                 calls->command->name, calls->calls, calls->us, each, calls->rejected, calls->failed);
    }
}

static void errorstats_section(struct info *info) {
    for (size_t at = 0; at < info->report->error_count; at++)
        text_add(&info->text, "errorstat_%s:count=%" PRIu64 "\r\n", info->report->errors[at].code,
                 info->report->errors[at].count);
}

static void cluster_section(struct info *info) {
    number(info, "cluster_enabled", 1);
}

static void keyspace_section(struct info *info) {
    for (size_t db = 0; db < info->report->database_count; db++) {
        const struct report_database *database = &info->report->databases[db];
        if (database->keys)
            text_add(&info->text, "db%zu:keys=%zu,expires=%zu,avg_ttl=%" PRIu64 "\r\n", db, database->keys,
                     database->deadlines, database->avg_ttl_ms);
    }
}

/* Clients read all sections into one table: a second `role` would hide the first. */
static void raft_section(struct info *info) {
    raft_lines(&info->text, info->report, &info->health, "raft_");
}

static const struct section {
    const char *title;
    bool in_default; /* told when nothing in particular was asked for */
    void (*add)(struct info *info);
} sections[] = {
    {"Server", true, server_section},
    {"Clients", true, clients_section},
    {"Memory", true, memory_section},
    {"Persistence", true, persistence_section},
    {"Stats", true, stats_section},
    {"Replication", true, replication_section},
    {"CPU", true, cpu_section},
    {"Modules", true, modules_section},
    {"Commandstats", false, commandstats_section},
    {"Errorstats", true, errorstats_section},
    {"Cluster", true, cluster_section},
    {"Keyspace", true, keyspace_section},
    {"Raft", true, raft_section},
};

static bool section_wanted(const struct session_call *call, const struct section *section) {
    if (call->count == 1)
        return section->in_default;
    for (size_t at = 1; at < call->count; at++) {
        const struct resp_arg *name = &call->args[at];
        if (resp_arg_is(name, section->title) || resp_arg_is(name, "all") ||
            resp_arg_is(name, "everything") || (section->in_default && resp_arg_is(name, "default")))
            return true;
    }
    return false;
}

/* Names of sections that are not there are passed over. */
void session_info(struct session_call *call) {
    struct info info = {.report = call->report, .conf = call->conf};
    size_t told = 0;

    assert(call->report && call->conf);
    health_judge(call->report, &info.health);
    for (size_t at = 0; at < sizeof sections / sizeof sections[0]; at++) {
        if (!section_wanted(call, &sections[at]))
            continue;
        text_add(&info.text, "%s# %s\r\n", told++ ? "\r\n" : "", sections[at].title);
        sections[at].add(&info);
    }
    text_reply(&info.text, call->reply);
}
