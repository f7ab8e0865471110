import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CHUNK_MAX_BYTES, CHUNK_MIN_BYTES } from '../../src/castore/chunker.ts';
import { CastoreBuilder } from '../../src/ingest/castoreBuilder.ts';
import {
  type ContentBatch,
  ContentBatchReader,
  type ContentPart,
} from '../../src/ingest/contentBatch.ts';
import { NarParser } from '../../src/nar/parser.ts';
import { anyTree } from '../nar/arbitraryTree.ts';
import {
  directory,
  encodeNar,
  executable,
  file,
  nested,
  type SyntheticTree,
  symlink,
} from '../support/syntheticTree.ts';
import { anyCut, type Cut, cutBytes } from './cutBytes.ts';
import { blake3Hex, independentNode, plainNode } from './independentCastore.ts';

/** What a builder makes of a tree's NAR, whose bytes come cut. */
function build(tree: SyntheticTree, cut: Cut = [65_536], takeEach = false) {
  const builder = new CastoreBuilder();
  const parser = new NarParser(builder);
  const reader = new ContentBatchReader();
  const parts: ContentPart[] = [];
  const read = (batches: ContentBatch[]) => {
    for (const batch of batches) parts.push(...reader.parts(batch));
  };
  for (const piece of cutBytes(encodeNar(tree), cut)) {
    parser.push(piece);
    read(takeEach ? builder.take() : builder.takeFull());
  }
  parser.end();
  read(builder.take());
  if (builder.root === undefined) throw new Error('there is no root');
  return { root: plainNode(builder.root), parts };
}

/** Bytes that look random: chunks end where they will. */
function noise(length: number, seed = 1): Uint8Array {
  let state = seed;
  return Uint8Array.from({ length }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    return state >>> 24;
  });
}

/** The parts as data that compares. */
function plainParts(parts: readonly ContentPart[]) {
  return parts.map((part) => {
    if (part.type === 'directory') return { directory: part.directory.digest.hex };
    if (part.type === 'chunk') return { chunk: part.digest.hex, bytes: part.bytes.length };
    const chunks = part.chunks.map(({ digest, size }) => `${digest.hex} ${size}`);
    return { blob: part.digest.hex, size: part.size, chunks };
  });
}

/** What is wrong with the order of parts, or with what they say; nothing should be. */
function faultsOf(parts: readonly ContentPart[]): string[] {
  const faults: string[] = [];
  const check = (holds: boolean, fault: string) => {
    if (!holds) faults.push(fault);
  };
  const blobs = new Set([blake3Hex(new Uint8Array(0))]);
  const directories = new Set<string>();
  let chunks: { hex: string; bytes: Uint8Array }[] = [];
  for (const part of parts) {
    if (part.type === 'chunk') {
      check(part.bytes.length > 0, 'an empty chunk');
      check(part.bytes.length <= CHUNK_MAX_BYTES, 'a chunk that is too large');
      check(blake3Hex(part.bytes) === part.digest.hex, 'a chunk with a wrong digest');
      chunks.push({ hex: part.digest.hex, bytes: part.bytes });
    } else if (part.type === 'blob') {
      const content = Buffer.concat(chunks.map(({ bytes }) => bytes));
      check(blake3Hex(content) === part.digest.hex, 'a blob that is not its chunks');
      check(part.size === content.length, 'a blob of another size');
      const named = part.chunks.map(({ digest, size }) => `${digest.hex} ${size}`);
      const came = chunks.map(({ hex, bytes }) => `${hex} ${bytes.length}`);
      check(named.join() === came.join(), 'a blob that names other chunks');
      blobs.add(part.digest.hex);
      chunks = [];
    } else {
      check(chunks.length === 0, 'a directory in the middle of a blob');
      for (const { node } of part.directory.entries) {
        if (node.type === 'file') check(blobs.has(node.digest.hex), 'a directory before a blob');
        if (node.type === 'directory') {
          check(directories.has(node.digest.hex), 'a directory before one below it');
        }
      }
      directories.add(part.directory.digest.hex);
    }
  }
  check(chunks.length === 0, 'chunks without a blob');
  return faults;
}

