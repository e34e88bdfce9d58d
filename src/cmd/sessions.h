/* SPDX-License-Identifier: MIT */
/*
 * The commands over the session, one function each, for the table's rows. The gate has checked arity, authentication and state.
 */
#ifndef SESSIONS_H
#define SESSIONS_H

struct call;
struct session_call;

/* connection.c */
void session_ping(struct session_call *call);
void session_echo(struct session_call *call);
void session_quit(struct session_call *call);
void session_select(struct session_call *call);
void session_hello(struct session_call *call);
void session_auth(struct session_call *call);
void session_reset(struct session_call *call);

/* client.c */
void session_client_id(struct session_call *call);
void session_client_getname(struct session_call *call);
void session_client_setname(struct session_call *call);
void session_client_setinfo(struct session_call *call);
void session_client_list(struct session_call *call);
void session_client_info(struct session_call *call);
void session_client_kill(struct session_call *call);
void session_client_reply(struct session_call *call);
void session_client_no_evict(struct session_call *call);
void session_client_no_touch(struct session_call *call);
void session_client_unblock(struct session_call *call);

/* client_modes.c */
void session_client_pause(struct session_call *call);
void session_client_unpause(struct session_call *call);
void session_client_tracking(struct session_call *call);
void session_client_trackinginfo(struct session_call *call);
void session_client_caching(struct session_call *call);
void session_client_getredir(struct session_call *call);
void session_monitor(struct session_call *call);

/* pubsub.c */
void session_subscribe(struct session_call *call);
void session_psubscribe(struct session_call *call);
void session_ssubscribe(struct session_call *call);
void session_unsubscribe(struct session_call *call);
void session_punsubscribe(struct session_call *call);
void session_sunsubscribe(struct session_call *call);
void session_pubsub_channels(struct session_call *call);
void session_pubsub_shardchannels(struct session_call *call);
void session_pubsub_numsub(struct session_call *call);
void session_pubsub_shardnumsub(struct session_call *call);
void session_pubsub_numpat(struct session_call *call);

/* server.c */
void session_config_get(struct session_call *call);
void session_config_set(struct session_call *call);
void session_config_resetstat(struct session_call *call);
void session_config_rewrite(struct session_call *call);
void session_role(struct session_call *call);
void session_save(struct session_call *call);
void session_bgsave(struct session_call *call);
void session_lastsave(struct session_call *call);
void session_debug(struct session_call *call);
void session_shutdown(struct session_call *call);
void session_wait(struct session_call *call);

/* slow.c */
void session_slowlog_get(struct session_call *call);
void session_slowlog_len(struct session_call *call);
void session_slowlog_reset(struct session_call *call);
void session_latency_graph(struct session_call *call);
void session_latency_histogram(struct session_call *call);
void session_latency_latest(struct session_call *call);
void session_latency_history(struct session_call *call);
void session_latency_reset(struct session_call *call);
void session_latency_doctor(struct session_call *call);

/* memory.c */
void session_memory_malloc_stats(struct session_call *call);
void session_memory_purge(struct session_call *call);
void session_memory_stats(struct session_call *call);
void session_memory_doctor(struct session_call *call);

/* info.c */
void session_info(struct session_call *call);

/* introspect.c */
void session_command(struct session_call *call);
void session_command_count(struct session_call *call);
void session_command_info(struct session_call *call);
void session_command_docs(struct session_call *call);
void session_command_list(struct session_call *call);
void session_command_getkeys(struct session_call *call);
void session_command_getkeysandflags(struct session_call *call);
void session_help(struct session_call *call); /* HELP of any container, from its rows */

/* cluster.c */
void session_cluster_info(struct session_call *call);
void session_cluster_nodes(struct session_call *call);
void session_cluster_slots(struct session_call *call);
void session_cluster_shards(struct session_call *call);
void session_cluster_myid(struct session_call *call);
void session_cluster_keyslot(struct session_call *call);
void session_cluster_replicas(struct session_call *call);
void session_cluster_refuse(struct session_call *call);
void session_readonly(struct session_call *call);
void session_readwrite(struct session_call *call);
void session_asking(struct session_call *call);

/* keyslot.c: over the keyspace. They look at every key: there is no index by slot, as there is one shard. */
void cmd_cluster_countkeysinslot(struct call *call);
void cmd_cluster_getkeysinslot(struct call *call);

/* raft.c */
void session_raft_info(struct session_call *call);
void session_raft_backup(struct session_call *call);
void session_raft_snapshot(struct session_call *call);
void session_raft_consistency(struct session_call *call);

/* handover.c */
void session_raft_transfer_leader(struct session_call *call);
void session_failover(struct session_call *call);

/* members.c */
void session_raft_node_add(struct session_call *call);
void session_raft_node_remove(struct session_call *call);
void session_raft_node_set(struct session_call *call);
void session_raft_node_list(struct session_call *call);

#endif
