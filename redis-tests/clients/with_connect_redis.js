/* SPDX-License-Identifier: MIT */
/* connect-redis: the sessions of an express application, asked over HTTP. See run.py. */
'use strict';
const express = require('express');
const session = require('express-session');
const redis = require('redis');
const { RedisStore } = require('connect-redis');
const { say, version, step, through, start } = require('./story.js');

const url = ({ host, port }) => `redis://${host}:${port}`;

function make(way, addresses) {
    if (way === 'cluster')
        return redis.createCluster({ rootNodes: addresses.map(address => ({ url: url(address) })),
                                     topologyRefreshOnReconnectionAttemptStrategy: 300 });
    if (way === 'sentinel')
        return redis.createSentinel({ name: 'mymaster', sentinelRootNodes: addresses });
    return redis.createClient({ url: url(addresses[0]) });
}

function application(client) {
    const app = express();
    app.use(session({ store: new RedisStore({ client }), secret: 'of a story', resave: false, saveUninitialized: false }));
    app.get('/', (request, response) => {
        request.session.views = (request.session.views ?? 0) + 1;
        response.send(String(request.session.views));
    });
    app.use((error, request, response, next) => response.status(500).send(error.message));
    return new Promise(resolve => {
        const server = app.listen(0, '127.0.0.1', () => resolve(`http://127.0.0.1:${server.address().port}/`));
    });
}

start(async (way, addresses) => {
    version('connect-redis');
    const client = make(way, addresses).on('error', error => console.error('error:', error.message));
    await client.connect();
    const page = await application(client);
    let cookie = '';
    const visit = async () => {
        const response = await fetch(page, { headers: { cookie } });
        cookie = response.headers.get('set-cookie')?.split(';')[0] ?? cookie;
        const body = await response.text();
        if (!response.ok)
            throw new Error(body);
        return body;
    };
    await step('a session', async () => [[await visit(), await visit(), await visit()], ['1', '2', '3']]);
    const before = cookie;
    let last = 3;
    if (way === 'sentinel')
        say('resends');   /* node-redis does */
    await through(async () => {
        last = Number(await visit());
        await client.incr('story:counter');
    });
    await step('the same session afterwards', async () => [[Number(await visit()) > last, cookie], [true, before]]);
});
