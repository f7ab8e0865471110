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
    `narthex: ${file}:1:12: priority: should be a whole number from 0, not a number [CONFIG_INVALID]`,
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
