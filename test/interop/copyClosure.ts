/** One store's variants into another, through the services alone: names, contents and claims as they are. */
import type { Node } from '../../src/castore/node.ts';
import { walkClosure } from '../../src/pathinfo/closure.ts';
import type { PathInfo } from '../../src/pathinfo/pathInfo.ts';
import type { Store } from '../../src/store/store.ts';
import { itemsOf } from '../contracts/collect.ts';

/** Copies the closure of a variant of `from`. */
export async function copyClosure(from: Store, to: Store, root: PathInfo): Promise<void> {
  const members = await itemsOf(walkClosure(from.pathInfos, [root]));
  for (const { pathInfo } of members) await copyContent(from, to, pathInfo.node);
  await to.pathInfos.putAll(referencesFirst(members.map(({ pathInfo }) => pathInfo)));
}

function referencesFirst(pathInfos: readonly PathInfo[]): PathInfo[] {
  const sorted = new Map<string, PathInfo>();
  while (sorted.size < pathInfos.length) {
    const before = sorted.size;
    for (const pathInfo of pathInfos) {
      const { baseName } = pathInfo.storePath;
      const ready = [...pathInfo.references.keys()].every(
        (name) => name === baseName || sorted.has(name),
      );
      if (ready) sorted.set(baseName, pathInfo);
    }
    if (sorted.size === before) throw new Error('references in a circle');
  }
  return [...sorted.values()];
}

async function copyContent(from: Store, to: Store, node: Node): Promise<void> {
  if (node.type === 'symlink') return;
  if (node.type === 'file') {
    const contents = await from.blobs.read(node.digest);
    if (contents === undefined) throw new Error(`no blob ${node.digest}`);
    await using writer = to.blobs.openWrite();
    for await (const bytes of contents) await writer.write(bytes);
    await writer.close();
    return;
  }
  const directory = await from.directories.get(node.digest);
  if (directory === undefined) throw new Error(`no directory ${node.digest}`);
  for (const entry of directory.entries) await copyContent(from, to, entry.node);
  await using putter = to.directories.openPut();
  await putter.put(directory);
  await putter.close();
}
