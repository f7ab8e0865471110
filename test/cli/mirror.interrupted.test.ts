/** A mirror run that is interrupted goes on where it stopped; several at once do not mind each other. */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { renderNar } from '../../src/render/renderNar.ts';
import { Store } from '../../src/store/store.ts';
import { collect } from '../render/collect.ts';
import { narinfosOf, readCacheFiles } from '../support/cacheFiles.ts';
import { FIXTURE_KEYS, jsonLines, temporaryCli } from '../support/cli.ts';
import { fixtureCache } from '../support/fixtureCache.ts';
import { narinfoField } from '../support/narinfoText.ts';
import { sha256, sha256Field } from '../support/nixbase32.ts';
import {
  type Answer,
  type CacheRequest,
  type StaticServer,
  serveStatic,
} from '../support/staticCache.ts';
import { type SyntheticPath, syntheticCache, TEST_KEY } from '../support/syntheticCache.ts';
import { directory as directoryOf, file } from '../support/syntheticTree.ts';

const { root, closure, directory } = fixtureCache;
const NAR = /^nar\//;

/** Every path that is kept is whole, as the NAR that its claim says; their store paths, sorted. */
async function keptWhole(storeDirectory: string): Promise<string[]> {
  await using store = await Store.open(storeDirectory, { readOnly: true });
  const services = { blobService: store.blobs, directoryService: store.directories };
  const kept: string[] = [];
  for await (const { storePath, node, claim } of store.pathInfos.list()) {
    const nar = await collect(renderNar(node, services));
    expect([storePath.absolute, sha256Field(nar)]).toEqual([
      storePath.absolute,
      claim.narHash.toNixbase32(),
    ]);
    kept.push(storePath.absolute);
  }
  return kept.sort();
}

