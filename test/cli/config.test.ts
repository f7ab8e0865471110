/** `narthex config check`, and `serve --config`. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type TemporaryCli, temporaryCli } from '../support/cli.ts';
import { fixtureCache, hashPartOfPath } from '../support/fixtureCache.ts';

async function configFile(cli: TemporaryCli, text: string): Promise<string> {
  const file = join(cli.directory, 'narthex.toml');
  await writeFile(file, text);
  return file;
}

const hierarchy = () => `
listen = "127.0.0.1:0"
trusted_public_keys = "${fixtureCache.publicKey}"
[blobservices.root]
type = "lmdb"
path = "kept"
[directoryservices.root]
type = "lmdb"
path = "kept"
[pathinfoservices.root]
type = "cache"
near = "lmdb:kept"
far = "&upstream"
[pathinfoservices.upstream]
type = "nix"
base_url = "${fixtureCache.directory}"
[pathinfoservices.spare]
type = "memory"
`;

test('config check tells what would be made, and makes nothing', async () => {
  await using cli = await temporaryCli();
  const file = await configFile(cli, hierarchy());
  const { exitCode, stdout } = await cli.run(['config', 'check', file]);
  expect(exitCode).toBe(0);
  const kept = join(cli.directory, 'kept');
  const key = fixtureCache.publicKey.split(':')[0];
  expect(stdout).toBe(
    [
      'listen at: 127.0.0.1:0',
      `blobservices.root: lmdb, ${kept}`,
      `directoryservices.root: lmdb, ${kept}`,
      'pathinfoservices.root: cache, near before far',
      `  pathinfoservices.lmdb:kept: lmdb, ${kept}`,
      `  pathinfoservices.upstream: nix, ${fixtureCache.directory}, signed by ${key}, frankenbuild off`,
      '    blobservices.root, as above',
      '    directoryservices.root, as above',
      '    pathinfoservices.root, as above',
      'not used, and not made',
      '  pathinfoservices.spare',
      '',
    ].join('\n'),
  );
  expect((await cli.run(['info', '--store', kept, fixtureCache.root])).exitCode).toBe(1);
});

test('config check tells everything that is wrong, a line each', async () => {
  await using cli = await temporaryCli();
  const file = await configFile(cli, 'priority = -1\nupstreams = ["gopher://x"]\n');
  const { exitCode, stdout, stderr } = await cli.run(['config', 'check', file]);
  expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
  expect(stderr.split('\n')).toEqual([
    `narthex: ${file}:1:12: priority: should be a whole number from 0, not -1 [CONFIG_INVALID]`,
    `narthex: ${file}:2:14: upstreams: 'gopher://x' is no http or https or file URL [CONFIG_INVALID]`,
    '',
  ]);
  const json = JSON.parse((await cli.run(['config', 'check', file, '--json'])).stdout);
  expect(json.error).toMatchObject({ code: 'CONFIG_INVALID', facts: { line: 1, column: 12 } });
});

test('serve makes what the file says, and options go before it', async () => {
  await using cli = await temporaryCli();
  const file = await configFile(cli, `priority = 7\n${hierarchy()}`);
  const running = cli.start(['serve', '--config', file, '--priority', '9']);
  const url = (await running.line(/^listening on /)).slice('listening on '.length);
  expect(await (await fetch(`${url}/nix-cache-info`)).text()).toContain('Priority: 9\n');
  const narinfo = await fetch(`${url}/${hashPartOfPath(fixtureCache.root)}.narinfo`);
  expect(narinfo.status).toBe(200);
  running.child.kill('SIGTERM');
  expect(await running.ended).toMatchObject({ exitCode: 0, stderr: '' });
  const { stdout } = await cli.run(['closure', '--store', 'lmdb:kept', fixtureCache.root]);
  expect(stdout.trimEnd().split('\n')).toHaveLength(fixtureCache.closure.length);
});

test('serve in memory, filled from a cache', async () => {
  await using cli = await temporaryCli();
  const file = await configFile(
    cli,
    `listen = "127.0.0.1:0"
    store = "memory:"
    upstreams = ["${fixtureCache.directory}"]
    trusted_public_keys = "${fixtureCache.publicKey}"`,
  );
  const running = cli.start(['serve', '--config', file]);
  const url = (await running.line(/^listening on /)).slice('listening on '.length);
  const narinfo = await fetch(`${url}/${hashPartOfPath(fixtureCache.root)}.narinfo`);
  const [, nar] = /^URL: (.*)$/m.exec(await narinfo.text()) ?? [];
  expect((await fetch(`${url}/${nar}`)).status).toBe(200);
  running.child.kill('SIGTERM');
  expect(await running.ended).toMatchObject({ exitCode: 0, stderr: '' });
});

test('keys of the command line count for upstreams of the file too', async () => {
  await using cli = await temporaryCli();
  const file = await configFile(
    cli,
    `listen = "127.0.0.1:0"\nstore = "memory:"\nupstreams = ["${fixtureCache.directory}"]`,
  );
  const keys = ['--trusted-public-keys', fixtureCache.publicKey];
  await using running = cli.start(['serve', '--config', file, ...keys]);
  const url = (await running.line(/^listening on /)).slice('listening on '.length);
  const narinfo = await fetch(`${url}/${hashPartOfPath(fixtureCache.root)}.narinfo`);
  expect(narinfo.status).toBe(200);
});

test.each([
  ['a store that is only read', ['--store', 'lmdb:kept?read_only=true'], 'store takes no writes'],
  ['services that take no writes', [], 'pathinfoservices.root takes no writes'],
])('serve does not bring in what %s cannot keep', async (_, options, reason) => {
  await using cli = await temporaryCli();
  const file = await configFile(
    cli,
    `blobservices.root = { type = "memory" }
    directoryservices.root = { type = "memory" }
    pathinfoservices.root = { type = "readonly", inner = "memory:" }`,
  );
  const upstream = ['--upstream', fixtureCache.directory];
  const { exitCode, stderr } = await cli.run(['serve', '--config', file, ...options, ...upstream]);
  expect(exitCode).toBe(2);
  expect(stderr).toContain(`there is no place for what upstreams have: ${reason}`);
});

test('a file is UTF-8, with or without the mark that some editors begin it with', async () => {
  await using cli = await temporaryCli();
  const file = await configFile(cli, '\uFEFFpriority = 7\n');
  expect((await cli.run(['config', 'check', file])).stdout).toContain('priority: 7');
  await writeFile(file, Buffer.from('store = "\xe9"', 'latin1'));
  const { exitCode, stderr } = await cli.run(['config', 'check', file]);
  expect(exitCode).toBe(2);
  expect(stderr).toBe(`narthex: ${file}: is not UTF-8, as TOML is [CONFIG_INVALID]\n`);
});
