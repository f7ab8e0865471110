/** The index of debug information, made from castore. */
import { describe, expect, test } from 'vitest';
import { utf8 } from '../../src/bytes.ts';
import { Directory } from '../../src/castore/directory.ts';
import { MemoryBlobService } from '../../src/castore/memoryBlobService.ts';
import { MemoryDirectoryService } from '../../src/castore/memoryDirectoryService.ts';
import { FileNode, type Node, SymlinkNode } from '../../src/castore/node.ts';
import { extraFilePath } from '../../src/extraFiles/extraFileName.ts';
import { MemoryExtraFileService } from '../../src/extraFiles/memoryExtraFileService.ts';
import { DebugInfoIndex } from '../../src/ingest/debugInfoIndex.ts';
import { writeBlob } from '../contracts/blobServiceContract.ts';
import { bytesOf, itemsOf } from '../contracts/collect.ts';
import { pathInfoOf } from '../contracts/pathInfos.ts';

/** Names → what lies there; a text is a file, an array a directory. */
type Tree = { readonly [name: string]: Tree | string | SymlinkNode };

async function services() {
  const blobService = new MemoryBlobService();
  const directoryService = new MemoryDirectoryService();
  const extraFiles = new MemoryExtraFileService(blobService);
  const index = new DebugInfoIndex({ blobService, directoryService, extraFiles });

  async function write(tree: Tree | string | SymlinkNode): Promise<Node> {
    if (tree instanceof SymlinkNode) return tree;
    if (typeof tree === 'string') {
      const bytes = utf8(tree);
      return new FileNode(await writeBlob(blobService, bytes), bytes.length, false);
    }
    const entries = await Promise.all(
      Object.entries(tree)
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(async ([name, below]) => ({ name: utf8(name), node: await write(below) })),
    );
    const directory = new Directory(entries);
    await using putter = directoryService.openPut();
    await putter.put(directory);
    await putter.close();
    return directory.node;
  }

  return {
    index,
    pathInfo: async (name: string, tree: Tree | string) =>
      pathInfoOf({ name, node: await write(tree) }),
    /** What is indexed: path → text. */
    async indexed(): Promise<Record<string, string>> {
      const files = await itemsOf(extraFiles.list());
      const texts = files.map(async ({ name, file }) => {
        const bytes = await bytesOf(await blobService.read(file.digest));
        return [extraFilePath(name), Buffer.from(bytes).toString()] as const;
      });
      return Object.fromEntries(await Promise.all(texts));
    },
  };
}

const ID = '0123456789abcdef0123456789abcdef012345';
const inFolder = (entries: Tree): Tree => ({ lib: { debug: { '.build-id': entries } } });

describe('what is indexed', () => {
  test('is every regular file with a build id, under the NarHash of its path', async () => {
    const { index, pathInfo, indexed } = await services();
    const path = await pathInfo(
      'hello-debug',
      inFolder({
        ab: { [`${ID}.debug`]: 'one', '0123456789.debug': 'a short id' },
        cd: { [`${ID}.debug`]: 'two' },
      }),
    );
    const added = await index.index(path);
    const archive = `../nar/${path.claim.narHash.toNixbase32().replace('sha256:', '')}.nar`;
    const textOf = (member: string) =>
      JSON.stringify({ archive, member: `lib/debug/.build-id/${member}` });
    expect(await indexed()).toEqual({
      [`debuginfo/ab${ID}.debug`]: textOf(`ab/${ID}.debug`),
      'debuginfo/ab0123456789.debug': textOf('ab/0123456789.debug'),
      [`debuginfo/cd${ID}.debug`]: textOf(`cd/${ID}.debug`),
    });
    expect(added).toHaveLength(3);
  });

  test.each<[string, Tree | string]>([
    ['a path that is a file', 'text'],
    ['a path without the folder', { lib: { debug: {} } }],
    ['a path where a file is in its place', { lib: 'text' }],
    ['a folder that is a symlink', { lib: { debug: { '.build-id': new SymlinkNode(utf8('x')) } } }],
    ['a file that is a symlink', inFolder({ ab: { [`${ID}.debug`]: new SymlinkNode(utf8('x')) } })],
    ['a file that is a directory', inFolder({ ab: { [`${ID}.debug`]: {} } })],
    ['a file without the suffix', inFolder({ ab: { [ID]: 'x' } })],
    [
      'a folder that is no two digits',
      inFolder({ abc: { [`${ID}.debug`]: 'x' }, AB: { [`${ID}.debug`]: 'x' } }),
    ],
    ['a file in the folder itself', inFolder({ [`ab${ID}.debug`]: 'x' })],
    ['a name that is no id', inFolder({ ab: { 'hello.debug': 'x', '0.debug': 'x' } })],
  ])('is nothing of %s', async (_, tree) => {
    const { index, pathInfo, indexed } = await services();
    expect(await index.index(await pathInfo('odd', tree))).toEqual([]);
    expect(await indexed()).toEqual({});
  });

  test('stays as it is when another path has it, too', async () => {
    const { index, pathInfo, indexed } = await services();
    const tree = inFolder({ ab: { [`${ID}.debug`]: 'one' } });
    await index.index(await pathInfo('first', tree));
    const before = await indexed();
    const more = inFolder({ ab: { [`${ID}.debug`]: 'one', 'ffffffffffff.debug': 'new' } });
    const added = await index.index(await pathInfo('second', more));
    expect(added.map(extraFilePath)).toEqual(['debuginfo/abffffffffffff.debug']);
    expect(await indexed()).toMatchObject(before);
  });

  test('may be thousands', async () => {
    const { index, pathInfo, indexed } = await services();
    const ids = Array.from({ length: 2500 }, (_, i) => `${i.toString(16).padStart(38, '0')}.debug`);
    const tree = inFolder({ ab: Object.fromEntries(ids.map((id) => [id, 'x'])) });
    expect(await index.index(await pathInfo('many', tree))).toHaveLength(ids.length);
    expect(Object.keys(await indexed())).toHaveLength(ids.length);
  });
});
