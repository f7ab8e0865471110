/**
 * Makes docs/closure-digest-vectors.json, which docs/closure-digest.md explains:
 *
 *     node scripts/make-closure-digest-vectors.mjs            writes it
 *     node scripts/make-closure-digest-vectors.mjs --check    exits with 1 if it is not up to date
 *
 * Needs Node ≥ 24 and the development dependencies. The numbers come from `src`; what else must agree
 * with them is in test/pathinfo/closureDigestVectors.test.ts.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bytesOfJson, EMPTY } from '../src/bytes.ts';
import { Digest, derivedDigest } from '../src/castore/digest.ts';
import { Directory, encodeEntry } from '../src/castore/directory.ts';
import { FileNode, SymlinkNode } from '../src/castore/node.ts';
import { CLOSURE_DIGEST_CONTEXT, closureDigest } from '../src/pathinfo/closureDigest.ts';

const ROOT = join(import.meta.dirname, '..');
const FILE = 'docs/closure-digest-vectors.json';
const CHAIN_LENGTH = 1000;
/** So many that the message is longer than one chunk of BLAKE3 (1024 bytes). */
const MANY_REFERENCES = 24;
const HASH_PART_LENGTH = 32;

const file = (contents) => ({ type: 'file', executable: false, contents });
const executable = (contents) => ({ type: 'file', executable: true, contents });
const symlink = (target) => ({ type: 'symlink', target });
const directory = (...entries) => ({ type: 'directory', entries });

/** A base name that is easy to read: the number is its hash part. */
const baseName = (number, name) => `${String(number).padStart(HASH_PART_LENGTH, '0')}-${name}`;
const path = (name, tree, references = []) => ({ baseName: name, tree, references });
const leaf = (name, tree) => [path(baseName(1, name), tree)];

const [BASE, LEFT, RIGHT, TOP] = ['base', 'left', 'right', 'top'].map((name, i) =>
  baseName(i + 1, name),
);
const MANY = Array.from({ length: MANY_REFERENCES }, (_, i) => baseName(i + 10, `reference-${i}`));

const CASES = [
  { name: 'file', paths: leaf('file', file('hello\n')) },
  { name: 'executable', paths: leaf('executable', executable('#!/bin/sh\n')) },
  { name: 'symlink', paths: leaf('symlink', symlink('/nix/store')) },
  {
    name: 'symlink whose target is not UTF-8',
    paths: leaf('symlink', symlink({ base64: '/w==' })),
  },
  { name: 'empty file', paths: leaf('empty-file', file('')) },
  { name: 'empty executable', paths: leaf('empty-executable', executable('')) },
  {
    name: 'file of 100,000 bytes',
    paths: leaf('large', file({ repeat: '0123456789abcdef', times: 6250 })),
  },
  { name: 'empty directory', paths: leaf('empty-directory', directory()) },
  {
    name: 'directory with all kinds of nodes',
    paths: leaf(
      'tree',
      directory(
        // in another order than the encoding's
        ['z', symlink('b')],
        ['b', executable('x')],
        ['B', file('')],
        ['\u00e9', file('name in UTF-8')],
        [{ base64: '/w==' }, file('name that is not')],
        ['a', directory(['inner', directory(['file', file('deep')], ['link', symlink('..')])])],
        ['y', directory()],
      ),
    ),
  },
  {
    name: 'one reference',
    paths: [path(BASE, file('base')), path(TOP, file('top'), [BASE])],
  },
  {
    name: 'references in another order than that of their bytes',
    paths: [
      path(LEFT, file('left')),
      path(RIGHT, file('right')),
      path(BASE, file('base')),
      path(TOP, file('top'), [RIGHT, BASE, LEFT]),
    ],
  },
  {
    name: 'many references',
    paths: [
      ...MANY.map((name, i) => path(name, symlink(String(i)))),
      path(baseName(1, 'many'), directory(), MANY.toReversed()),
    ],
  },
  { name: 'self-reference', paths: [path(TOP, file('top'), [TOP])] },
  { name: 'the same path without it', paths: [path(TOP, file('top'))] },
  {
    name: 'self-reference beside another',
    paths: [path(BASE, file('base')), path(TOP, file('top'), [TOP, BASE])],
  },
  {
    name: 'repeated references count once',
    paths: [path(BASE, file('base')), path(TOP, file('top'), [BASE, TOP, BASE, TOP])],
  },
  {
    name: 'diamond, referrers first',
    paths: [
      path(TOP, file('top'), [LEFT, RIGHT]),
      path(RIGHT, file('right'), [BASE]),
      path(LEFT, file('left'), [BASE]),
      path(BASE, file('base')),
    ],
  },
  {
    name: 'the same diamond with another base: all above it changes',
    paths: [
      path(TOP, file('top'), [LEFT, RIGHT]),
      path(RIGHT, file('right'), [BASE]),
      path(LEFT, file('left'), [BASE]),
      path(BASE, file('Base')),
    ],
  },
  {
    name: 'the same content under two names',
    paths: [path(baseName(1, 'one'), file('same')), path(baseName(1, 'two'), file('same'))],
  },
];

