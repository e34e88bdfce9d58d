/* SPDX-License-Identifier: MIT */
/* node-redis: createClient, createCluster, createSentinel. See run.py. */
'use strict';
const redis = require('redis');
const { version, say, step, through, told, start } = require('./story.js');

const url = ({ host, port }) => `redis://${host}:${port}`;

function make(way, addresses) {
    if (way === 'cluster')
        return redis.createCluster({   /* it looks for a new leader after 5 s, where it is not told otherwise */
            rootNodes: addresses.map(address => ({ url: url(address) })),
            topologyRefreshOnReconnectionAttemptStrategy: 300,
        });
    if (way === 'sentinel')
        return redis.createSentinel({ name: 'mymaster', sentinelRootNodes: addresses });
    return redis.createClient({ url: url(addresses[0]) });
}

async function transaction(client, way, addresses) {
    const first = await client.multi().set('story:tx', '1').incr('story:tx').exec();
    if (way === 'cluster')   /* has no WATCH of its own */
        return [first, ['OK', 2]];
    const another = await make(way, addresses).on('error', () => {}).connect();
    const watching = way === 'sentinel' ? await another.acquire() : another;
    await watching.watch('story:tx');
    await client.set('story:tx', 'other');
    let second = 'not refused';
    try {
        await watching.multi().set('story:tx', 'mine').exec();
    } catch (error) {
        second = error instanceof redis.WatchError;
    }
    another.destroy();
    return [[first, second, await client.get('story:tx')], [['OK', 2], true, 'other']];
}

async function script(client) {
    const source = "return redis.call('INCRBY', KEYS[1], ARGV[1])";
    const options = { keys: ['story:script'], arguments: ['5'] };
    const first = await client.eval(source, options);
    const sha = require('node:crypto').createHash('sha1').update(source).digest('hex');
    return [[first, await client.evalSha(sha, options)], [5, 10]];
}

start(async (way, addresses) => {
    version('redis');
    const client = make(way, addresses);
    client.on('error', error => console.error('error:', error.message));
    await client.connect();
    await step('write and read', async () => {
        await client.set('story:key', 'å\r\n\0', { EX: 100 });
        return [await client.get('story:key'), 'å\r\n\0'];
    });
    await step('hash', async () => {
        await client.hSet('story:hash', { a: '1', b: '2' });
        return [{ ...await client.hGetAll('story:hash') }, { a: '1', b: '2' }];
    });
    await step('pipeline', async () => {
        const all = Array.from({ length: 100 }, () => client.incr('story:pipelined'));
        return [await Promise.all(all), Array.from({ length: 100 }, (_, i) => i + 1)];
    });
    await step(way === 'cluster' ? 'transaction' : 'transaction and watch', () => transaction(client, way, addresses));
    await step('script', () => script(client));
    const received = [];
    const listener = way === 'proxy' ? await make(way, addresses).on('error', () => {}).connect() : client;
    await listener.subscribe('story:channel', message => received.push(message));
    await step('publish and subscribe', () => told(received, what => client.publish('story:channel', what), 'before'));
    if (way === 'sentinel')
        say('resends');   /* to the new master, once it knows it */
    await through(() => client.incr('story:counter'));
    await step('read afterwards', async () => [await client.get('story:key'), 'å\r\n\0']);
    await step('publish afterwards', () => told(received, what => client.publish('story:channel', what), 'after'));
});
