/** Puts the tests' synthetic trees into castore. */
import { EMPTY } from '../../src/bytes.ts';
import type { BlobService } from '../../src/castore/blobService.ts';
import type { Digest } from '../../src/castore/digest.ts';
import { Directory } from '../../src/castore/directory.ts';
import type { DirectoryService } from '../../src/castore/directoryService.ts';
import { MemoryBlobService } from '../../src/castore/memoryBlobService.ts';
import { MemoryDirectoryService } from '../../src/castore/memoryDirectoryService.ts';
import { DirectoryNode, FileNode, type Node, SymlinkNode } from '../../src/castore/node.ts';
import { type NarEvent, readNar } from '../../src/nar/events.ts';
import type { SyntheticTree } from '../support/syntheticTree.ts';

/** The two services that hold contents. */
export interface ContentServices {
  readonly blobService: BlobService;
  readonly directoryService: DirectoryService;
}

/** New services in memory. */
export function memoryServices(): ContentServices {
  return { blobService: new MemoryBlobService(), directoryService: new MemoryDirectoryService() };
}

/** Writes one blob. */
export async function putBlob(service: BlobService, contents: Uint8Array): Promise<Digest> {
  await using writer = service.openWrite();
  await writer.write(contents);
  return (await writer.close()).digest;
}

/** Writes one directory, whose children are there. */
export async function putDirectory(
  service: DirectoryService,
  entries: Iterable<readonly [name: Uint8Array, node: Node]>,
): Promise<DirectoryNode> {
  const directory = new Directory(Array.from(entries, ([name, node]) => ({ name, node })));
  await using putter = service.openPut();
  await putter.put(directory);
  await putter.close();
  return directory.node;
}

/** Writes a tree and returns its root. */
export async function putTree(services: ContentServices, tree: SyntheticTree): Promise<Node> {
  switch (tree.type) {
    case 'symlink':
      return new SymlinkNode(tree.target);
    case 'regular': {
      const digest = await putBlob(services.blobService, tree.contents);
      return new FileNode(digest, tree.contents.length, tree.executable);
    }
    case 'directory': {
      const entries: [Uint8Array, Node][] = [];
      for (const [name, child] of tree.entries)
        entries.push([name, await putTree(services, child)]);
      return putDirectory(services.directoryService, entries);
    }
  }
}

/** Writes what a NAR holds and returns its root. */
export async function putNar(services: ContentServices, nar: Uint8Array): Promise<Node> {
  async function* source() {
    yield nar;
  }
  // the root lies in a list of its own
  const open: [Uint8Array, [Uint8Array, Node][]][] = [[EMPTY, []]];
  let contents: Uint8Array[] = [];
  let start: Extract<NarEvent, { type: 'file' }> | undefined;
  const add = (name: Uint8Array, node: Node) => open.at(-1)?.[1].push([name, node]);
  for await (const event of readNar(source())) {
    if (event.type === 'directory') open.push([event.name, []]);
    else if (event.type === 'symlink') add(event.name, new SymlinkNode(event.target));
    else if (event.type === 'file') start = event;
    else if (event.type === 'data') contents.push(event.bytes.slice());
    else if (event.type === 'fileEnd') {
      const digest = await putBlob(services.blobService, Buffer.concat(contents));
      const { name = EMPTY, sizeBytes = 0, executable = false } = start ?? {};
      add(name, new FileNode(digest, sizeBytes, executable));
      contents = [];
    } else {
      const [name, entries] = open.pop() ?? [EMPTY, []];
      add(name, await putDirectory(services.directoryService, entries));
    }
  }
  const root = open[0]?.[1][0]?.[1];
  if (root === undefined) throw new Error('the NAR has no root');
  return root;
}

/**
 * `levels` directories, each holding the one below it twice, above a file: few directories that
 * render to 2^levels files. `levels` of 0 is the file.
 */
export async function putDoublingDag(services: ContentServices, levels: number): Promise<Node> {
  const contents = Buffer.from('leaf');
  let node: Node = new FileNode(
    await putBlob(services.blobService, contents),
    contents.length,
    false,
  );
  for (let level = 0; level < levels; level++) {
    // sizes that are right would pass 2^53 at level 52, so they are said to be small
    const child: Node = node.type === 'directory' ? new DirectoryNode(node.digest, 1) : node;
    node = await putDirectory(services.directoryService, [
      [Buffer.from('a'), child],
      [Buffer.from('b'), child],
    ]);
  }
  return node;
}
