/** src/grpc/gen is what the generator makes of proto/. */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { temporaryDirectory } from '../support/temporaryDirectory.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const BIN = join(ROOT, 'node_modules', '.bin');

function filesBelow(directory: string): Map<string, string> {
  const entries = readdirSync(directory, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  return new Map(
    files.map((entry) => {
      const path = join(entry.parentPath, entry.name);
      return [path.slice(directory.length + 1), readFileSync(path, 'utf8')];
    }),
  );
}

test('generated code is up to date', async () => {
  await using made = await temporaryDirectory('generated');
  // the generator's plugin must run under this Node, not under whichever is first on the path
  const path = [join(process.execPath, '..'), BIN, process.env['PATH']].join(delimiter);
  const env = { ...process.env, PATH: path };
  const { status, stderr } = spawnSync(join(BIN, 'buf'), ['generate', '--output', made.path], {
    cwd: ROOT,
    env,
    encoding: 'utf8',
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  const formatted = spawnSync(
    process.execPath,
    [
      join(ROOT, 'node_modules', '@biomejs', 'biome', 'bin', 'biome'),
      'check',
      '--write',
      `--config-path=${ROOT}`,
      '--vcs-enabled=false',
      made.path,
    ],
    { cwd: made.path, encoding: 'utf8' },
  );
  expect(formatted.status, formatted.stderr).toBe(0);
  const generated = filesBelow(join(made.path, 'src', 'grpc', 'gen'));
  expect(generated.size).toBeGreaterThan(5);
  expect(generated).toEqual(filesBelow(join(ROOT, 'src', 'grpc', 'gen')));
});
