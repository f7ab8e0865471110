/** The documents say what is: error codes, links, commands. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { ERROR_CODES } from '../src/errors.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

const documents = [
  ...readdirSync(root).filter((name) => name.endsWith('.md')),
  ...readdirSync(join(root, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => join('docs', name)),
];

function read(document: string): string {
  return readFileSync(join(root, document), 'utf8');
}

/** The rows of all tables that begin with a code: their cells. */
function errorRows(markdown: string): string[][] {
  return markdown
    .split('\n')
    .filter((line) => /^\| `[A-Z0-9_]+` \|/.test(line))
    .map((line) => line.slice(1, line.lastIndexOf('|')).split('|'))
    .map((cells) => cells.map((cell) => cell.trim()));
}

describe('docs/errors.md', () => {
  const rows = errorRows(read('docs/errors.md'));
  const codes = rows.map(([code = '']) => code.replaceAll('`', ''));

  test('has every code, in the order of src/errors.ts, and no other', () => {
    expect(codes).toEqual(Object.keys(ERROR_CODES));
  });

  test.each(rows)('%s: says when, with which facts, and what to do', (...cells) => {
    expect(cells).toHaveLength(4);
    expect(cells.filter((cell) => cell === '')).toEqual([]);
  });
});

describe.each(documents)('%s', (document) => {
  const markdown = read(document);

  test('links to files that are there', () => {
    const targets = Array.from(
      markdown.matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g),
      ([, to = '']) => to,
    );
    const local = targets.filter((to) => !/^[a-z]+:/.test(to));
    const missing = local.filter((to) => !existsSync(join(root, dirname(document), to)));
    expect(missing).toEqual([]);
  });

  test('names npm scripts that there are', () => {
    const { scripts }: { scripts: Record<string, string> } = JSON.parse(read('package.json'));
    const named = Array.from(markdown.matchAll(/\bnpm run ([\w:-]+)/g), ([, name = '']) => name);
    expect(named.filter((name) => !Object.hasOwn(scripts, name))).toEqual([]);
  });
});
