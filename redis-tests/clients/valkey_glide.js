/* SPDX-License-Identifier: MIT */
/* valkey-glide: GlideClusterClient. See run.py. */
'use strict';
const { GlideClusterClient, GlideClusterClientConfiguration, ClusterBatch, Script } = require('@valkey/valkey-glide');
const { version, step, through, told, start } = require('./story.js');

start(async (way, addresses) => {
    version('@valkey/valkey-glide');
    const received = [];
    const options = { addresses, requestTimeout: 3000 };
    const client = await GlideClusterClient.createClient(options);
    const listener = await GlideClusterClient.createClient({
        ...options,
        pubsubSubscriptions: {
            channelsAndPatterns: {
                [GlideClusterClientConfiguration.PubSubChannelModes.Exact]: new Set(['story:channel']),
            },
            callback: message => received.push(String(message.message)),
        },
    });
    await step('write and read', async () => {
        await client.set('story:key', 'å\r\n\0');
        return [await client.get('story:key'), 'å\r\n\0'];
    });
    await step('pipeline', async () => {
        const batch = new ClusterBatch(false);
        for (let i = 0; i < 100; i++)
            batch.incr('story:pipelined');
        return [await client.exec(batch, true), Array.from({ length: 100 }, (_, i) => i + 1)];
    });
    await step('transaction', async () => {
        const batch = new ClusterBatch(true).set('story:tx', '1').incr('story:tx');
        return [await client.exec(batch, true), ['OK', 2]];
    });
    await step('script', async () => {
        const add = new Script("return redis.call('INCRBY', KEYS[1], ARGV[1])");
        const options = { keys: ['story:script'], args: ['5'] };
        return [[await client.invokeScript(add, options), await client.invokeScript(add, options)], [5, 10]];
    });
    const publish = what => client.publish(what, 'story:channel');
    await step('publish and subscribe', () => told(received, publish, 'before'));
    await through(() => client.incr('story:counter'));
    await step('read afterwards', async () => [await client.get('story:key'), 'å\r\n\0']);
    await step('publish afterwards', () => told(received, publish, 'after'));
    listener.close();
    client.close();
});
