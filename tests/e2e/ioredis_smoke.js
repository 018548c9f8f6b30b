// ioredis, as any program would use it. usage: node ioredis_smoke.js PORT OTHER_PORT
// Prints TAP; ends with code 1 when a check failed.
'use strict';
const assert = require('node:assert');
const Redis = require('ioredis');

const [port, other] = process.argv.slice(2).map(Number);

function connect(to, options = {}) {
    const client = new Redis({port: to, host: '127.0.0.1', commandTimeout: 10000,
                              maxRetriesPerRequest: 3, ...options});
    client.on('error', (error) => console.log(`# connection: ${error.message}`));
    return client;
}

const checks = {
    'ioredis connects and becomes ready': async (client) => {
        assert.strictEqual(await client.ping(), 'PONG');
        assert.strictEqual(client.status, 'ready');
    },
    'ioredis reads at one node what it wrote at another': async (client, far) => {
        assert.strictEqual(await client.set('io:a', 'one'), 'OK');
        assert.strictEqual(await far.get('io:a'), 'one');
        assert.strictEqual(await far.get('io:none'), null);
        assert.strictEqual(await client.set('io:a', 'x', 'NX'), null);
    },
    'ioredis counts, appends and lists': async (client, far) => {
        await client.del('io:n', 'io:l', 'io:s');
        assert.strictEqual(await client.incr('io:n'), 1);
        assert.strictEqual(await far.incrby('io:n', 9), 10);
        assert.strictEqual(await client.append('io:s', 'abc'), 3);
        assert.strictEqual(await client.rpush('io:l', 'a', 'b', 'c'), 3);
        assert.deepStrictEqual(await far.lrange('io:l', 0, -1), ['a', 'b', 'c']);
        assert.strictEqual(await client.lpop('io:l'), 'a');
        assert.strictEqual(await client.type('io:l'), 'list');
    },
    'ioredis keeps bytes': async (client) => {
        const bytes = Buffer.from(Array.from({length: 256}, (_, i) => i));
        await client.set('io:bytes', bytes);
        assert.ok(bytes.equals(await client.getBuffer('io:bytes')));
    },
    'ioredis pipelines in order': async (client) => {
        const pipeline = client.pipeline();
        for (let i = 0; i < 200; i++) {
            pipeline.set(`io:p${i}`, i).get(`io:p${i}`);
        }
        const replies = await pipeline.exec();
        for (let i = 0; i < 200; i++) {
            assert.deepStrictEqual(replies[2 * i], [null, 'OK']);
            assert.deepStrictEqual(replies[2 * i + 1], [null, String(i)]);
        }
    },
    'ioredis rejects with the error of the server': async (client) => {
        await client.set('io:text', 'abc');
        await assert.rejects(client.incr('io:text'), /not an integer/);
        await assert.rejects(client.rpush('io:text', 'x'), /WRONGTYPE/);
        await assert.rejects(client.call('NOSUCH', 'x'), /unknown command/);
    },
    'ioredis scans every key': async (client) => {
        const found = new Set();
        for await (const keys of client.scanStream({match: 'io:p*', count: 50})) {
            keys.forEach((key) => found.add(key));
        }
        assert.strictEqual(found.size, 200);
    },
    'ioredis sends commands together with enableAutoPipelining': async () => {
        const client = connect(port, {enableAutoPipelining: true});
        const replies = await Promise.all(Array.from({length: 100}, () => client.incr('io:auto')));
        assert.strictEqual(new Set(replies).size, 100);
        client.disconnect();
    },
};

async function main() {
    const client = connect(port);
    const far = connect(other);
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
