/** Castore's canonical encodings: what is taken encodes to the same bytes. */
import { utf8 } from '../../../src/bytes.ts';
import { Digest } from '../../../src/castore/digest.ts';
import { Directory, decodeEntry, encodeEntry } from '../../../src/castore/directory.ts';
import { DirectoryNode, FileNode, type Node, SymlinkNode } from '../../../src/castore/node.ts';
import { agree, pureTarget } from '../target.ts';

const DIGEST = Digest.of(utf8('x'));
const NODES: readonly Node[] = [
  new DirectoryNode(DIGEST, 3),
  new FileNode(DIGEST, 5, true),
  new FileNode(DIGEST, 2 ** 40, false),
  new SymlinkNode(utf8('../x')),
];
const WORDS = [
  [0x0a, 0x24],
  [0x12],
  [0x1a],
  [0x18, 0x01],
  [0x20, 0x00],
  [0x80, 0x80, 0x80, 0x80, 0x10],
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f],
  [0x80, 0x00],
  [0x2e, 0x2e],
  [0x2f],
  [0x00],
];

/** A directory of some of everything. */
export function sampleDirectory(): Directory {
  return new Directory(NODES.map((node, index) => ({ name: utf8(`name ${index}`), node })));
}

export const directoryTarget = () =>
  pureTarget({
    name: 'castore-directory',
    seeds: [sampleDirectory().encode(), new Directory([]).encode()],
    words: WORDS.map((word) => Uint8Array.from(word)),
    run(input) {
      const decoded = Directory.decode(input);
      // from its entries anew: a decoded one might have kept its encoding
      agree('encoded again', input, new Directory(decoded.entries).encode());
      return 'taken';
    },
  });

export const entryTarget = () =>
  pureTarget({
    name: 'castore-entry',
    seeds: NODES.map((node) => encodeEntry(utf8('name'), node)),
    words: WORDS.map((word) => Uint8Array.from(word)),
    run(input) {
      const { name, node } = decodeEntry(input);
      agree('encoded again', input, encodeEntry(name, node));
      return `taken ${node.type}`;
    },
  });
