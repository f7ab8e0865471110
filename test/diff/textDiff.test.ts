import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { EMPTY, utf8 } from '../../src/bytes.ts';
import { Digest } from '../../src/castore/digest.ts';
import { MemoryBlobService } from '../../src/castore/memoryBlobService.ts';
import { FileNode } from '../../src/castore/node.ts';
import {
  diffTexts,
  TEXT_DIFF_MAX_BYTES,
  TEXT_DIFF_MAX_LINES,
  type TextDiff,
} from '../../src/diff/textDiff.ts';
import { putBlob } from '../render/castoreTree.ts';
import { temporaryDirectory } from '../support/temporaryDirectory.ts';

async function diffOf(a: string | Uint8Array, b: string | Uint8Array): Promise<TextDiff> {
  const service = new MemoryBlobService();
  const put = async (contents: string | Uint8Array) => {
    const bytes = typeof contents === 'string' ? utf8(contents) : contents;
    return new FileNode(await putBlob(service, bytes), bytes.length, false);
  };
  return await diffTexts(await put(a), await put(b), { blobs: { a: service, b: service } });
}

const lines = (count: number, letter: string) =>
  Array.from({ length: count }, (_, index) => `${letter}${index}\n`).join('');

describe('diffTexts', () => {
  test.each<[what: string, a: string, b: string, hunks: string]>([
    ['a line changed', 'a\nb\nc\n', 'a\nx\nc\n', '@@ -1,3 +1,3 @@\n a\n-b\n+x\n c\n'],
    ['from nothing', '', 'a\n', '@@ -0,0 +1,1 @@\n+a\n'],
    ['to nothing', 'a\n', '', '@@ -1,1 +0,0 @@\n-a\n'],
    [
      'a line feed at the end',
      'a',
      'a\n',
      '@@ -1,1 +1,1 @@\n-a\n\\ No newline at end of file\n+a\n',
    ],
    ['carriage returns', 'a\r\n', 'a\n', '@@ -1,1 +1,1 @@\n-a\r\n+a\n'],
    ['a byte order mark', '\u{feff}a\n', 'a\n', '@@ -1,1 +1,1 @@\n-\u{feff}a\n+a\n'],
  ])('%s', async (_, a, b, hunks) => {
    const diff = await diffOf(a, b);
    // a count of 1 may be left out
    const plain = (text: string) => text.replaceAll(/,1(?= )/g, '');
    expect(diff.type === 'hunks' && plain(diff.hunks)).toBe(plain(hunks));
  });

  test.each<[what: string, a: string | Uint8Array, b: string | Uint8Array, type: TextDiff['type']]>(
    [
      ['NUL', 'a', 'a\0', 'binary'],
      ['NUL in the first', 'a\0', 'a', 'binary'],
      ['not UTF-8', Uint8Array.of(0xff), 'a', 'binary'],
      ['as large as may be', 'a'.repeat(TEXT_DIFF_MAX_BYTES), 'b', 'hunks'],
      ['too large', 'a'.repeat(TEXT_DIFF_MAX_BYTES + 1), 'b', 'large'],
      ['too large on the other side', 'b', 'a'.repeat(TEXT_DIFF_MAX_BYTES + 1), 'large'],
      [
        'as many lines as may be',
        lines(TEXT_DIFF_MAX_LINES / 2, 'a'),
        lines(TEXT_DIFF_MAX_LINES / 2, 'b'),
        'hunks',
      ],
      [
        'too many lines',
        lines(TEXT_DIFF_MAX_LINES / 2 + 1, 'a'),
        lines(TEXT_DIFF_MAX_LINES / 2, 'b'),
        'different',
      ],
    ],
  )('%s: %#', async (_, a, b, type) => {
    expect((await diffOf(a, b)).type).toBe(type);
  });

  test('what is too large is not read', async () => {
    const nowhere = new MemoryBlobService();
    const node = (size: number) => new FileNode(Digest.of(utf8(String(size))), size, false);
    const diff = diffTexts(node(1), node(TEXT_DIFF_MAX_BYTES + 1), {
      blobs: { a: nowhere, b: nowhere },
    });
    expect(await diff).toEqual({ type: 'large' });
  });

  test('contents that are gone, or of another size', async () => {
    const service = new MemoryBlobService();
    const blobs = { a: service, b: service };
    const path = utf8('etc/x');
    const empty = new FileNode(Digest.of(EMPTY), 0, false);
    const gone = new FileNode(Digest.of(utf8('gone')), 4, false);
    await expect(diffTexts(empty, gone, { blobs, path })).rejects.toMatchObject({
      code: 'BLOB_MISSING',
      facts: { path: '/etc/x' },
    });
    const longer = new FileNode(await putBlob(service, utf8('longer')), 5, false);
    await expect(diffTexts(empty, longer, { blobs, path })).rejects.toMatchObject({
      code: 'NODE_INVALID',
      facts: { path: '/etc/x', expected: 5 },
    });
  });

  test('an abort', async () => {
    const service = new MemoryBlobService();
    const node = new FileNode(await putBlob(service, utf8('a')), 1, false);
    const signal = AbortSignal.abort(new Error('enough'));
    const blobs = { a: service, b: service };
    await expect(diffTexts(node, node, { blobs, signal })).rejects.toThrow('enough');
  });

  const hasPatch = spawnSync('patch', ['--version']).status === 0;
  test.skipIf(!hasPatch)('what patch(1) makes of it is the other text', async () => {
    await using folder = await temporaryDirectory('patch');
    const target = join(folder.path, 'file');
    const text = fc
      .array(fc.constantFrom('a', 'b', 'c', '', 'long line', '+', '-- x', '\\ y', '@@ -1 +1 @@'))
      .chain((texts) => fc.constantFrom('\n', '').map((end) => texts.join('\n') + end));
    await fc.assert(
      fc.asyncProperty(text, text, async (a, b) => {
        const diff = await diffOf(a, b);
        if (diff.type !== 'hunks') throw new Error(diff.type);
        writeFileSync(target, a);
        const input = `--- a/file\n+++ b/file\n${diff.hunks}`;
        const { status, stdout } = spawnSync('patch', ['-s', '-o', '-', target], { input });
        expect(diff.hunks === '' ? a : stdout.toString()).toBe(b);
        expect(diff.hunks === '' ? 0 : status).toBe(0);
      }),
      { numRuns: 50 },
    );
  });
});
