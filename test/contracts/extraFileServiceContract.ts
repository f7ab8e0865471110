/** What every ExtraFileService does (src/extraFiles/extraFileService.ts), as tests. */
import { describe, expect, test } from 'vitest';
import { EMPTY, utf8 } from '../../src/bytes.ts';
import type { BlobService } from '../../src/castore/blobService.ts';
import { Digest } from '../../src/castore/digest.ts';
import { type ExtraFileName, extraFilePath } from '../../src/extraFiles/extraFileName.ts';
import type { ExtraFile, ExtraFileService } from '../../src/extraFiles/extraFileService.ts';
import { writeBlob } from './blobServiceContract.ts';
import { itemsOf } from './collect.ts';
import { storePathOf } from './pathInfos.ts';

/** A service for one test, and the blobs beside it. */
export interface OpenExtraFileService extends AsyncDisposable {
  readonly service: ExtraFileService;
  readonly blobs: BlobService;
}

const derivation = storePathOf('hello-1.0.drv');
const drvHash = `sha256:${'0123456789abcdef'.repeat(4)}`;
const LOG: ExtraFileName = { kind: 'log', derivation };

/** One name of each kind, and more of the same kinds that are near to them. */
const NAMES: readonly ExtraFileName[] = [
  LOG,
  { kind: 'log', derivation: storePathOf('hello-1.0-a.drv') },
  { kind: 'realisation', drvHash, output: 'out' },
  { kind: 'realisation', drvHash, output: 'out.doi' },
  { kind: 'realisation', drvHash: `sha256:${'0'.repeat(64)}`, output: 'out' },
  { kind: 'buildTrace', derivation, output: 'out' },
  { kind: 'buildTrace', derivation, output: 'dev' },
  { kind: 'debugInfo', buildId: 'ab'.repeat(20) },
  { kind: 'debugInfo', buildId: 'ab'.repeat(19) },
];

/** Keeps a text, and says what is kept. */
async function blobOf(blobs: BlobService, text: string): Promise<ExtraFile> {
  const bytes = utf8(text);
  return { digest: await writeBlob(blobs, bytes), size: bytes.length };
}

const plain = (file: ExtraFile | undefined) => file && { ...file, digest: file.digest.hex };

/**
 * Runs the contract.
 * @param open a service that takes as many files as it is given, or as there may be by default
 */
export function extraFileServiceContract(
  name: string,
  open: (limits?: { extraFiles: number }) => Promise<OpenExtraFileService>,
): void {
  describe(`${name} as an ExtraFileService`, () => {
    test('keeps files of every kind apart', async () => {
      await using opened = await open();
      const { service, blobs } = opened;
      const files = await Promise.all(NAMES.map((one) => blobOf(blobs, extraFilePath(one))));
      await service.putAll(files.map((file, i) => ({ name: NAMES[i] ?? LOG, file })));
      for (const [i, one] of NAMES.entries()) {
        expect(plain(await service.get(one))).toEqual(plain(files[i]));
      }
    });

    test('has none at first, and none after none was put', async () => {
      await using opened = await open();
      const { service } = opened;
      await service.putAll([]);
      expect(await service.get(LOG)).toBeUndefined();
      expect(await itemsOf(service.list())).toEqual([]);
    });

    test('putting replaces, and the last of one name stays', async () => {
      await using opened = await open();
      const { service, blobs } = opened;
      const [first, second, third] = await Promise.all(
        ['first', 'second', 'third'].map((text) => blobOf(blobs, text)),
      );
      if (first === undefined || second === undefined || third === undefined) throw new Error();
      await service.putAll([{ name: LOG, file: first }]);
      await service.putAll([{ name: LOG, file: first }]);
      expect(plain(await service.get(LOG))).toEqual(plain(first));
      await service.putAll([
        { name: LOG, file: second },
        { name: LOG, file: third },
      ]);
      expect(plain(await service.get(LOG))).toEqual(plain(third));
      expect(await itemsOf(service.list())).toHaveLength(1);
    });

    test('takes the empty file', async () => {
      await using opened = await open();
      const { service } = opened;
      const file = { digest: Digest.of(EMPTY), size: 0 };
      await service.putAll([{ name: LOG, file }]);
      expect(plain(await service.get(LOG))).toEqual(plain(file));
    });

    test('lists by path: all, or one kind', async () => {
      await using opened = await open();
      const { service, blobs } = opened;
      const file = await blobOf(blobs, 'x');
      await service.putAll(NAMES.map((one) => ({ name: one, file })));
      const listed = async (kind?: ExtraFileName['kind']) =>
        (await itemsOf(service.list({ kind }))).map((one) => extraFilePath(one.name));
      const paths = NAMES.map(extraFilePath).sort();
      expect(await listed()).toEqual(paths);
      expect(await listed('log')).toEqual(paths.filter((path) => path.startsWith('log/')));
      expect(await listed('debugInfo')).toHaveLength(2);
      expect(await listed('realisation')).toHaveLength(3);
      expect(await listed('buildTrace')).toHaveLength(2);
      for await (const { file: one } of service.list()) expect(plain(one)).toEqual(plain(file));
    });

    test('refuses a file whose blob is not there, and all that came with it', async () => {
      await using opened = await open();
      const { service, blobs } = opened;
      const good = await blobOf(blobs, 'good');
      const bad = { digest: Digest.of(utf8('nobody wrote this')), size: 17 };
      const other: ExtraFileName = { kind: 'buildTrace', derivation, output: 'out' };
      const put = service.putAll([
        { name: LOG, file: good },
        { name: other, file: bad },
      ]);
      await expect(put).rejects.toMatchObject({
        code: 'BLOB_MISSING',
        facts: { url: extraFilePath(other), digest: String(bad.digest) },
      });
      expect(await itemsOf(service.list())).toEqual([]);
    });

    test('takes no more files than it may', async () => {
      await using opened = await open({ extraFiles: 2 });
      const { service, blobs } = opened;
      const file = await blobOf(blobs, 'x');
      const [a = LOG, b = LOG, c = LOG] = NAMES;
      await service.putAll([a, b].map((one) => ({ name: one, file })));
      await expect(service.putAll([{ name: c, file }])).rejects.toMatchObject({
        code: 'LIMIT_EXCEEDED',
        facts: { limit: 'extraFiles', expected: 2, actual: 3 },
      });
      // replacing adds none
      const again = await blobOf(blobs, 'y');
      await service.putAll([{ name: b, file: again }]);
      expect(plain(await service.get(b))).toEqual(plain(again));
      expect(await service.get(c)).toBeUndefined();
    });

    test('an abort stays an abort', async () => {
      await using opened = await open();
      const { service, blobs } = opened;
      const file = await blobOf(blobs, 'x');
      await service.putAll([{ name: LOG, file }]);
      const options = { signal: AbortSignal.abort(new Error('enough')) };
      await expect(service.get(LOG, options)).rejects.toThrow('enough');
      await expect(service.putAll([{ name: LOG, file }], options)).rejects.toThrow('enough');
      await expect(itemsOf(service.list(options))).rejects.toThrow('enough');
    });
  });
}
