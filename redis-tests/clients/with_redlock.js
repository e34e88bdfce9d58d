/* SPDX-License-Identifier: MIT */
/* redlock: one resource, many contenders; never two holders, also when the leader is killed. See run.py. */
'use strict';
const Redis = require('ioredis');
const Redlock = require('redlock');
const { say, version, sleep, step, through, start } = require('./story.js');

const TTL_MS = 1000;

start(async (way, addresses) => {
    version('redlock');
    say('resends');   /* ioredis does */
    const client = way === 'cluster' ? new Redis.Cluster(addresses) : new Redis(addresses[0]);
    client.on('error', error => console.error('error:', error.message));
    const redlock = new Redlock([client], { retryCount: 300, retryDelay: 10, retryJitter: 10 });
    const once = new Redlock([client], { retryCount: 0 });
    await step('lock, refusal, extension, release', async () => {
        const lock = await redlock.lock('story:lock', TTL_MS);
        const refused = await once.lock('story:lock', TTL_MS).then(() => false, error => error.name);
        await lock.extend(TTL_MS);
        await lock.unlock();
        const again = await once.lock('story:lock', TTL_MS);
        await again.unlock();
        return [refused, 'LockError'];
    });
    let holders = 0, most = 0;
    const hold = async () => {
        const lock = await redlock.lock('story:shared', TTL_MS);
        most = Math.max(most, ++holders);
        await sleep(2);
        holders--;
        await lock.unlock();
    };
    let contending = true;
    const others = [1, 2, 3].map(async () => {
        while (contending)
            await hold().catch(error => console.error('contender:', error.message));
    });
    await through(async () => {
        await hold();
        await client.incr('story:counter');
    });
    contending = false;
    await Promise.all(others);
    await step('never two holders', async () => [most, 1]);
});
