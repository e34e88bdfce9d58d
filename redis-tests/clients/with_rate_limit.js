/* SPDX-License-Identifier: MIT */
/* rate-limit-redis: express-rate-limit's store, whose scripts are sent by EVALSHA; over ioredis. See run.py. */
'use strict';
const express = require('express');
const Redis = require('ioredis');
const { rateLimit } = require('express-rate-limit');
const { RedisStore } = require('rate-limit-redis');
const { say, version, step, through, start } = require('./story.js');

function application(client, limit, prefix) {
    const app = express();
    const store = new RedisStore({ prefix, sendCommand: (...words) => client.call(...words) });
    app.use(rateLimit({ windowMs: 60000, limit, store, validate: false, legacyHeaders: true }));
    app.get('/', (request, response) => response.send('in'));
    app.use((error, request, response, next) => response.status(500).send(error.message));
    return new Promise(resolve => {
        const server = app.listen(0, '127.0.0.1', () => resolve(`http://127.0.0.1:${server.address().port}/`));
    });
}

start(async (way, addresses) => {
    version('rate-limit-redis');
    say('resends');   /* ioredis does */
    const client = way === 'cluster' ? new Redis.Cluster(addresses) : new Redis(addresses[0]);
    client.on('error', error => console.error('error:', error.message));
    const narrow = await application(client, 5, 'narrow:'), wide = await application(client, 100000, 'wide:');
    const statuses = async count => {
        const all = [];
        for (let i = 0; i < count; i++)
            all.push((await fetch(narrow)).status);
        return all;
    };
    await step('five are let in, the sixth is not', async () => [await statuses(6), [200, 200, 200, 200, 200, 429]]);
    await through(async () => {
        const response = await fetch(wide);
        if (response.status !== 200)
            throw new Error(await response.text());
        await client.incr('story:counter');
    });
    await step('the limit still stands afterwards', async () => [await statuses(2), [429, 429]]);
});
