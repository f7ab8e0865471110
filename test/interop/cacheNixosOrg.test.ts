/**
 * A real path of cache.nixos.org with its real signature. Its narinfo is served with other values in
 * the fields that are not signed (the NAR is at hand uncompressed), and its one reference, glibc, is
 * not at hand at all.
 */
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, test } from 'vitest';
import { CACHE_NIXOS_ORG_KEY } from '../../src/signature.ts';
import { jsonLines, temporaryCli } from '../support/cli.ts';
import { alterNarinfo, narinfoField } from '../support/narinfoText.ts';
import { sha256Field } from '../support/nixbase32.ts';
import { describeWithShared, sharedFile } from '../support/sharedCaches.ts';
import { serveStatic } from '../support/staticCache.ts';
import { cacheInfo, syntheticCache } from '../support/syntheticCache.ts';

const NAR = 'corpus/net-tools-1.60.nar';
const NARINFO = 'corpus/net-tools-1.60.narinfo';
const GLIBC = '7gx4kiv5m0i7d7qkixq2cwzbr10lvxwc-glibc-2.27';

describeWithShared('net-tools of cache.nixos.org', [NAR, NARINFO], () => {
  let original = '';
  let storePath = '';
  let narHash: string | undefined;
  // not before the tests run: where the files are missing they are skipped
  beforeAll(() => {
    original = readFileSync(sharedFile(NARINFO), 'utf8');
    storePath = narinfoField(original, 'StorePath') ?? '';
    narHash = narinfoField(original, 'NarHash');
  });
  const files = () =>
    new Map<string, Uint8Array>([
      ['nix-cache-info', Buffer.from(cacheInfo())],
      [
        `${storePath.slice('/nix/store/'.length).slice(0, 32)}.narinfo`,
        Buffer.from(
          alterNarinfo(original, {
            URL: 'nar/net-tools.nar?at=hand',
            Compression: 'none',
            FileHash: undefined,
            FileSize: undefined,
          }),
        ),
      ],
      ['nar/net-tools.nar', readFileSync(sharedFile(NAR))],
    ]);

  test('without its reference it is not kept, and the error names the reference', async () => {
    await using server = await serveStatic(files());
    await using cli = await temporaryCli();
    const args = ['mirror', '--json', '--from', server.url, storePath];
    const { exitCode, stdout } = await cli.run(args); // the key of cache.nixos.org is built in
    const events = jsonLines(stdout);
    expect(exitCode).toBe(1);
    // the signature was good: it failed for nothing else
    expect(events).toContainEqual(expect.objectContaining({ event: 'found', path: storePath }));
    expect(events.filter(({ event }) => event === 'failed')).toEqual([
      expect.objectContaining({ path: `/nix/store/${GLIBC}` }),
      {
        event: 'failed',
        path: storePath,
        error: expect.objectContaining({
          code: 'REFERENCE_FAILED',
          facts: expect.objectContaining({ reference: GLIBC }),
          cause: expect.objectContaining({ code: 'PATH_NOT_FOUND' }),
        }),
      },
    ]);
    expect((await cli.run(['info', storePath])).stderr).toMatch(/\[PATH_NOT_FOUND\]\n$/);
  });

  describe('with a glibc that nobody signed, made up and taken on purpose', () => {
    /** A store with both. */
    async function withMadeUpGlibc() {
      const [hashPart = '', ...name] = GLIBC.split('-');
      const glibc = await syntheticCache([{ name: name.join('-'), hashPart, keys: [] }]);
      const server = await serveStatic(new Map([...glibc.files, ...files()]));
      const cli = await temporaryCli();
      const result = await cli.run(['mirror', '--no-check-sigs', '--from', server.url, storePath]);
      return {
        server,
        cli,
        result,
        async [Symbol.asyncDispose]() {
          await cli[Symbol.asyncDispose]();
          await server[Symbol.asyncDispose]();
        },
      };
    }

    test('it is kept, verified by the real key, and glibc by nobody', async () => {
      await using made = await withMadeUpGlibc();
      const { cli, result } = made;
      expect(result.exitCode).toBe(0);
      const { stdout } = await cli.run(['info', '--json', storePath, GLIBC]);
      expect(JSON.parse(stdout)).toMatchObject([
        { narHash, verifiedBy: { by: 'key', publicKey: String(CACHE_NIXOS_ORG_KEY) } },
        { verifiedBy: { by: 'nobody' } },
      ]);
      const { stdoutBytes } = await cli.run(['nar', storePath]);
      expect(sha256Field(stdoutBytes)).toBe(narHash);
    });

    test('it is served with its real signatures', async () => {
      await using made = await withMadeUpGlibc();
      await using server = made.cli.start(['serve', '--listen', '127.0.0.1:0']);
      const url = (await server.line(/^listening on /)).replace('listening on ', '');
      const served = await (await fetch(`${url}/${storePath.slice(11, 43)}.narinfo`)).text();
      expect(served.match(/^Sig: .*$/gm)).toEqual(original.match(/^Sig: .*$/gm));
      expect(narinfoField(served, 'References')).toBe(GLIBC);
    });

    test('who checks signatures takes neither: the made-up one has none', async () => {
      await using made = await withMadeUpGlibc();
      const { cli, server } = made;
      const { exitCode, stderr } = await cli.run(['mirror', '--from', server.url, storePath]);
      expect(exitCode).toBe(1);
      expect(stderr).toMatch(/is signed by nobody, .* \[SIGNATURE_MISSING\]$/m);
      expect(stderr).toMatch(
        / needs 7gx4kiv5m0i7d7qkixq2cwzbr10lvxwc-glibc-2\.27: .* \[REFERENCE_FAILED\]$/m,
      );
    });
  });

  test('an altered NAR is found out, whatever vouches for its narinfo', async () => {
    const altered = files();
    const nar = Buffer.from(altered.get('nar/net-tools.nar') ?? []);
    nar.writeUInt8(nar.readUInt8(200_000) ^ 1, 200_000);
    altered.set('nar/net-tools.nar', nar);
    const [hashPart = '', ...name] = GLIBC.split('-');
    const glibc = await syntheticCache([{ name: name.join('-'), hashPart, keys: [] }]);
    await using server = await serveStatic(new Map([...glibc.files, ...altered]));
    await using cli = await temporaryCli();
    const args = ['mirror', '--no-check-sigs', '--from', server.url, storePath];
    const { exitCode, stderr } = await cli.run(args);
    expect(exitCode).toBe(3); // glibc is there
    expect(stderr).toMatch(/\[NAR_HASH_MISMATCH\]$/m);
  });
});
