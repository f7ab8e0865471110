/** What every DirectoryService does (src/castore/directoryService.ts), as tests. */
import { describe, expect, test } from 'vitest';
import { utf8 } from '../../src/bytes.ts';
import { Digest } from '../../src/castore/digest.ts';
import { Directory } from '../../src/castore/directory.ts';
import type { DirectoryService } from '../../src/castore/directoryService.ts';
import { FileNode, type Node, SymlinkNode } from '../../src/castore/node.ts';
import { itemsOf } from './collect.ts';

/** A service for one test. */
export interface OpenDirectoryService extends AsyncDisposable {
  readonly service: DirectoryService;
}

/** A directory out of names and nodes. */
export function directoryOf(entries: Readonly<Record<string, Node>>): Directory {
  return new Directory(Object.entries(entries).map(([name, node]) => ({ name: utf8(name), node })));
}

const FILE = new FileNode(Digest.of(utf8('content')), 7, true);
const EMPTY_DIRECTORY = directoryOf({});
const LEAF = directoryOf({ file: FILE, link: new SymlinkNode(utf8('file')) });
const MIDDLE = directoryOf({ a: LEAF.node, b: LEAF.node, empty: EMPTY_DIRECTORY.node });
const ROOT = directoryOf({ left: MIDDLE.node, right: MIDDLE.node, leaf: LEAF.node });
const LEAVES_FIRST = [EMPTY_DIRECTORY, LEAF, MIDDLE, ROOT];

const hexOf = (directories: readonly Directory[]) => directories.map(({ digest }) => digest.hex);

/** Puts directories in the order given. */
export async function putDirectories(
  service: DirectoryService,
  directories: readonly Directory[],
): Promise<void> {
  await using putter = service.openPut();
  for (const directory of directories) await putter.put(directory);
  await putter.close();
}

/** Runs the contract. */
export function directoryServiceContract(
  name: string,
  open: () => Promise<OpenDirectoryService>,
): void {
  describe(`${name} as a DirectoryService`, () => {
    test('keeps directories put leaves first', async () => {
      await using opened = await open();
      const { service } = opened;
      await putDirectories(service, LEAVES_FIRST);
      for (const directory of LEAVES_FIRST) {
        expect((await service.get(directory.digest))?.encode()).toEqual(directory.encode());
      }
    });

    test('does not have what was not put', async () => {
      await using opened = await open();
      const { service } = opened;
      expect(await service.get(ROOT.digest)).toBeUndefined();
      expect(await itemsOf(service.getRecursive(ROOT.digest))).toEqual([]);
    });

    test('gives a closure once each, the root first, none before one that refers to it', async () => {
      await using opened = await open();
      const { service } = opened;
      await putDirectories(service, LEAVES_FIRST);
      const closure = await itemsOf(service.getRecursive(ROOT.digest));
      expect(hexOf(closure).sort()).toEqual(hexOf(LEAVES_FIRST).sort());
      expect(closure[0]?.digest.hex).toBe(ROOT.digest.hex);
      const seen = new Set([ROOT.digest.hex]);
      for (const directory of closure) {
        expect(seen).toContain(directory.digest.hex);
        for (const { node } of directory.entries) {
          if (node.type === 'directory') seen.add(node.digest.hex);
        }
      }
    });

    test('refuses a directory before one that it refers to', async () => {
      await using opened = await open();
      const { service } = opened;
      await using putter = service.openPut();
      await expect(putter.put(MIDDLE)).rejects.toMatchObject({
        code: 'DIRECTORY_MISSING',
        facts: { referrer: String(MIDDLE.digest) },
      });
      await putter.close();
      expect(await service.get(MIDDLE.digest)).toBeUndefined();
    });

    test('takes directories whose children were put earlier, and those put twice', async () => {
      await using opened = await open();
      const { service } = opened;
      await putDirectories(service, [EMPTY_DIRECTORY, LEAF]);
      await putDirectories(service, [LEAF, MIDDLE]);
      await Promise.all([
        putDirectories(service, [MIDDLE, ROOT]),
        putDirectories(service, [ROOT]),
      ]).catch(() => putDirectories(service, [ROOT]));
      expect(await itemsOf(service.getRecursive(ROOT.digest))).toHaveLength(LEAVES_FIRST.length);
    });

    test('shows no directory of an abandoned put that refers to a missing one', async () => {
      await using opened = await open();
      const { service } = opened;
      {
        await using putter = service.openPut();
        for (const directory of LEAVES_FIRST) await putter.put(directory);
      }
      for (const directory of LEAVES_FIRST) {
        if ((await service.get(directory.digest)) === undefined) continue;
        const closure = await itemsOf(service.getRecursive(directory.digest));
        expect(hexOf(closure)).toContain(directory.digest.hex);
      }
      await putDirectories(service, LEAVES_FIRST);
      expect(await itemsOf(service.getRecursive(ROOT.digest))).toHaveLength(LEAVES_FIRST.length);
    });

    test('rejects with the reason of an aborted signal', async () => {
      await using opened = await open();
      const { service } = opened;
      await putDirectories(service, LEAVES_FIRST);
      const reason = new Error('no longer wanted');
      const options = { signal: AbortSignal.abort(reason) };
      await expect(service.get(ROOT.digest, options)).rejects.toBe(reason);
      await expect(itemsOf(service.getRecursive(ROOT.digest, options))).rejects.toBe(reason);
      await using putter = service.openPut(options);
      await expect(putter.put(EMPTY_DIRECTORY)).rejects.toBe(reason);
    });
  });
}
