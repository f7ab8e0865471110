/** What an audit finds out about what is kept, nobody else being asked. */
import { open } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { edgesOf } from '../../src/audit/pathAudit.ts';
import { NarthexError } from '../../src/errors.ts';
import { ContentAddress } from '../../src/narinfo/contentAddress.ts';
import type { ClaimFields } from '../../src/pathinfo/claim.ts';
import { MemoryPathInfoService } from '../../src/pathinfo/memoryPathInfoService.ts';
import { PathInfo } from '../../src/pathinfo/pathInfo.ts';
import { packPath } from '../../src/store/layout.ts';
import { Store } from '../../src/store/store.ts';
import { SERVICE_KINDS } from '../ingest/serviceHarness.ts';
import { memoryServices as memoryContents } from '../render/castoreTree.ts';
import { hashPartOf } from '../support/nixbase32.ts';
import { syntheticCache } from '../support/syntheticCache.ts';
import { directory, executable, file, symlink } from '../support/syntheticTree.ts';
import { temporaryDirectory } from '../support/temporaryDirectory.ts';
import { auditOf, said, wrong } from './auditHarness.ts';
import { type KeepOptions, keepWorld, keptPath, worlds } from './keptWorlds.ts';

const memory = () => ({ ...memoryContents(), pathInfoService: new MemoryPathInfoService() });

describe.each(SERVICE_KINDS)('an audit of what is kept %s', (_, newServices) => {
  test('nothing is wrong: a closure with a path of each kind', async () => {
    const cache = await syntheticCache([
      { name: 'base' },
      { name: 'link', tree: (path) => symlink(path('base')), references: ['base'] },
      { name: 'self', references: ['self', 'link'] },
      {
        name: 'text',
        tree: (path) => file(path('base')),
        references: ['base'],
        contentAddress: { method: 'text', algorithm: 'sha256' },
        keys: [],
      },
      {
        name: 'recursive',
        tree: directory({ x: file('x'.repeat(100_000)) }),
        contentAddress: { method: 'recursive', algorithm: 'sha1' },
        keys: [],
      },
      { name: 'top', references: ['self', 'text', 'recursive'] },
    ]);
    await using services = await newServices();
    const world = await keepWorld(services, cache.files);
    const report = await auditOf(services, [keptPath(world, 'top')]);
    expect(wrong(report)).toEqual({});
    expect(report.paths.map(({ pathInfo }) => pathInfo.storePath.name).sort()).toEqual(
      [...world.keys()].sort(),
    );
    expect(said(report)).toEqual({
      outcome: 'clean',
      paths: [],
      closures: [{ verdicts: [], agreed: undefined, mixed: false }],
    });
    for (const { occurrences } of report.paths) {
      expect(occurrences).toEqual({ undeclared: [], absent: [] });
    }
  });

  test('without whole closures only the paths themselves, each once', async () => {
    const { a } = await worlds();
    await using services = await newServices();
    const world = await keepWorld(services, a.files);
    const top = keptPath(world, 'top');
    const again = new PathInfo(top.claim, top.node, top.references);
    const roots = [top, keptPath(world, 'dep'), again];
    const report = await auditOf(services, roots, { wholeClosures: false });
    expect(report.paths.map(({ pathInfo }) => pathInfo.storePath.name)).toEqual(['top', 'dep']);
    expect(report.closures).toEqual([]);
  });

  test('both worlds are coherent, each in itself; a closure out of both is not', async () => {
    const { a, b } = await worlds();
    await using services = await newServices();
    const worldA = await keepWorld(services, a.files);
    const worldB = await keepWorld(services, b.files);
    const [topA, topB] = [keptPath(worldA, 'top'), keptPath(worldB, 'top')];
    const both = await auditOf(services, [topA, topB]);
    expect(wrong(both)).toEqual({});
    expect(both.paths).toHaveLength(9); // base is one

    const instead = new Map([['embeds', keptPath(worldB, 'embeds')]]);
    const torn = keptPath(await keepWorld(services, a.files, { instead }), 'top');
    const report = await auditOf(services, [topA, torn, topB]);
    expect(report.closures.map(({ incoherences }) => incoherences.length)).toEqual([0, 1, 0]);
    expect(wrong(report)).toEqual({ 'closure of top': ['dep', 'dep'] });
    expect(said(report).outcome).toBe('findings');
  });

  test('what is declared and what occurs, for information', async () => {
    const nowhere = hashPartOf('nowhere');
    const cache = await syntheticCache([
      { name: 'base' },
      { name: 'stranger' },
      { name: 'silent', references: ['base'], tree: file('nothing') },
      {
        name: 'talks',
        tree: (path) =>
          directory({
            [`at-${hashPartOf('base')}`]: file(`${path('stranger')} ${path('talks')}`),
            link: symlink(path('silent')),
            [nowhere]: file(nowhere), // looks like a hash part, but nothing here has it
          }),
        references: ['silent'],
      },
    ]);
    await using services = await newServices();
    const world = await keepWorld(services, cache.files);
    const report = await auditOf(services, [keptPath(world, 'talks')]);
    expect(said(report).outcome).toBe('clean');
    const [talks, silent] = report.paths.map(({ occurrences }) => ({
      undeclared: occurrences?.undeclared.map(({ name }) => name).sort(),
      absent: occurrences?.absent.map(({ name }) => name),
    }));
    expect(talks).toEqual({ undeclared: ['base', 'stranger', 'talks'], absent: [] });
    expect(silent).toEqual({ undeclared: [], absent: ['base'] });
  });
});

