// node-redis, as any program would use it. usage: node node_redis_smoke.js PORT OTHER_PORT
// Prints TAP; ends with code 1 when a check failed.
'use strict';
const assert = require('node:assert');
const {createClient} = require('redis');

const [port, other] = process.argv.slice(2).map(Number);

async function connect(to, options = {}) {
    const client = createClient({url: `redis://127.0.0.1:${to}`, ...options});
    client.on('error', (error) => console.log(`# connection: ${error.message}`));
    await client.connect();
    return client;
}

const checks = {
    'node-redis connects with RESP2': async (client) => {
        assert.strictEqual(await client.ping(), 'PONG');
    },
    'node-redis connects with RESP3': async () => {
        const client = await connect(port, {RESP: 3});
        assert.strictEqual(await client.ping(), 'PONG');
        assert.strictEqual(await client.get('nr:none'), null);
        await client.del('nr:l3');
        await client.rPush('nr:l3', ['a', 'b']);
        assert.deepStrictEqual(await client.lRange('nr:l3', 0, -1), ['a', 'b']);
        await client.quit();
    },
    'node-redis reads at one node what it wrote at another': async (client, far) => {
        assert.strictEqual(await client.set('nr:a', 'one'), 'OK');
        assert.strictEqual(await far.get('nr:a'), 'one');
        assert.strictEqual(await client.set('nr:a', 'x', {NX: true}), null);
        assert.strictEqual(await client.set('nr:a', 'two', {XX: true, GET: true}), 'one');
    },
    'node-redis counts and lists': async (client, far) => {
        await client.del(['nr:n', 'nr:l']);
        assert.strictEqual(await client.incr('nr:n'), 1);
        assert.strictEqual(await far.decrBy('nr:n', 5), -4);
        assert.strictEqual(await client.rPush('nr:l', ['a', 'b', 'c']), 3);
        assert.strictEqual(await far.lLen('nr:l'), 3);
        assert.strictEqual(await client.rPop('nr:l'), 'c');
    },
    'node-redis sends many commands at once': async (client) => {
        const replies = await Promise.all(Array.from({length: 500}, () => client.incr('nr:many')));
        assert.deepStrictEqual(replies, Array.from({length: 500}, (_, i) => replies[0] + i));
    },
    'node-redis sets and gets many keys': async (client) => {
        await client.mSet({'nr:m1': '1', 'nr:m2': '2'});
        assert.deepStrictEqual(await client.mGet(['nr:m1', 'nr:none', 'nr:m2']), ['1', null, '2']);
    },
    'node-redis scans': async (client) => {
        const found = new Set();
        for await (const keys of client.scanIterator({MATCH: 'nr:m*'})) {
            (Array.isArray(keys) ? keys : [keys]).forEach((key) => found.add(key));
        }
        assert.ok(found.has('nr:m1') && found.has('nr:m2'));
    },
    'node-redis rejects with the error of the server': async (client) => {
        await client.set('nr:text', 'abc');
        await assert.rejects(client.incr('nr:text'), /not an integer/);
        await assert.rejects(client.sendCommand(['NOSUCH']), /unknown command/);
    },
};

async function main() {
    const client = await connect(port);
    const far = await connect(other);
    let number = 0;
    let failed = 0;
    for (const [name, check] of Object.entries(checks)) {
        number++;
        try {
            await check(client, far);
            console.log(`ok ${number} - ${name}`);
        } catch (error) {
            failed++;
            console.log(`not ok ${number} - ${name}`);
            console.log(String(error.stack).replace(/^/gm, '# '));
        }
    }
    console.log(`1..${number}`);
    await client.quit();
    await far.quit();
    process.exit(failed > 0 ? 1 : 0);
}

main();
