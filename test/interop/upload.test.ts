/** Real Nix uploads to `narthex serve`, and another Nix substitutes from there. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { FIXTURE_KEYS, temporaryCli } from '../support/cli.ts';
import { fixtureCache } from '../support/fixtureCache.ts';
import { describeWithNix, type IsolatedNix, isolatedNix } from '../support/realNix.ts';

const TOKEN = 'token-of-the-tests-0123';

describeWithNix('uploads by Nix', () => {
  let nix: IsolatedNix;
  beforeAll(async () => {
    nix = await isolatedNix();
  });
  afterAll(() => nix[Symbol.asyncDispose]());

  test('with a token in netrc, and not without', async () => {
    await using cli = await temporaryCli();
    const tokens = join(cli.directory, 'tokens');
    const netrc = join(cli.directory, 'netrc');
    await writeFile(tokens, `nix:${TOKEN}\n`);
    await writeFile(netrc, `machine 127.0.0.1 login nix password ${TOKEN}\n`);
    await using server = cli.start([
      'serve',
      ...['--listen', '127.0.0.1:0', '--upload-token-file', tokens, ...FIXTURE_KEYS],
    ]);
    const url = (await server.line(/^listening on /)).slice('listening on '.length);
    const upload = (...options: string[]) =>
      nix.run(
        [
          ...['copy', '--from', `file://${fixtureCache.directory}`, '--to', url],
          ...['--option', 'trusted-public-keys', fixtureCache.publicKey],
          ...options,
          fixtureCache.root,
        ],
        { mayFail: true },
      );
    const refused = await upload();
    expect(refused.status).not.toBe(0);
    expect(refused.stderr).toContain('401');

    const taken = await upload('--option', 'netrc-file', netrc);
    expect(taken.stderr).not.toContain('error');
    expect(taken.status).toBe(0);
    const publicKeys = [fixtureCache.publicKey];
    const to = nix.newStore();
    await nix.copy({ from: url, to, paths: [fixtureCache.root], publicKeys });
    await nix.verify(to, publicKeys);
    const { stdout } = await cli.run(['closure', '--json', fixtureCache.root]);
    const kept: { path: string }[] = JSON.parse(stdout);
    expect(kept.map(({ path }) => path).sort()).toEqual([...fixtureCache.closure].sort());
  });
});
