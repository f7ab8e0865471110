import { expect, it } from 'vitest';
import { excerpt } from '../src/excerpt.ts';

it.each([
  ['plain text', 'hello-2.10', 'hello-2.10'],
  ['a terminal escape', 'a\x1b[2Jb', 'a\\x1b[2Jb'],
  ['a line feed', 'a\nb', 'a\\x0ab'],
  ['exactly the most', 'x'.repeat(256), 'x'.repeat(256)],
  ['more than that', 'x'.repeat(257), `${'x'.repeat(256)}…`],
])('quotes %s', (_, text, quoted) => {
  expect(excerpt(text)).toBe(quoted);
});
