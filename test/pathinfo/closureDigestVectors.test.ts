/**
 * The vectors of docs/closure-digest.md by four implementations that share no code: `src`, the script
 * that made them (which spells out the message itself), @noble/hashes, and Python.
 */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { EMPTY, toHex } from '../../src/bytes.ts';
import { Digest } from '../../src/castore/digest.ts';
import { Directory, encodeEntry } from '../../src/castore/directory.ts';
import { FileNode, type Node, SymlinkNode } from '../../src/castore/node.ts';
import { hashBytes } from '../../src/hash.ts';
import { Claim } from '../../src/pathinfo/claim.ts';
import { CLOSURE_DIGEST_CONTEXT } from '../../src/pathinfo/closureDigest.ts';
import { PathInfo, type ReferenceContent } from '../../src/pathinfo/pathInfo.ts';
import { StorePath } from '../../src/storePath.ts';
import type { SyntheticTree } from '../support/syntheticTree.ts';
import { temporaryDirectory } from '../support/temporaryDirectory.ts';
import {
  chainPaths,
  readVectors,
  referencesFirst,
  syntheticTreeOf,
  VECTORS_FILE,
  type VectorInput,
} from './closureDigestVectors.ts';
import { independentClosureDigest } from './independentClosureDigest.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const document = readVectors();
const { context, vectors, chain } = document;
const CASES = vectors.map(({ name, paths }) => [name, paths] as const);

function nodeOf(tree: SyntheticTree): Node {
  switch (tree.type) {
    case 'symlink':
      return new SymlinkNode(tree.target);
    case 'regular':
      return new FileNode(Digest.of(tree.contents), tree.contents.length, tree.executable);
    case 'directory':
      return new Directory(tree.entries.map(([name, child]) => ({ name, node: nodeOf(child) })))
        .node;
  }
}

/** The PathInfo as an ingest would make it, with the contents of its references. */
function pathInfoOf(
  { baseName, tree, references }: VectorInput,
  known: Map<string, PathInfo>,
): PathInfo {
  const claim = new Claim({
    storePath: StorePath.fromBaseName(baseName),
    narHash: hashBytes('sha256', EMPTY), // no part of the closure digest
    narSize: 1,
    references: references.map((name) => StorePath.fromBaseName(name)),
    signatures: [],
    deriver: undefined,
    ca: undefined,
    origin: undefined,
    verification: { by: 'nobody' },
  });
  const contents = new Map<string, ReferenceContent>();
  for (const name of references) {
    const content = known.get(name);
    if (content === undefined) continue; // itself
    const { node, closureDigest } = content;
    contents.set(name, { node, closureDigest, evidence: 'unchecked' });
  }
  const pathInfo = new PathInfo(claim, nodeOf(syntheticTreeOf(tree)), contents);
  known.set(baseName, pathInfo);
  return pathInfo;
}

describe('src', () => {
  test('has the context', () => {
    expect(context).toBe(CLOSURE_DIGEST_CONTEXT);
  });

  test.each(CASES)('%s', (_, paths) => {
    const known = new Map<string, PathInfo>();
    for (const path of referencesFirst(paths)) {
      const { node, closureDigest } = pathInfoOf(path, known);
      expect(toHex(encodeEntry(EMPTY, node))).toBe(path.entry);
      expect(closureDigest.hex).toBe(path.closureDigest);
    }
  });

  test(`a chain of ${chain.length}`, () => {
    const known = new Map<string, PathInfo>();
    for (const path of chainPaths(chain.length)) pathInfoOf(path, known);
    for (const { baseName, closureDigest } of chain.paths) {
      expect(known.get(baseName)?.closureDigest.hex).toBe(closureDigest);
    }
  });
});

describe('@noble/hashes', () => {
  test.each(CASES)('%s', (_, paths) => {
    const digests = new Map<string, string>();
    for (const path of referencesFirst(paths)) {
      const { entry, message, closureDigest } = path;
      const actual = independentClosureDigest(context, path, digests);
      expect(actual).toEqual({ entry, message, closureDigest });
    }
  });

  test(`a chain of ${chain.length}`, () => {
    const digests = new Map<string, string>();
    for (const path of chainPaths(chain.length)) independentClosureDigest(context, path, digests);
    for (const { baseName, closureDigest } of chain.paths) {
      expect(digests.get(baseName)).toBe(closureDigest);
    }
  });
});

function run(program: string, args: readonly string[]) {
  return spawnSync(program, args, { cwd: root, encoding: 'utf8' });
}

const hasPython = run('python3', ['--version']).status === 0;

describe.skipIf(!hasPython)('docs/closure-digest.py (needs python3)', () => {
  const script = join('docs', 'closure-digest.py');

  test('computes the same out of the same', () => {
    const { status, stdout, stderr } = run('python3', [script, '--json', VECTORS_FILE]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(JSON.parse(stdout)).toEqual(document);
  });

  test('does not copy what it is to compute', async () => {
    await using directory = await temporaryDirectory('vectors');
    const wiped = join(directory.path, 'vectors.json');
    const text = JSON.stringify(document).replaceAll(
      /"(entry|message|closureDigest)":"[0-9a-f]+"/g,
      '"$1":""',
    );
    writeFileSync(wiped, text);
    expect(JSON.parse(run('python3', [script, '--json', wiped]).stdout)).toEqual(document);
    expect(run('python3', [script, wiped])).toMatchObject({
      status: 1,
      stdout: expect.stringMatching(/^differs: file\n[\s\S]*\n0 of \d+ vectors are equal\n$/),
    });
  });

  test('says so to people', () => {
    const count = vectors.length + 1;
    expect(run('python3', [script])).toMatchObject({
      status: 0,
      stdout: `${count} of ${count} vectors are equal\n`,
    });
  });
});

test('the file is what its script makes', () => {
  const script = join('scripts', 'make-closure-digest-vectors.mjs');
  const { status, stderr } = run(process.execPath, [script, '--check']);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
});

test('the vectors tell apart what they are to tell apart', () => {
  const byName = new Map(CASES);
  const last = (name: string) => byName.get(name)?.at(-1)?.closureDigest;
  const tops = ['self-reference', 'the same path without it', 'one reference'].map(last);
  expect(new Set(tops).size).toBe(tops.length);
  expect(last('self-reference beside another')).toBe(last('repeated references count once'));
  const [diamond, other] = [
    'diamond, referrers first',
    'the same diamond with another base: all above it changes',
  ].map((name) => byName.get(name)?.map(({ closureDigest }) => closureDigest) ?? []);
  expect(new Set([...(diamond ?? []), ...(other ?? [])]).size).toBe(8);
  const [one, two] = byName.get('the same content under two names') ?? [];
  expect(one?.entry).toBe(two?.entry);
  expect(one?.closureDigest).not.toBe(two?.closureDigest);
});
