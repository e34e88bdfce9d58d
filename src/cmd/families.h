/* SPDX-License-Identifier: MIT */
/*
 * The commands over the keyspace, one function each, for the rows of table.c. The gate has checked the arity.
 */
#ifndef FAMILIES_H
#define FAMILIES_H

struct call;

/* string.c */
void cmd_get(struct call *call);
void cmd_set(struct call *call);
void cmd_setnx(struct call *call);
void cmd_getset(struct call *call);
void cmd_getdel(struct call *call);
void cmd_mget(struct call *call);
void cmd_mset(struct call *call);
void cmd_incr(struct call *call);
void cmd_decr(struct call *call);
void cmd_incrby(struct call *call);
void cmd_decrby(struct call *call);
void cmd_append(struct call *call);
void cmd_strlen(struct call *call);

/* key.c */
void cmd_del(struct call *call);
void cmd_unlink(struct call *call);
void cmd_exists(struct call *call);
void cmd_type(struct call *call);
void cmd_rename(struct call *call);
void cmd_keys(struct call *call);
void cmd_scan(struct call *call);
void cmd_randomkey(struct call *call);
void cmd_dbsize(struct call *call);
void cmd_flushall(struct call *call);
void cmd_flushdb(struct call *call);

/* expire.c */
void cmd_expire(struct call *call);
void cmd_pexpire(struct call *call);
void cmd_expireat(struct call *call);
void cmd_pexpireat(struct call *call);
void cmd_ttl(struct call *call);
void cmd_pttl(struct call *call);
void cmd_persist(struct call *call);
void cmd_expiretime(struct call *call);
void cmd_pexpiretime(struct call *call);
void cmd_time(struct call *call);

#endif
