/** `narthex info` */
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { fixtureCli, type TemporaryCli } from '../support/cli.ts';
import { type FixturePath, fixtureCache, hashPartOfPath } from '../support/fixtureCache.ts';

let cli: TemporaryCli;
beforeAll(async () => {
  cli = await fixtureCli();
});
afterAll(() => cli[Symbol.asyncDispose]());

const ORIGIN = pathToFileURL(fixtureCache.directory).href;
const DIGEST = expect.stringMatching(/^blake3-[A-Za-z0-9+/]{43}=$/);

/** What `info --json` is to say of a path, as far as Nix knows it. */
function expectedInfo({ storePath, narHash, narSize, references, ca, deriver }: FixturePath) {
  return {
    path: storePath,
    narHash,
    narSize,
    node: expect.objectContaining({ type: expect.stringMatching(/^(directory|file|symlink)$/) }),
    references: references.map((name) => ({
      name,
      node: expect.objectContaining({ type: expect.any(String) }),
      closureDigest: DIGEST,
      // that a path refers to itself needs no looking
      evidence: storePath.endsWith(`/${name}`) ? 'same' : expect.any(String),
    })),
    signatures: [expect.stringMatching(/^narthex-fixture-1:[A-Za-z0-9+/]{86}==$/)],
    verifiedBy: { by: 'key', publicKey: fixtureCache.publicKey },
    origin: ORIGIN,
    ca: ca ?? null,
    deriver: deriver === undefined ? null : `/nix/store/${deriver}`,
    closureDigest: DIGEST,
    current: true,
  };
}

test('--json is an array of objects, in the order asked for, of exactly these fields', async () => {
  const { exitCode, stdout } = await cli.run(['info', '--json', ...fixtureCache.closure]);
  expect(exitCode).toBe(0);
  const infos: Record<string, unknown>[] = JSON.parse(stdout);
  expect(infos).toEqual(fixtureCache.paths.map(expectedInfo));
  expect(Object.keys(infos[0] ?? {})).toEqual(Object.keys(expectedInfo(fixtureCache.path('text'))));
});

test('references lead to what they are: node and closure digest are those of their own paths', async () => {
  const { stdout } = await cli.run(['info', '--json', ...fixtureCache.closure]);
  const infos: {
    path: string;
    node: object;
    closureDigest: string;
    references: { name: string }[];
  }[] = JSON.parse(stdout);
  const known = new Map(infos.map((info) => [info.path, info]));
  for (const { references } of infos) {
    for (const reference of references) {
      const { node, closureDigest } = known.get(`/nix/store/${reference.name}`) ?? {};
      expect(reference).toMatchObject({ node, closureDigest });
    }
  }
});

test('a path is its store path, base name, hash part, or a line of standard input', async () => {
  const { storePath } = fixtureCache.path('single-file');
  const baseName = storePath.slice('/nix/store/'.length);
  const hashPart = hashPartOfPath(storePath);
  const args = ['info', '--json', storePath, `${storePath}/`, baseName, hashPart, '-'];
  const { stdout } = await cli.run(args, { input: `\n  ${hashPart}\r\n${baseName}` });
  const paths = JSON.parse(stdout).map(({ path }: { path: string }) => path);
  expect(paths).toEqual(Array.from({ length: 6 }, () => storePath));
});

test('for people, two paths with a line between them', async () => {
  const [one, other] = [fixtureCache.path('right-0.1'), fixtureCache.path('text')];
  const { exitCode, stdout } = await cli.run(['info', one.storePath, other.storePath]);
  expect(exitCode).toBe(0);
  const [right = '', text = ''] = stdout.split('\n\n');
  expect(right.split('\n')).toEqual([
    one.storePath,
    `  NAR          ${one.narHash}, 576 B`,
    expect.stringMatching(/^ {2}content {6}directory blake3-/),
    expect.stringMatching(/^ {2}closure {6}\S+$/),
    `  verified by  key ${fixtureCache.publicKey}`,
    '  signed by    narthex-fixture-1',
    `  from         ${ORIGIN}`,
    `  deriver      ${one.deriver}`,
    ...one.references.map((name) => `  refers to    ${name}`),
  ]);
  expect(text).toContain(`  CA           ${other.ca}\n`);
});
