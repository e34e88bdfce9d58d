/* SPDX-License-Identifier: MIT */
/* ioredis: Redis, Redis.Cluster, and Redis with sentinels. See run.py. */
'use strict';
const Redis = require('ioredis');
const { say, version, step, through, told, start } = require('./story.js');

function make(way, addresses) {
    const client = way === 'cluster' ? new Redis.Cluster(addresses)
                 : way === 'sentinel' ? new Redis({ sentinels: addresses, name: 'mymaster' })
                 : new Redis(addresses[0]);
    return client.on('error', error => console.error('error:', error.message));
}

/* A watch needs a connection of its own: a cluster's is that of the node that has the key. */
async function transaction(client, way) {
    const first = await client.multi().set('story:tx', '1').incr('story:tx').exec();
    const watching = way === 'cluster' ? client.nodes('master')[0].duplicate() : client.duplicate();
    await watching.watch('story:tx');
    await client.set('story:tx', 'other');
    const second = await watching.multi().set('story:tx', 'mine').exec();
    watching.disconnect();
    return [[first, second, await client.get('story:tx')], [[[null, 'OK'], [null, 2]], null, 'other']];
}

async function script(client) {
    const source = "return redis.call('INCRBY', KEYS[1], ARGV[1])";
    client.defineCommand('addUp', { numberOfKeys: 1, lua: source });   /* EVALSHA first, EVAL where it is not known */
    return [[await client.eval(source, 1, 'story:script', 5), await client.addUp('story:script', 5)], [5, 10]];
}

start(async (way, addresses) => {
    version('ioredis');
    if (way !== 'proxy')   /* told not to, it forgets what is unanswered: neither a reply nor an error ever comes */
        say('resends');
    const client = make(way, addresses);
    await step('write and read', async () => {
        await client.set('story:key', Buffer.from([0, 13, 10, 255]), 'EX', 100);
        return [[...await client.getBuffer('story:key')], [0, 13, 10, 255]];
    });
    await step('hash', async () => {
        await client.hset('story:hash', { a: 1, b: 2 });
        return [{ ...await client.hgetall('story:hash') }, { a: '1', b: '2' }];
    });
    await step('pipeline', async () => {
        const pipeline = client.pipeline();
        for (let i = 0; i < 100; i++)
            pipeline.incr('story:pipelined');
        return [await pipeline.exec(), Array.from({ length: 100 }, (_, i) => [null, i + 1])];
    });
    await step('transaction and watch', () => transaction(client, way));
    await step('script', () => script(client));
    const received = [];
    const listener = make(way, addresses);
    listener.on('message', (_, message) => received.push(message));
    await listener.subscribe('story:channel');
    await step('publish and subscribe', () => told(received, what => client.publish('story:channel', what), 'before'));
    await through(() => client.incr('story:counter'));
    await step('read afterwards', async () => [[...await client.getBuffer('story:key')], [0, 13, 10, 255]]);
    await step('publish afterwards', () => told(received, what => client.publish('story:channel', what), 'after'));
});
