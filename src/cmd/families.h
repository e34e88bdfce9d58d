/* SPDX-License-Identifier: MIT */
/*
 * The commands over the keyspace, one function each, for the rows of table.c. The gate has checked the arity.
 */
#ifndef FAMILIES_H
#define FAMILIES_H

struct call;

/* string_set.c */
void cmd_set(struct call *call);
void cmd_setex(struct call *call);
void cmd_psetex(struct call *call);
void cmd_getex(struct call *call);

/* string_range.c, string_float.c, string_lcs.c */
void cmd_getrange(struct call *call);
void cmd_substr(struct call *call);
void cmd_setrange(struct call *call);
void cmd_incrbyfloat(struct call *call);
void cmd_lcs(struct call *call);

/* bits.c, bitfield.c */
void cmd_getbit(struct call *call);
void cmd_setbit(struct call *call);
void cmd_bitcount(struct call *call);
void cmd_bitpos(struct call *call);
void cmd_bitop(struct call *call);
void cmd_bitfield(struct call *call);
void cmd_bitfield_ro(struct call *call);

/* string.c */
void cmd_get(struct call *call);
void cmd_setnx(struct call *call);
void cmd_getset(struct call *call);
void cmd_getdel(struct call *call);
void cmd_mget(struct call *call);
void cmd_mset(struct call *call);
void cmd_msetnx(struct call *call);
void cmd_incr(struct call *call);
void cmd_decr(struct call *call);
void cmd_incrby(struct call *call);
void cmd_decrby(struct call *call);
void cmd_append(struct call *call);
void cmd_strlen(struct call *call);

/* hash.c */
void cmd_hset(struct call *call);
void cmd_hsetnx(struct call *call);
void cmd_hget(struct call *call);
void cmd_hmset(struct call *call);
void cmd_hmget(struct call *call);
void cmd_hdel(struct call *call);
void cmd_hlen(struct call *call);
void cmd_hstrlen(struct call *call);
void cmd_hexists(struct call *call);
void cmd_hkeys(struct call *call);
void cmd_hvals(struct call *call);
void cmd_hgetall(struct call *call);
void cmd_hincrby(struct call *call);
void cmd_hincrbyfloat(struct call *call);
void cmd_hscan(struct call *call);
void cmd_hrandfield(struct call *call);

/* set.c */
void cmd_sadd(struct call *call);
void cmd_srem(struct call *call);
void cmd_sismember(struct call *call);
void cmd_smismember(struct call *call);
void cmd_scard(struct call *call);
void cmd_smembers(struct call *call);
void cmd_spop(struct call *call);
void cmd_srandmember(struct call *call);
void cmd_smove(struct call *call);
void cmd_sscan(struct call *call);

/* set_algebra.c */
void cmd_sinter(struct call *call);
void cmd_sinterstore(struct call *call);
void cmd_sintercard(struct call *call);
void cmd_sunion(struct call *call);
void cmd_sunionstore(struct call *call);
void cmd_sdiff(struct call *call);
void cmd_sdiffstore(struct call *call);

/* key.c */
void cmd_del(struct call *call);
void cmd_unlink(struct call *call);
void cmd_exists(struct call *call);
void cmd_type(struct call *call);
void cmd_rename(struct call *call);
void cmd_renamenx(struct call *call);
void cmd_touch(struct call *call);
void cmd_copy(struct call *call);
void cmd_move(struct call *call);
void cmd_swapdb(struct call *call);
void cmd_keys(struct call *call);
void cmd_scan(struct call *call);
void cmd_randomkey(struct call *call);
void cmd_dbsize(struct call *call);
void cmd_flushall(struct call *call);
void cmd_flushdb(struct call *call);

/* object.c */
void cmd_object_encoding(struct call *call);
void cmd_object_freq(struct call *call);
void cmd_object_idletime(struct call *call);
void cmd_object_refcount(struct call *call);
void cmd_memory_usage(struct call *call);

/* server.c */
void cmd_lolwut(struct call *call);

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
