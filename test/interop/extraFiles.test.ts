/** Real Nix uploads the extra files of a cache to `narthex serve`, and reads them back. */
import { mkdir, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { request } from 'undici';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { REALISATION_A, REALISATION_KEY } from '../extraFiles/realisations.ts';
import { FIXTURE_KEYS, type TemporaryCli, temporaryCli } from '../support/cli.ts';
import { fixtureCache } from '../support/fixtureCache.ts';
import { describeWithNix, type IsolatedNix, isolatedNix } from '../support/realNix.ts';

const TOKEN = 'token-of-the-tests-0123';
const DERIVER = '/nix/store/3awgikwbkmgwqgb9ig81b4wnnlh6f7yg-multi-1.2.3.drv';
const LOG = 'building multi\nbuilt multi\n';
const DEBUG_INFO = 'debuginfo/1f0123456789abcdef0123456789abcdef012345.debug';
const TRUSTED = ['--option', 'trusted-public-keys', fixtureCache.publicKey];

/** What {@link REALISATION_A} was made from. */
const CA_DERIVATION = `derivation {
  name = "ca-a";
  system = "x86_64-linux";
  builder = "/bin/sh";
  args = ["-c" "PATH=/bin:/usr/bin; echo ca log; mkdir $out; echo hi > $out/f"];
  __contentAddressed = true;
  outputHashMode = "recursive";
  outputHashAlgo = "sha256";
}`;

const LOGGED_DERIVATION = 'derivation { name = "logged"; system = "any"; builder = "/bin/sh"; }';

/** A server that takes uploads, and what Nix needs to make some. */
async function uploadServer(cli: TemporaryCli) {
  const tokens = join(cli.directory, 'tokens');
  const netrc = join(cli.directory, 'netrc');
  await writeFile(tokens, `nix:${TOKEN}\n`);
  await writeFile(netrc, `machine 127.0.0.1 login nix password ${TOKEN}\n`);
  const options = ['--listen', '127.0.0.1:0', '--upload-token-file', tokens, ...FIXTURE_KEYS];
  const server = cli.start(['serve', ...options]);
  const url = (await server.line(/^listening on /)).slice('listening on '.length);
  return {
    url,
    authorized: ['--option', 'netrc-file', netrc],
    async get(path: string) {
      const { statusCode, body } = await request(`${url}/${path}`);
      return { status: statusCode, text: await body.text() };
    },
    async put(path: string, body: string) {
      const headers = { authorization: `Bearer ${TOKEN}` };
      const response = await request(`${url}/${path}`, { method: 'PUT', body, headers });
      await response.body.dump();
      expect(response.statusCode).toBe(201);
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

describeWithNix('extra files by Nix', () => {
  let nix: IsolatedNix;
  beforeAll(async () => {
    nix = await isolatedNix();
  });
  afterAll(() => nix[Symbol.asyncDispose]());

  test('listings and debug information with the paths, and a log', async () => {
    await using cli = await temporaryCli();
    await using server = await uploadServer(cli);
    const to = `${server.url}?write-nar-listing=true&index-debug-info=true`;
    const from = `file://${fixtureCache.directory}`;
    const debug = fixtureCache.path('multi-1.2.3-debug');
    const { storePath } = fixtureCache.path('multi-1.2.3');
    const copied = [storePath, debug.storePath];
    await nix.run([
      ...['copy', '--from', from, '--to', to, ...TRUSTED, ...server.authorized],
      ...copied,
    ]);

    const { status, text } = await server.get(DEBUG_INFO);
    expect(status).toBe(200);
    const { archive, member }: { archive: string; member: string } = JSON.parse(text);
    const narHash = debug.narHash.slice('sha256:'.length);
    expect(archive).toBe(`../nar/${narHash}.nar`);
    expect((await server.get(archive.slice('../'.length))).status).toBe(200);
    const { exitCode } = await cli.run(['cat', `${debug.storePath}/${member}`]);
    expect(exitCode).toBe(0);

    const log = () => nix.run(['log', '--store', server.url, storePath], { mayFail: true });
    expect((await log()).stderr).toContain('not available');
    await server.put(`log/${basename(DERIVER)}`, LOG);
    expect(await log()).toMatchObject({ status: 0, stdout: LOG });
    for (const path of [DERIVER, ...copied]) {
      expect((await cli.run(['log', path])).stdout).toBe(LOG);
    }
  });

  test('a log, by nix store copy-log', async () => {
    await using cli = await temporaryCli();
    await using server = await uploadServer(cli);
    const expression = join(cli.directory, 'logged.nix');
    await writeFile(expression, LOGGED_DERIVATION);
    const from = nix.newStore();
    const store = ['--store', from];
    const instantiate = { program: 'nix-instantiate' };
    const { stdout } = await nix.run([...store, expression], instantiate);
    const derivation = stdout.trim();
    // as if it had been built here
    const name = basename(derivation);
    const folder = join(from, 'nix/var/log/nix/drvs', name.slice(0, 2));
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, name.slice(2)), LOG);
    const upload = (...command: string[]) =>
      nix.run([...command, '--to', server.url, ...store, derivation], { mayFail: true });
    const refused = await upload('store', 'copy-log');
    expect(refused.status).not.toBe(0);
    expect(refused.stderr).toContain('401');
    const taken = await upload('store', 'copy-log', ...server.authorized);
    expect(taken).toMatchObject({ status: 0 });
    expect(await server.get(`log/${name}`)).toEqual({ status: 200, text: LOG });
    await upload('copy', '--derivation', ...server.authorized);
    expect(await nix.run(['log', '--store', server.url, derivation])).toMatchObject({
      stdout: LOG,
    });
  });

  test('a realisation, by which an output is substituted', async () => {
    await using cli = await temporaryCli();
    await using server = await uploadServer(cli);
    const expression = join(cli.directory, 'ca.nix');
    await writeFile(expression, CA_DERIVATION);
    // what the derivation would build, under the store path that follows from its content
    const output = join(cli.directory, 'ca-a');
    await mkdir(output);
    await writeFile(join(output, 'f'), 'hi\n');
    const from = nix.newStore();
    const add = { program: 'nix-store' };
    const { stdout } = await nix.run(['--store', from, '--add', output], add);
    expect(stdout.trim()).toBe(`/nix/store/${REALISATION_A.outPath}`);
    await nix.run([
      'copy',
      '--from',
      from,
      '--to',
      server.url,
      ...server.authorized,
      stdout.trim(),
    ]);

    const build = (store: string) =>
      nix.run(
        [
          ...['build', '--extra-experimental-features', 'ca-derivations', '--json', '--no-link'],
          ...['--store', store, '--file', expression, '--max-jobs', '0'],
          ...['--substituters', server.url, '--option', 'trusted-public-keys', REALISATION_KEY],
        ],
        { mayFail: true },
      );
    expect((await build(nix.newStore())).status).not.toBe(0);
    await server.put(REALISATION_A.path, REALISATION_A.text);
    const built = await build(nix.newStore());
    expect(built.stderr).not.toContain('error');
    expect(JSON.parse(built.stdout)).toMatchObject([
      { outputs: { out: `/nix/store/${REALISATION_A.outPath}` } },
    ]);
  });
});
