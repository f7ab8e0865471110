/** src keeps to the layers of docs/ARCHITECTURE.md, and its files to what a reader can hold. */
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { checkLayers } from './architecture/checkLayers.ts';
import { type LayerTable, parseLayerTable } from './architecture/layerTable.ts';
import type { SourceFile } from './architecture/moduleFacts.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Files that are longer than {@link MAX_LINES}, each with the reason. */
const LONG_FILES: Readonly<Record<string, string>> = {};
const MAX_LINES = 400;

/** Names under which unrelated things gather. */
const VAGUE_NAME = /^(?:utils?|helpers?|common|misc)$/;

/** Sources by path. */
type Tree = Readonly<Record<string, string>>;

function readSources(): SourceFile[] {
  const source = join(root, 'src');
  return readdirSync(source, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
    .map((file) => ({
      path: file.slice(source.length + 1).replaceAll(sep, '/'),
      text: readFileSync(file, 'utf8'),
    }));
}

/** What a generator made is nobody's to read. */
const GENERATED = /^grpc\/gen\//;

describe('src', () => {
  const files = readSources();
  const written = files.filter(({ path }) => !GENERATED.test(path));

  test('keeps to the layer table of docs/ARCHITECTURE.md', () => {
    const table = parseLayerTable(readFileSync(join(root, 'docs', 'ARCHITECTURE.md'), 'utf8'));
    expect(checkLayers(table, files)).toEqual([]);
  });

  test(`has no file over ${MAX_LINES} lines without a reason`, () => {
    const long = written.filter(({ text }) => text.trimEnd().split('\n').length > MAX_LINES);
    // both ways: an entry whose file became shorter is to go
    expect(long.map(({ path }) => path)).toEqual(Object.keys(LONG_FILES).sort());
  });

  test('has no file or folder that is named for nothing', () => {
    const vague = files.filter(({ path }) =>
      path.split('/').some((part) => VAGUE_NAME.test(basename(part, '.ts'))),
    );
    expect(vague.map(({ path }) => path)).toEqual([]);
  });
});

describe('the check itself', () => {
  const table: LayerTable = {
    highestPureLayer: 1,
    rows: [
      { layer: 0, path: 'errors.ts', apart: false },
      { layer: 1, path: 'nar/', apart: false },
      { layer: 2, path: 'httpService.ts', apart: true },
      { layer: 2, path: 'web/', apart: true },
    ],
  };
  /** A tree that keeps all rules; the cases below add to it or replace a file. */
  const sound = {
    'errors.ts': 'export const x = 1;',
    'nar/reader.ts': "import { createHash } from 'node:crypto';\nexport * from '../errors.ts';",
    'httpService.ts': "import './nar/reader.ts';\nconst now = Date.now();",
    'web/page.ts': "import { readFile } from 'node:fs/promises';",
  };
  const check = (changed: Tree) => checkLayers(table, filesOf({ ...sound, ...changed }));

  test('finds nothing in a sound tree', () => {
    expect(check({})).toEqual([]);
  });

  const up = 'nar/x.ts:1: L1 imports web/page.ts of L2';
  test.each<[what: string, path: string, source: string, breach: string]>([
    ['an import', 'nar/x.ts', "import { a } from '../web/page.ts';", up],
    ['an import for its effect', 'nar/x.ts', "import '../web/page.ts';", up],
    ['an import of types', 'nar/x.ts', "import type { A } from '../web/page.ts';", up],
    ['an inline type import', 'nar/x.ts', "type A = import('../web/page.ts').A;", up],
    ['a dynamic import', 'nar/x.ts', "const a = await import('../web/page.ts');", up],
    ['a re-export', 'nar/x.ts', "export { a } from '../web/page.ts';", up],
    ['a re-export of all', 'nar/x.ts', "export * from '../web/page.ts';", up],
    ['a re-export of types', 'nar/x.ts', "export type { A } from '../web/page.ts';", up],
    [
      'a script for a worker',
      'nar/x.ts',
      "new Worker(new URL('../web/page.ts', import.meta.url));",
      up,
    ],
    ['a require', 'nar/x.ts', "require('../web/page.ts');", up],
    [
      'a computed import',
      'nar/x.ts',
      'const f = (name: string) => import(name);',
      'nar/x.ts:1: imports a computed specifier',
    ],
    [
      'two that are apart',
      'web/x.ts',
      "import '../httpService.ts';",
      'web/x.ts:1: web/ imports httpService.ts, both are apart',
    ],
    [
      'a missing file',
      'web/x.ts',
      "import './y.ts';",
      'web/x.ts:1: imports ./y.ts, which is not in src',
    ],
    ['a file in no row', 'grpc/x.ts', '', 'grpc/x.ts: in no row of the layer table'],
    ['fs in a pure layer', 'nar/x.ts', "import 'node:fs';", pure('node:fs')],
    ['fs/promises', 'nar/x.ts', "import 'node:fs/promises';", pure('node:fs/promises')],
    ['a module without node:', 'nar/x.ts', "import 'http';", pure('http')],
    ['undici', 'nar/x.ts', "import { request } from 'undici';", pure('undici')],
    ['the environment', 'nar/x.ts', 'export const a = process.env;', pure('process')],
    ['the environment, unpacked', 'nar/x.ts', 'const { env } = process;', pure('process')],
    ['the clock', 'nar/x.ts', 'export const a = Date.now();', pure('Date.now')],
    ['the clock as a date', 'nar/x.ts', 'export const a = new Date();', pure('new Date()')],
    ['logging', 'nar/x.ts', "console.error('x');", pure('console')],
    ['the network', 'nar/x.ts', "fetch('http://example.org');", pure('fetch')],
  ])('finds %s', (_what, path, source, breach) => {
    expect(check({ [path]: source })).toEqual([breach]);
  });

  test('lets a date be made of a number, and members be called like globals', () => {
    expect(check({ 'nar/x.ts': 'new Date(0); parser.process(); export {};' })).toEqual([]);
  });

  test('finds a cycle, with its way', () => {
    const cyclic = {
      'nar/a.ts': "import './b.ts';",
      'nar/b.ts': "import type { C } from './c.ts';",
      'nar/c.ts': "import './a.ts';",
    };
    expect(check(cyclic)).toEqual([
      'nar/a.ts → nar/b.ts → nar/c.ts → nar/a.ts: a cycle of imports',
    ]);
  });

  test('finds a file in two rows, and a row without a file', () => {
    const rows = [
      ...table.rows,
      { layer: 2, path: 'web/page.ts', apart: false },
      { layer: 2, path: 'grpc/', apart: false },
    ];
    expect(checkLayers({ ...table, rows }, filesOf(sound))).toEqual([
      'web/page.ts: in 2 rows of the layer table',
      'web/page.ts: a row of the layer table without a file',
      'grpc/: a row of the layer table without a file',
    ]);
  });

  test('reads the table out of a document', () => {
    const markdown = [
      'Layers L0 to L1',
      'do no I/O.',
      '',
      '| layer | path | what |',
      '|---|---|---|',
      '| L0 | `errors.ts` | the error class |',
      '| L12 | web/ | pages (apart) |',
      '',
      '| other | table |',
    ].join('\n');
    expect(parseLayerTable(markdown)).toEqual({
      highestPureLayer: 1,
      rows: [
        { layer: 0, path: 'errors.ts', apart: false },
        { layer: 12, path: 'web/', apart: true },
      ],
    });
    expect(() => parseLayerTable('| L0 | a.ts |')).toThrow('no table');
    expect(() => parseLayerTable(markdown.replace('L12', 'top'))).toThrow('not a row');
    expect(() => parseLayerTable(markdown.replace('do no', 'do'))).toThrow('is missing');
  });
});

function filesOf(tree: Tree): SourceFile[] {
  return Object.entries(tree).map(([path, text]) => ({ path, text }));
}

function pure(used: string): string {
  return `nar/x.ts:1: L1 is pure but uses ${used}`;
}
