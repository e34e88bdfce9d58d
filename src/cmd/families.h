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

/* zset.c */
void cmd_zadd(struct call *call);
void cmd_zincrby(struct call *call);
void cmd_zrem(struct call *call);
void cmd_zcard(struct call *call);
void cmd_zscore(struct call *call);
void cmd_zmscore(struct call *call);
void cmd_zrank(struct call *call);
void cmd_zrevrank(struct call *call);
void cmd_zscan(struct call *call);

/* zset_pop.c */
void cmd_zpopmin(struct call *call);
void cmd_zpopmax(struct call *call);
void cmd_zmpop(struct call *call);
void cmd_bzpopmin(struct call *call);
void cmd_bzpopmax(struct call *call);
void cmd_bzmpop(struct call *call);
void cmd_zrandmember(struct call *call);

/* zset_range.c */
void cmd_zcount(struct call *call);
void cmd_zlexcount(struct call *call);
void cmd_zremrangebyrank(struct call *call);
void cmd_zremrangebyscore(struct call *call);
void cmd_zremrangebylex(struct call *call);
void cmd_zrange(struct call *call);
void cmd_zrangestore(struct call *call);
void cmd_zrevrange(struct call *call);
void cmd_zrangebyscore(struct call *call);
void cmd_zrevrangebyscore(struct call *call);
void cmd_zrangebylex(struct call *call);
void cmd_zrevrangebylex(struct call *call);

/* zset_algebra.c */
void cmd_zunion(struct call *call);
void cmd_zinter(struct call *call);
void cmd_zdiff(struct call *call);
void cmd_zintercard(struct call *call);
void cmd_zunionstore(struct call *call);
void cmd_zinterstore(struct call *call);
void cmd_zdiffstore(struct call *call);
/* list.c, list_position.c */
void cmd_lpush(struct call *call);
void cmd_rpush(struct call *call);
void cmd_lpushx(struct call *call);
void cmd_rpushx(struct call *call);
void cmd_linsert(struct call *call);
void cmd_lpop(struct call *call);
void cmd_rpop(struct call *call);
void cmd_lmpop(struct call *call);
void cmd_lmove(struct call *call);
void cmd_rpoplpush(struct call *call);
void cmd_llen(struct call *call);
void cmd_lindex(struct call *call);
void cmd_lrange(struct call *call);
void cmd_lset(struct call *call);
void cmd_lrem(struct call *call);
void cmd_ltrim(struct call *call);
void cmd_lpos(struct call *call);
void cmd_blpop(struct call *call);
void cmd_brpop(struct call *call);
void cmd_blmove(struct call *call);
void cmd_brpoplpush(struct call *call);
void cmd_blmpop(struct call *call);

/* sort.c */
void cmd_sort(struct call *call);
void cmd_sort_ro(struct call *call);

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

/* stream.c */
void cmd_xadd(struct call *call);
void cmd_xdel(struct call *call);
void cmd_xlen(struct call *call);
void cmd_xrange(struct call *call);
void cmd_xrevrange(struct call *call);
void cmd_xsetid(struct call *call);
void cmd_xtrim(struct call *call);

/* stream_group.c */
void cmd_xack(struct call *call);
void cmd_xgroup_create(struct call *call);
void cmd_xgroup_createconsumer(struct call *call);
void cmd_xgroup_delconsumer(struct call *call);
void cmd_xgroup_destroy(struct call *call);
void cmd_xgroup_setid(struct call *call);

/* stream_claim.c */
void cmd_xautoclaim(struct call *call);
void cmd_xclaim(struct call *call);

/* stream_info.c */
void cmd_xinfo_consumers(struct call *call);
void cmd_xinfo_groups(struct call *call);
void cmd_xinfo_stream(struct call *call);
void cmd_xpending(struct call *call);

/* stream_read.c */
void cmd_xread(struct call *call);
void cmd_xreadgroup(struct call *call);

/* object.c */
void cmd_object_encoding(struct call *call);
void cmd_object_freq(struct call *call);
void cmd_object_idletime(struct call *call);
void cmd_object_refcount(struct call *call);
void cmd_memory_usage(struct call *call);

/* pubsub.c */
void cmd_publish(struct call *call);
void cmd_spublish(struct call *call);

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
