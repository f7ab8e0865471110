/** The units of systemd: what is in them is known to narthex and to systemd. */
import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { serve } from '../../src/cli/serve.ts';
import { temporaryDirectory } from '../support/temporaryDirectory.ts';

const FOLDER = fileURLToPath(new URL('../../contrib/systemd/', import.meta.url));
const service = readFileSync(join(FOLDER, 'narthex.service'), 'utf8');
const PROGRAM = '/usr/bin/narthex';
/** What `systemd-analyze security` calls OK ends at 2.5; a service without any hardening has 9.6. */
const MAX_EXPOSURE = '20';

test('the service starts serve, with options that it has', () => {
  const command = /^ExecStart=(.*)$/m.exec(service)?.[1]?.split(' ') ?? [];
  expect(command.slice(0, 2)).toEqual([PROGRAM, 'serve']);
  const options = command.filter((word) => word.startsWith('--')).map((word) => word.slice(2));
  expect(options.length).toBeGreaterThan(0);
  for (const option of options) expect(Object.keys(serve.options)).toContain(option);
});

const version = spawnSync('systemd-analyze', ['--version'], { encoding: 'utf8' });
const isThere = version.status === 0;

/** Runs systemd-analyze over copies of the units whose program is there. */
async function analyze(...args: string[]) {
  await using directory = await temporaryDirectory('systemd');
  const program = join(directory.path, 'narthex');
  writeFileSync(program, '#!/bin/sh\n');
  chmodSync(program, 0o755);
  writeFileSync(
    join(directory.path, 'narthex.service'),
    service.replace(`ExecStart=${PROGRAM}`, `ExecStart=${program}`),
  );
  copyFileSync(join(FOLDER, 'narthex.socket'), join(directory.path, 'narthex.socket'));
  const units = args.includes('verify')
    ? ['narthex.service', 'narthex.socket']
    : ['narthex.service'];
  const paths = units.map((unit) => join(directory.path, unit));
  const { status, stdout, stderr } = spawnSync('systemd-analyze', [...args, ...paths], {
    encoding: 'utf8',
  });
  return { status, stderr, stdout };
}

test.skipIf(!isThere)('systemd takes both without a word (needs systemd-analyze)', async () => {
  expect(await analyze('verify', '--man=no')).toMatchObject({ status: 0, stderr: '' });
});

test.skipIf(!isThere)('systemd finds little exposed (needs systemd-analyze)', async () => {
  const { status, stdout } = await analyze(
    ...['security', '--offline=true', `--threshold=${MAX_EXPOSURE}`],
  );
  expect(status, stdout).toBe(0);
});