type Alter = (claim: ClaimFields) => ClaimFields;
const byCa = { by: 'ca' } as const;
const otherCa = ContentAddress.parse(`fixed:sha256:${'0'.repeat(52)}`);

describe('what is wrong with a path', () => {
  const unsigned: Alter = (claim) => ({
    ...claim,
    signatures: [],
    verification: { by: 'nobody' },
  });

  test.each<[what: string, alter: Alter, codes: string[]]>([
    ['NarSize', (claim) => ({ ...unsigned(claim), narSize: 7 }), ['NAR_SIZE_MISMATCH']],
    ['NarHash', (claim) => ({ ...unsigned(claim), narHash: otherCa.hash }), ['NAR_HASH_MISMATCH']],
    [
      'NarHash of what is signed',
      (claim) => ({ ...claim, narHash: otherCa.hash }),
      ['SIGNATURE_MISMATCH', 'NAR_HASH_MISMATCH'],
    ],
    [
      'content address',
      (claim) => ({ ...claim, ca: otherCa }),
      ['CONTENT_ADDRESS_MISMATCH', 'CONTENT_ADDRESS_MISMATCH'],
    ],
    [
      'verification',
      (claim) => ({ ...unsigned(claim), verification: byCa }),
      ['CONTENT_ADDRESS_MISMATCH'],
    ],
  ])('a tampered %s', async (_, alter, codes) => {
    const cache = await syntheticCache([
      { name: 'base', tree: file('x') },
      { name: 'top', references: ['base'] },
    ]);
    const services = memory();
    const world = await keepWorld(services, cache.files, { alter: { base: alter } });
    const report = await auditOf(services, [keptPath(world, 'top')]);
    expect(wrong(report)).toEqual({ base: codes });
    expect(said(report).outcome).toBe('findings');
  });

  test('content that does not have the content address from which the path follows', async () => {
    const cache = await syntheticCache([
      {
        name: 'addressed',
        tree: file('honest'),
        contentAddress: { method: 'flat', algorithm: 'sha256' },
        keys: [],
        lie: {
          hashedNar: (nar) =>
            Buffer.from(Buffer.from(nar).toString('latin1').replace('honest', 'tamper')),
        },
      },
      {
        name: 'executable',
        tree: executable('x'),
        contentAddress: { method: 'flat', algorithm: 'sha256' },
        keys: [],
      },
    ]);
    const services = memory();
    const world = await keepWorld(services, cache.files);
    const report = await auditOf(services, [...world.values()]);
    expect(wrong(report)).toEqual({
      addressed: ['CONTENT_ADDRESS_MISMATCH'],
      executable: ['CONTENT_ADDRESS_MISMATCH'],
    });
  });

  test('mixed edges are findings, unchecked ones are not', async () => {
    const { a } = await worlds();
    for (const [evidence, outcome] of [
      ['mixed', 'findings'],
      ['unchecked', 'clean'],
    ] as const) {
      const services = memory();
      const options: KeepOptions = {
        evidence: (referrer) => (referrer === 'refers' ? evidence : 'same'),
      };
      const world = await keepWorld(services, a.files, options);
      const report = await auditOf(services, [keptPath(world, 'top')]);
      expect(said(report).outcome).toBe(outcome);
      const edges = report.paths.flatMap(({ pathInfo }) => edgesOf(pathInfo, evidence));
      expect(edges).toEqual([a.path('dep').baseName]);
    }
  });

  test('a variant that is gone, and one whose record is damaged', async () => {
    const { a } = await worlds();
    const services = memory();
    const world = await keepWorld(services, a.files);
    const gone = keptPath(world, 'dep');
    const damaged = keptPath(world, 'embeds');
    const pathInfoService = {
      list: () => services.pathInfoService.list(),
      listVariants: (digest: Uint8Array) => services.pathInfoService.listVariants(digest),
      async getVariant(...args: Parameters<MemoryPathInfoService['getVariant']>) {
        const found = await services.pathInfoService.getVariant(...args);
        if (found === gone) return undefined;
        if (found === damaged) throw new NarthexError('STORE_INVALID', 'the record is damaged');
        return found;
      },
    };
    const report = await auditOf(services, [keptPath(world, 'top')], { pathInfoService });
    expect(wrong(report)).toEqual({ top: ['STORE_INVALID'], refers: ['REFERENCE_MISSING'] });
  });

  test('contents that are gone', async () => {
    const { a } = await worlds();
    const services = memory();
    const world = await keepWorld(services, a.files);
    const blobService = { ...services.blobService, read: async () => undefined };
    const report = await auditOf(services, [keptPath(world, 'dep')], { blobService });
    expect(wrong(report)).toEqual({ dep: ['BLOB_MISSING'], base: ['BLOB_MISSING'] });
    expect(report.paths.map(({ occurrences }) => occurrences)).toEqual([undefined, undefined]);
    const unread = await auditOf(services, [keptPath(world, 'dep')], {
      blobService,
      contents: false,
    });
    expect(wrong(unread)).toEqual({});
  });

  test('a bit that has flipped in a pack', async () => {
    const marker = 'the quick brown fox';
    const cache = await syntheticCache([
      { name: 'base' },
      {
        name: 'damaged',
        tree: directory({ one: file(marker), two: file('2') }),
        references: ['base'],
      },
      { name: 'top', references: ['damaged'] },
    ]);
    await using temporary = await temporaryDirectory('store');
    {
      await using store = await Store.open(temporary.path);
      await keepWorld(servicesOf(store), cache.files);
    }
    await flipAt(packPath(temporary.path, 1), marker);
    await using store = await Store.open(temporary.path, { readOnly: true });
    const [top] = (await Array.fromAsync(store.pathInfos.list())).filter(
      ({ storePath }) => storePath.name === 'top',
    );
    if (top === undefined) throw new Error('top is kept');
    const report = await auditOf(servicesOf(store), [top]);
    expect(wrong(report)).toEqual({ damaged: ['DIGEST_MISMATCH'] });
  });

  test('an abort ends it with its reason', async () => {
    const { a } = await worlds();
    const services = memory();
    const world = await keepWorld(services, a.files);
    const reason = new Error('enough');
    const signal = AbortSignal.abort(reason);
    await expect(auditOf(services, [keptPath(world, 'top')], { signal })).rejects.toBe(reason);
  });
});

function servicesOf(store: Store) {
  return {
    blobService: store.blobs,
    directoryService: store.directories,
    pathInfoService: store.pathInfos,
  };
}

/** Inverts a bit of the first place that holds the text. */
async function flipAt(path: string, text: string): Promise<void> {
  await using handle = await open(path, 'r+');
  const bytes = await handle.readFile();
  const at = bytes.indexOf(text);
  if (at === -1) throw new Error('the text is not stored as it is');
  await handle.write(Uint8Array.of((bytes[at] ?? 0) ^ 1), 0, 1, at);
}
