/** Two servers: one has a mirrored closure, the other has nothing but the first, over gRPC. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { FIXTURE_KEYS, fixtureCli, type TemporaryCli, temporaryCli } from '../support/cli.ts';
import { fixtureCache } from '../support/fixtureCache.ts';
import { describeWithNix, type IsolatedNix, isolatedNix } from '../support/realNix.ts';

async function serve(cli: TemporaryCli, ...args: string[]) {
  const running = cli.start(['serve', '--listen', '127.0.0.1:0', ...args]);
  const line = await running.line(/^listening on /);
  return Object.assign(running, { url: line.slice('listening on '.length) });
}

describeWithNix('a server before a server', () => {
  let nix: IsolatedNix;
  beforeAll(async () => {
    nix = await isolatedNix();
  });
  afterAll(() => nix[Symbol.asyncDispose]());

  test('Nix substitutes through it what only the other has', async () => {
    await using farCli = await fixtureCli();
    await using far = await serve(farCli);
    await using nearCli = await temporaryCli();
    await using near = await serve(nearCli, '--upstream', `grpc+${far.url}`, ...FIXTURE_KEYS);
    const publicKeys = [fixtureCache.publicKey];
    const paths = [fixtureCache.root];
    const to = nix.newStore();
    await nix.copy({ from: near.url, to, paths, publicKeys });
    await nix.verify(to, publicKeys);
    far.child.kill('SIGKILL');
    await far.ended;
    const again = nix.newStore();
    await nix.copy({ from: near.url, to: again, paths, publicKeys });
    await nix.verify(again, publicKeys);
    near.child.kill('SIGTERM');
    expect(await near.ended).toMatchObject({ exitCode: 0, stderr: '' });
    const { stdout } = await nearCli.run(['closure', '--json', fixtureCache.root]);
    const kept: { path: string }[] = JSON.parse(stdout);
    expect(kept.map(({ path }) => path).sort()).toEqual([...fixtureCache.closure].sort());
  });
});
