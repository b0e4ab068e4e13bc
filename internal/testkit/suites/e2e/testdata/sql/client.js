// Runs statements with pg and prints the results as JSON.
const { Client } = require('pg');
const fs = require('fs');
const text = (v) => (v === null ? null : v instanceof Date ? v.toISOString() : Buffer.isBuffer(v) ? v.toString('hex') : typeof v === 'object' ? JSON.stringify(v) : String(v));
(async () => {
  const [url, path] = process.argv.slice(2);
  const client = new Client({ connectionString: url });
  await client.connect();
  const results = [];
  const run = async (query) => {
    try {
      const r = await client.query(query);
      results.push(r.rows.map((row) => row.map(text)));
    } catch (e) {
      results.push({ error: e.code });
    }
  };
  for (const statement of JSON.parse(fs.readFileSync(path))) {
    await run({ text: statement, rowMode: 'array' });
  }
  for (const n of [1, 2, 3]) { // a named statement, bound again without Parse
    await run({ name: 'double', text: 'SELECT $1::int * 2, $2::text', values: [n, n === 2 ? null : 'é'], rowMode: 'array' });
  }
  await run({ text: 'BEGIN', rowMode: 'array' });
  await run({ text: 'SELECT 1/0', rowMode: 'array' });
  await run({ text: 'SELECT 1', rowMode: 'array' });
  await run({ text: 'ROLLBACK', rowMode: 'array' });
  await client.end();
  process.stdout.write(JSON.stringify(results));
})().catch((e) => { console.error(e); process.exit(1); });