describe('CastoreBuilder', () => {
  const longNames = 'n'.repeat(255);
  const trees: Readonly<Record<string, SyntheticTree>> = {
    'an empty directory as root': directory(),
    'an empty file as root': file(''),
    'an empty executable as root': executable(''),
    'a file as root': file('hello'),
    'an executable as root': executable('#!/bin/sh\n'),
    'a symlink as root': symlink('../nowhere'),
    'a symlink that is not UTF-8': symlink(Uint8Array.of(0xff, 0xfe)),
    'an empty directory below': directory({ empty: directory() }),
    'the same file twice': directory({ a: file('same'), b: executable('same') }),
    'the same directory twice': directory({
      a: directory({ f: file('x') }),
      b: directory({ f: file('x') }),
    }),
    'a file named as a token': directory([
      [')', file(')')],
      ['(', directory()],
    ]),
    __proto__: directory([
      ['__proto__', file('proto')],
      ['constructor', symlink('then')],
    ]),
    'names that sort otherwise in UTF-16': directory([
      ['\uff5e', file('1')],
      ['\u{1f409}', file('2')],
    ]),
    'a long name, a long target': directory([[longNames, symlink('t'.repeat(4095))]]),
    '900 directories deep': nested(900, file('deep')),
    'a file of the smallest chunk': file(noise(CHUNK_MIN_BYTES)),
    'a file one byte above it': file(noise(CHUNK_MIN_BYTES + 1)),
    'a file of the largest chunk': file(new Uint8Array(CHUNK_MAX_BYTES)),
    'a file of a million bytes': file(noise(1_000_000)),
    'a million zeros': executable(new Uint8Array(1_000_000)),
  };

  test.each(Object.entries(trees))('%s', (_, tree) => {
    const { root, parts } = build(tree);
    expect(root).toEqual(independentNode(tree));
    expect(faultsOf(parts)).toEqual([]);
  });

  test('whatever the tree and however its NAR is cut, the root is right and the parts in order', () => {
    fc.assert(
      fc.property(anyTree, anyCut, fc.boolean(), (tree, cut, takeEach) => {
        const { root, parts } = build(tree, cut, takeEach);
        expect(root).toEqual(independentNode(tree));
        expect(faultsOf(parts)).toEqual([]);
        expect(plainParts(parts)).toEqual(plainParts(build(tree).parts));
      }),
    );
  });

  test.each([[[1_000_000]], [[65_536]], [[CHUNK_MIN_BYTES]], [[1, 4_095]], [[7]]] satisfies [
    Cut,
  ][])('a large file is cut into the same chunks however its NAR comes: %j', (cut) => {
    const tree = file(noise(400_000, 7));
    const { parts } = build(tree, cut);
    expect(parts.filter(({ type }) => type === 'chunk').length).toBeGreaterThan(2);
    expect(plainParts(parts)).toEqual(plainParts(build(tree).parts));
  });

  test('where chunks end is part of no digest', () => {
    // one byte in front moves nothing but the first chunk's end; the root follows from the bytes alone
    const tail = noise(600_000, 3);
    for (const shift of [0, 1, 17, 100_000]) {
      const tree = file(Buffer.concat([noise(shift, 9), tail]));
      expect(build(tree).root).toEqual(independentNode(tree));
    }
  });

  test('a small file is one chunk with the digest of its blob; an empty one has none', () => {
    expect(plainParts(build(directory({ empty: file(''), small: file('small') })).parts)).toEqual([
      { blob: blake3Hex(new Uint8Array(0)), size: 0, chunks: [] },
      { chunk: blake3Hex(Buffer.from('small')), bytes: 5 },
      {
        blob: blake3Hex(Buffer.from('small')),
        size: 5,
        chunks: [`${blake3Hex(Buffer.from('small'))} 5`],
      },
      { directory: expect.any(String) },
    ]);
  });

  test('batches are handed out as they fill, also with parts that have no contents', () => {
    const builder = new CastoreBuilder();
    const parser = new NarParser(builder);
    const entries = Array.from({ length: 10_000 }, (_, i) => [`${i}`, directory()] as const);
    parser.push(encodeNar(directory([...entries, ['~', file(noise(3_000_000))]])));
    const batches = builder.takeFull();
    expect(batches.length).toBeGreaterThan(3);
    for (const { bytes, records } of batches) {
      expect(bytes.length).toBeLessThanOrEqual(1024 * 1024);
      expect(records.length).toBeLessThanOrEqual(1024 * 1024);
    }
    expect(builder.take()).not.toEqual([]);
    expect(builder.take()).toEqual([]);
  });

  test('a small NAR takes little memory', () => {
    const nar = encodeNar(directory({ a: file('a') }));
    const builder = new CastoreBuilder(nar.length);
    const parser = new NarParser(builder, { narSizeBytes: nar.length });
    parser.push(nar);
    expect(builder.take().map(({ bytes }) => bytes.buffer.byteLength)).toEqual([nar.length]);
  });

  test('there is no root before the end', () => {
    const builder = new CastoreBuilder();
    const nar = encodeNar(directory({ a: file('a') }));
    const parser = new NarParser(builder);
    parser.push(nar.subarray(0, -24));
    expect(builder.root).toBeUndefined();
    parser.push(nar.subarray(-24));
    expect(builder.root?.type).toBe('directory');
  });
});
