import { describe, expect, test } from 'vitest';
import { EMPTY, utf8 } from '../../src/bytes.ts';
import { Digest } from '../../src/castore/digest.ts';
import { FileNode } from '../../src/castore/node.ts';
import { nodeChangeText } from '../../src/cli/diffText.ts';
import type { TextDiff } from '../../src/diff/textDiff.ts';

const node = new FileNode(Digest.of(EMPTY), 0, false);

function textOf(text: TextDiff, forTerminal: boolean): string {
  const change = { type: 'changed', path: utf8('x'), a: node, b: node } as const;
  const folders = { a: '', b: 'f' };
  return nodeChangeText({ change, text }, { folders, indent: '  ', forTerminal });
}

describe('nodeChangeText', () => {
  const hunks = '@@ -1,1 +1,1 @@\n-\ta\\\u{1b}[2J\r\n+\u{202e}ä\u{2028}\n';

  test('on a terminal, nothing in a file can move the cursor or turn the text around', () => {
    expect(textOf({ type: 'hunks', hunks }, true)).toBe(
      '  M      0 B      0 B  x\n--- a/x\n+++ b/f/x\n' +
        '@@ -1,1 +1,1 @@\n-\ta\\\\x1b[2J\\x0d\n+\\xe2\\x80\\xaeä\\xe2\\x80\\xa8\n',
    );
  });

  test('elsewhere, it is what patch(1) needs', () => {
    expect(textOf({ type: 'hunks', hunks }, false)).toContain(hunks);
  });

  test.each<[type: Exclude<TextDiff['type'], 'hunks'>, remark: string]>([
    ['binary', 'binary'],
    ['large', 'too large for a text diff'],
    ['different', 'too many lines differ for a text diff'],
  ])('%s: says why there is none', (type, remark) => {
    expect(textOf({ type }, true)).toBe(`  M      0 B      0 B  x  (${remark})\n`);
  });
});