/** A server that lets through the NARs that come first, and holds the others until they are released. */
async function holdingServer(letThrough: number) {
  const released = Promise.withResolvers<void>();
  const stuck = Promise.withResolvers<void>();
  let asked = 0;
  const respond = ({ path }: CacheRequest): Answer | undefined => {
    if (!NAR.test(path)) return undefined;
    asked += 1;
    if (asked <= letThrough) return undefined;
    stuck.resolve();
    return { pause: { at: 1, until: released.promise } };
  };
  const server = await serveStatic(directory, { respond });
  return {
    server,
    /** Resolves when the first NAR is held. */
    stuck: stuck.promise,
    release: () => released.resolve(),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

const mirrorOf = (url: string, ...args: string[]) => [
  ...['mirror', '--from', url, ...FIXTURE_KEYS],
  ...args,
  root,
];

describe('SIGINT', () => {
  test('ends it with 130; run again, it fetches what is not here, and nothing else', async () => {
    await using held = await holdingServer(20);
    const { server } = held;
    await using cli = await temporaryCli();
    const running = cli.start(mirrorOf(server.url, '--jobs', '2'));
    await held.stuck;
    running.child.kill('SIGINT');
    running.child.kill('SIGINT'); // as npm and the terminal deliver it
    const { exitCode, stdout, stderr } = await running.ended;
    expect(exitCode).toBe(130);
    expect(stdout).toMatch(/^\d+ paths mirrored before the end: /);
    expect(stderr).toMatch(/\nnarthex: ended by SIGINT\n$/);

    const before = await keptWhole(cli.storeDirectory);
    expect(before.length).toBeGreaterThan(0);
    expect(before.length).toBeLessThan(closure.length);
    held.release();
    server.forget();
    const again = await cli.run(mirrorOf(server.url));
    expect(again.exitCode).toBe(0);
    expect(again.stdout).toMatch(
      new RegExp(`^${closure.length - before.length} paths mirrored, \\d+ here already: `),
    );
    expect(await fetchedAgain(server, before)).toEqual([]);
    expect(await keptWhole(cli.storeDirectory)).toEqual(closure);
  });

  test('--json: the last event says so', async () => {
    await using held = await holdingServer(5);
    await using cli = await temporaryCli();
    const running = cli.start(mirrorOf(held.server.url, '--json'));
    await held.stuck;
    running.child.kill('SIGTERM');
    const { exitCode, stdout } = await running.ended;
    expect(exitCode).toBe(143);
    expect(jsonLines(stdout).at(-1)).toMatchObject({ event: 'done', outcome: 'interrupted' });
  });

  test('is heeded while paths are awaited on standard input', async () => {
    await using cli = await temporaryCli();
    const running = cli.start(['mirror', '-'], { input: null });
    // more than a pipe holds: once it is written, the program reads
    const blank = Buffer.alloc(1024 * 1024, '\n');
    await new Promise((resolve) => running.child.stdin.write(blank, resolve));
    running.child.kill('SIGINT');
    expect(await running.ended).toMatchObject({
      exitCode: 130,
      stderr: 'narthex: ended by SIGINT\n',
    });
  });
});

/** Files of NARs that belong only to paths that were kept already, and were fetched all the same. */
async function fetchedAgain(server: StaticServer, kept: readonly string[]): Promise<string[]> {
  const narinfos = narinfosOf(await readCacheFiles(directory)).values();
  const files = Array.from(narinfos, (text) => ({
    path: narinfoField(text, 'StorePath') ?? '',
    file: narinfoField(text, 'URL') ?? '',
  }));
  const needed = new Set(files.filter(({ path }) => !kept.includes(path)).map(({ file }) => file));
  return server.paths(NAR).filter((file) => !needed.has(file));
}

/** Contents that no one compresses, the same in each run. */
function noise(seed: string, bytes: number): Buffer {
  const blocks = Array.from({ length: Math.ceil(bytes / 32) }, (_, i) => sha256(`${seed} ${i}`));
  return Buffer.concat(blocks).subarray(0, bytes);
}

test('SIGKILL, again and again: what was told to be kept is, whole, and never fetched again', async () => {
  const specs = Array.from({ length: 36 }, (_, i): SyntheticPath => {
    // every third refers to some before it, which come in earlier
    const references = i % 3 === 2 ? [i - 1, i - 2, Math.floor(i / 2)] : [];
    const data = file(noise(`${i}`, 40_000 + 9_000 * (i % 20)));
    return {
      name: `path-${i}`,
      tree: directoryOf({ data, [`empty-${i}`]: file('') }),
      references: Array.from(new Set(references), (index) => `path-${index}`),
    };
  });
  const cache = await syntheticCache(specs, { compression: 'none' });
  await using server = await serveStatic(cache.files);
  await using cli = await temporaryCli();
  const wanted = cache.paths.map(({ storePath }) => storePath);
  const keys = ['--trusted-public-keys', TEST_KEY.publicKey];
  const args = ['mirror', '--json', '--from', server.url, ...keys, '--jobs', '3', ...wanted];
  const narFiles = new Map(cache.paths.map(({ storePath, narFile }) => [storePath, narFile]));
  const kept = new Set<string>();
  const rounds: number[] = [];
  for (const events of [1, 60, 75, 80, 85]) {
    server.forget();
    await using running = cli.start(args);
    // so many events, and then a little: in the middle of whatever comes next
    await running.lines(events);
    await sleep(20 * Math.random());
    running.child.kill('SIGKILL');
    const { stdout } = await running.ended;
    const fetched = new Set(server.paths(NAR));
    expect([...kept].filter((path) => fetched.has(narFiles.get(path) ?? ''))).toEqual([]);
    const whole = stdout.slice(0, stdout.lastIndexOf('\n') + 1); // the last line may be cut off
    for (const { event, path } of jsonLines(whole)) {
      if (event === 'kept') kept.add(String(path));
    }
    const found = await keptWhole(cli.storeDirectory);
    expect(found).toEqual(expect.arrayContaining([...kept]));
    for (const path of found) kept.add(path);
    rounds.push(kept.size);
  }
  expect(rounds.at(-1)).toBeGreaterThan(0); // or nothing was tested
  expect((await cli.run(args)).exitCode).toBe(0);
  expect(await keptWhole(cli.storeDirectory)).toEqual(wanted.toSorted());
});

describe('at once on one store', () => {
  test('two mirrors', async () => {
    await using server = await serveStatic(directory);
    await using cli = await temporaryCli();
    const both = [cli.start(mirrorOf(server.url)), cli.start(mirrorOf(server.url))];
    for (const { ended } of both) expect(await ended).toMatchObject({ exitCode: 0 });
    expect(await keptWhole(cli.storeDirectory)).toEqual(closure);
    const { stdout } = await cli.run(['stats', '--json']);
    expect(JSON.parse(stdout)).toMatchObject({ paths: 35, variants: 35 });
  });

  test('a server, which offers at once what a mirror says it keeps, and nothing before', async () => {
    await using held = await holdingServer(12);
    await using cli = await temporaryCli();
    const text = fixtureCache.path('text').storePath;
    await cli.run(['mirror', '--from', directory, ...FIXTURE_KEYS, text]);
    await using server = cli.start(['serve', '--listen', '127.0.0.1:0']);
    const url = (await server.line(/^listening on /)).replace('listening on ', '');
    const narinfo = (path: string) => fetch(`${url}/${path.slice(11, 43)}.narinfo`);
    expect((await narinfo(root)).status).toBe(404);

    await using running = cli.start(mirrorOf(held.server.url, '--json', '--jobs', '2'));
    await held.stuck;
    await running.line(/"event":"kept"/);
    const told = jsonLines((await running.line(/"event":"kept"/)) ?? '');
    for (const { path } of told) expect((await narinfo(String(path))).status).toBe(200);
    expect((await narinfo(root)).status).toBe(404);

    held.release();
    expect(await running.ended).toMatchObject({ exitCode: 0 });
    const found = await (await narinfo(root)).text();
    const nar = await fetch(`${url}/${narinfoField(found, 'URL')}`);
    expect(sha256Field(Buffer.from(await nar.arrayBuffer()))).toBe(narinfoField(found, 'NarHash'));
    server.child.kill('SIGTERM');
    expect(await server.ended).toMatchObject({ exitCode: 0, stderr: '' });
  });
});
