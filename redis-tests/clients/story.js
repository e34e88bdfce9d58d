/* SPDX-License-Identifier: MIT */
/* How a story in JavaScript tells what it does: see run.py. */
'use strict';
const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');

const THROUGH_MS = 4000;
const say = (...words) => console.log(words.join(' '));
const sleep = ms => new Promise(resolve => setTimeout(resolve, ms));
const now = () => Number(process.hrtime.bigint() / 1000000n);

/* Some packages don't let their package.json be required. */
function version(name) {
    const file = require.resolve.paths(name).map(at => path.join(at, name, 'package.json')).find(fs.existsSync);
    say('version', JSON.parse(fs.readFileSync(file)).version);
}

/* check() resolves to what came and what should have come. */
async function step(name, check) {
    try {
        const [got, wanted] = await check();
        assert.deepStrictEqual(got, wanted);
        say('ok', name);
    } catch (error) {
        say('not', `${name}:`, `${error.name}: ${error.message}`.replace(/\s*\n\s*/g, ' '));
    }
}

/* Counts up while the leader is killed; increment() resolves when it is acknowledged. */
async function through(increment) {
    say('kill');
    let acknowledged = 0, failed = 0, pause = 0;
    const start = now();
    let last = start;
    while (now() - start < THROUGH_MS) {
        try {
            await increment();
        } catch (error) {
            failed++;
            console.error('attempt:', error.message);
            await sleep(20);
            continue;
        }
        acknowledged++;
        pause = Math.max(pause, now() - last);
        last = now();
        await sleep(10);
    }
    say('through', acknowledged, failed, pause, now() - last);
}

/* Publishes until the listener was told, for at most 3 s: a listener may be on its way to another node. */
async function told(received, publish, what) {
    for (let i = 0; i < 30 && !received.includes(what); i++) {
        await publish(what);
        await sleep(100);
    }
    return [received.includes(what), true];
}

const pairs = addresses => addresses.map(address => ({ host: address.split(':')[0], port: Number(address.split(':')[1]) }));

/* A client that hangs must not hang the story, and one that goes on trying must not keep it alive. */
function start(main) {
    const way = process.argv[2], addresses = pairs(process.argv.slice(3));
    process.on('unhandledRejection', error => console.error('unhandled:', error.message));
    main(way, addresses).then(() => process.exit(0), error => {
        console.error(error);
        process.exit(1);
    });
}

module.exports = { say, version, sleep, step, through, told, start };
