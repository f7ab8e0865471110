/** Paths with content as an ingest writes them, and a check that all of one is there. */
import { utf8 } from '../../src/bytes.ts';
import type { Chunk, ChunkedBlob } from '../../src/castore/blobService.ts';
import { Digest, DigestHasher } from '../../src/castore/digest.ts';
import { Directory } from '../../src/castore/directory.ts';
import { FileNode, type Node, SymlinkNode } from '../../src/castore/node.ts';
import type { PathInfo } from '../../src/pathinfo/pathInfo.ts';
import type { Store } from '../../src/store/store.ts';
import { partsOf } from '../contracts/blobServiceContract.ts';
import { pathInfoOf } from '../contracts/pathInfos.ts';
import { noise, prose } from '../contracts/sampleBytes.ts';

/** Some files of every path; all paths share the first. */
function contentsOf(seed: number): readonly Uint8Array[] {
  return [
    prose(200_000, 1),
    prose(3000 + (seed % 97), seed + 2),
    noise(100_000 + (seed % 1000), seed + 3),
    utf8(`file of ${seed}`),
  ];
}

/** Writes the content of a path. @returns its PathInfo, which is not put yet */
export async function writePath(
  store: Store,
  name: string,
  seed: number,
  references: readonly PathInfo[] = [],
): Promise<PathInfo> {
  const parts: (Chunk | ChunkedBlob)[] = [];
  const files = contentsOf(seed).map((contents, index) => {
    parts.push(...partsOf(contents));
    const node = new FileNode(Digest.of(contents), contents.length, index === 1);
    return { name: utf8(`file-${index}`), node };
  });
  const inner = new Directory(files);
  const root = new Directory([
    { name: utf8('share'), node: inner.node },
    { name: utf8('link'), node: new SymlinkNode(utf8('share/file-0')) },
  ]);
  await using blobs = store.blobs.openChunkedWrite();
  await blobs.write(parts);
  await blobs.close();
  await using directories = store.directories.openPut();
  await directories.put(inner);
  await directories.put(root);
  await directories.close();
  return pathInfoOf({ name, content: `${seed}`, node: root.node, references });
}

/** Reads all that is below a node. @throws an `Error` when something is missing or other than it says */
export async function readWhole(store: Store, node: Node): Promise<void> {
  if (node.type === 'file') {
    const hasher = new DigestHasher();
    const contents = await store.blobs.read(node.digest);
    if (contents === undefined) throw new Error(`no blob ${node.digest}`);
    let size = 0;
    for await (const bytes of contents) {
      size += bytes.length;
      hasher.update(bytes);
    }
    if (size !== node.size || !hasher.finish().equals(node.digest)) {
      throw new Error(`blob ${node.digest} has other content`);
    }
  } else if (node.type === 'directory') {
    const directory = await store.directories.get(node.digest);
    if (directory === undefined) throw new Error(`no directory ${node.digest}`);
    for (const entry of directory.entries) await readWhole(store, entry.node);
  }
}
