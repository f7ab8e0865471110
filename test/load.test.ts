/** A short run of `npm run load`: that nothing goes wrong, not how fast it goes. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const CLIENTS = 100;

test(`${CLIENTS} clients at once: no answer is refused, broken off or wrong`, () => {
  const options = ['--warm-up', '0', '--seconds', '4', '--pause', '1000', '--json'];
  const { stdout, stderr } = spawnSync(
    process.execPath,
    [join(root, 'scripts', 'load.mjs'), '--clients', String(CLIENTS), ...options],
    { encoding: 'utf8' },
  );
  const result = JSON.parse(stdout);
  expect({ messages: result.messages, stderr }).toEqual({ messages: [], stderr: '' });
  expect(result).toMatchObject({ clients: CLIENTS, errors: 0, exitCode: 0 });
  const kinds = result.rows.map(({ kind }: { kind: string }) => kind);
  expect(kinds).toEqual(['absent', 'deserted', 'range', 'slow', 'substitute', 'substitute h2']);
  for (const { kind, requests } of result.rows) expect(requests, kind).toBeGreaterThan(0);
});