/** What `contents`, names and targets stand for. */
function bytesOf(json) {
  return typeof json === 'object' && 'repeat' in json
    ? Buffer.from(json.repeat.repeat(json.times))
    : bytesOfJson(json);
}

function nodeOf(tree) {
  switch (tree.type) {
    case 'symlink':
      return new SymlinkNode(bytesOf(tree.target));
    case 'file': {
      const contents = bytesOf(tree.contents);
      return new FileNode(Digest.of(contents), contents.length, tree.executable);
    }
    default: {
      const entries = tree.entries.map(([name, child]) => ({
        name: bytesOf(name),
        node: nodeOf(child),
      }));
      return new Directory(entries).node;
    }
  }
}

const hex = (bytes) => Buffer.from(bytes).toString('hex');

function u64(value) {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

const field = (bytes) => Buffer.concat([u64(bytes.length), bytes]);

/** The path with what is to come out. @param digests closure digests by base name, of all below */
function computed({ baseName: name, tree, references }, digests) {
  const node = nodeOf(tree);
  const others = new Map();
  for (const reference of references) {
    if (reference !== name) others.set(reference, digests.get(reference));
  }
  const selfReferring = references.includes(name);
  const digest = closureDigest({ baseName: name, node, selfReferring, references: [...others] });
  const message = Buffer.concat([
    field(Buffer.from(name)),
    field(encodeEntry(EMPTY, node)),
    Buffer.of(selfReferring ? 1 : 0),
    u64(others.size),
    ...[...others]
      .map(([reference, closure]) => [Buffer.from(reference), closure.bytes])
      .sort(([a], [b]) => Buffer.compare(a, b))
      .flatMap((pair) => pair.map(field)),
  ]);
  if (!derivedDigest(CLOSURE_DIGEST_CONTEXT, message).equals(digest)) {
    throw new Error(`the message of ${name} is not what src hashes`);
  }
  digests.set(name, digest);
  return {
    baseName: name,
    tree,
    references,
    entry: hex(encodeEntry(EMPTY, node)),
    message: hex(message),
    closureDigest: digest.hex,
  };
}

function vectorOf({ name, paths }) {
  const digests = new Map();
  const done = new Map();
  while (done.size < paths.length) {
    const ready = paths.filter(
      (candidate) =>
        !done.has(candidate) &&
        candidate.references.every((r) => r === candidate.baseName || digests.has(r)),
    );
    if (ready.length === 0) throw new Error(`${name}: references in a circle, or missing`);
    for (const candidate of ready) done.set(candidate, computed(candidate, digests));
  }
  return { name, paths: paths.map((given) => done.get(given)) };
}

function chain() {
  const digests = new Map();
  const all = Array.from({ length: CHAIN_LENGTH }, (_, i) => {
    const references = i === 0 ? [] : [baseName(i - 1, 'chain')];
    return computed(path(baseName(i, 'chain'), symlink(String(i)), references), digests);
  });
  const told = [0, 1, CHAIN_LENGTH - 1].map((index) => ({
    index,
    baseName: all[index].baseName,
    closureDigest: all[index].closureDigest,
  }));
  return { length: CHAIN_LENGTH, paths: told };
}

/** As the linter wants it, so that it need not be left out there. */
function formatted(json) {
  const biome = join(ROOT, 'node_modules', '@biomejs', 'biome', 'bin', 'biome');
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [biome, 'format', `--stdin-file-path=${FILE}`],
    { cwd: ROOT, input: json, encoding: 'utf8' },
  );
  if (status !== 0) throw new Error(`biome: ${status}\n${stderr}`);
  return stdout;
}

const vectors = {
  about: 'Test vectors of the closure digest; docs/closure-digest.md explains them.',
  context: CLOSURE_DIGEST_CONTEXT,
  vectors: CASES.map(vectorOf),
  chain: chain(),
};
const text = formatted(JSON.stringify(vectors));
const target = join(ROOT, FILE);
if (process.argv.includes('--check')) {
  if (readFileSync(target, 'utf8') !== text) {
    console.error(`${FILE} is not up to date: node scripts/make-closure-digest-vectors.mjs`);
    process.exitCode = 1;
  }
} else {
  writeFileSync(target, text);
  console.log(`${FILE}: ${vectors.vectors.length} vectors and a chain`);
}
