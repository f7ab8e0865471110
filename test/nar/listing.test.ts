import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concatBytes, displayBytes, EMPTY, utf8 } from '../../src/bytes.ts';
import { DEFAULT_LIMITS, type Limits } from '../../src/limits.ts';
import {
  listingOfNar,
  type NarListing,
  parseListing,
  renderListing,
} from '../../src/nar/listing.ts';
import {
  directory,
  encodeNar,
  executable,
  file,
  nested,
  symlink,
} from '../support/syntheticTree.ts';
import { anyTree } from './arbitraryTree.ts';
import { chunksOf } from './trace.ts';

const narListing = (tree: Parameters<typeof encodeNar>[0]) =>
  listingOfNar(ReadableStream.from(chunksOf(encodeNar(tree), 100)));

const wrap = (root: string) => `{"version":1,"root":${root}}`;
const FILE = '{"type":"regular","size":3,"narOffset":96}';
const THREE_BYTES: NarListing = { type: 'file', sizeBytes: 3, executable: false, narOffset: 96 };

const namesOf = (listing: NarListing) =>
  listing.type === 'directory' ? listing.entries.map(({ name }) => displayBytes(name)) : undefined;

describe('renderListing', () => {
  // biome-ignore format: a row a line
  it.each<readonly [string, Parameters<typeof encodeNar>[0], string]>([
    ['a file', file('abc'), wrap(FILE)],
    ['an empty file', file(''), wrap('{"type":"regular","size":0,"narOffset":96}')],
    ['an executable', executable('x'), wrap('{"type":"regular","size":1,"executable":true,"narOffset":128}')],
    ['a symlink', symlink('a"b'), wrap('{"type":"symlink","target":"a\\"b"}')],
    ['an empty directory', directory(), wrap('{"type":"directory","entries":{}}')],
    [
      'a directory',
      directory({ b: directory({ c: symlink('x') }), __proto__x: file('') }),
      wrap(
        '{"type":"directory","entries":{"__proto__x":{"type":"regular","size":0,"narOffset":240},' +
          '"b":{"type":"directory","entries":{"c":{"type":"symlink","target":"x"}}}}}',
      ),
    ],
    [
      'characters that are escaped, and those that are not',
      directory([['\x01\t\n\r"\\\x1f\x7fé', symlink('t')]]),
      wrap(
        '{"type":"directory","entries":{"\\u0001\\t\\n\\r\\"\\\\\\u001f\x7fé":{"type":"symlink","target":"t"}}}',
      ),
    ],
  ])('writes %s as Nix does', async (_name, tree, text) => {
    expect(displayBytes(renderListing(await narListing(tree)))).toBe(displayBytes(utf8(text)));
  });

  it('writes bytes that are not UTF-8 as they are', async () => {
    const name = Uint8Array.of(0x66, 0xff, 0xfe);
    const listing = await narListing(directory([[name, symlink(Uint8Array.of(0xed, 0xa0, 0x80))]]));
    expect(Buffer.from(renderListing(listing))).toEqual(
      Buffer.concat([
        utf8('{"version":1,"root":{"type":"directory","entries":{"'),
        name,
        utf8('":{"type":"symlink","target":"'),
        Uint8Array.of(0xed, 0xa0, 0x80),
        utf8('"}}}}'),
      ]),
    );
  });

  it('leaves out an offset that is not known', () => {
    const text = displayBytes(renderListing({ ...THREE_BYTES, narOffset: undefined }));
    expect(text).toBe(wrap('{"type":"regular","size":3}'));
  });

  it('is the inverse of parseListing for random trees', async () => {
    await fc.assert(
      fc.asyncProperty(anyTree, async (tree) => {
        const listing = await narListing(tree);
        const rendered = renderListing(listing);
        expect(parseListing(rendered)).toEqual(listing);
        expect(renderListing(parseListing(rendered))).toEqual(rendered);
      }),
    );
  });
});

describe('parseListing', () => {
  it('keeps names apart that UTF-16 would make equal', () => {
    const names = [0xfe, 0xff].map((byte) =>
      concatBytes([utf8('"'), Uint8Array.of(byte), utf8('":')]),
    );
    const bytes = concatBytes([
      utf8('{"version":1,"root":{"type":"directory","entries":{'),
      names[0] ?? EMPTY,
      utf8(`${FILE},`),
      names[1] ?? EMPTY,
      utf8(`${FILE}}}}`),
    ]);
    expect(namesOf(parseListing(bytes))).toEqual(['\\xfe', '\\xff']);
  });

  it('gives names and targets of their own, also out of a Buffer', () => {
    const text = wrap('{"type":"directory","entries":{"a":{"type":"symlink","target":"b"}}}');
    const bytes = Buffer.from(text);
    const listing = parseListing(bytes);
    bytes.fill(0xaa);
    expect(listing).toEqual(parseListing(utf8(text)));
  });

  it('reads __proto__ and constructor as names like any other', () => {
    const text = wrap(`{"type":"directory","entries":{"__proto__":${FILE},"constructor":${FILE}}}`);
    expect(namesOf(parseListing(utf8(text)))).toEqual(['__proto__', 'constructor']);
  });

  // biome-ignore format: a row a line
  it.each<readonly [string, string, NarListing]>([
    ['newer Nix, members sorted by name', '{"root":{"narOffset":96,"size":3,"type":"regular"},"version":1}', THREE_BYTES],
    ['white space', ' { "version" : 1 ,\n"root" :\t{ "type" : "regular" , "size" : 3, "narOffset" : 96 } } ', THREE_BYTES],
    ['executable: false', wrap('{"type":"regular","size":3,"executable":false,"narOffset":96}'), THREE_BYTES],
    ['unknown members', wrap(`{"x":[{"type":1}],"type":"regular","size":3,"narOffset":96,"y":null}`), THREE_BYTES],
    ['unknown members at the top', `{"a":{"root":1},"version":1,"root":${FILE},"z":[[]]}`, THREE_BYTES],
    ['no narOffset', wrap('{"type":"regular","size":3}'), { ...THREE_BYTES, narOffset: undefined }],
    ['the largest size', wrap(`{"type":"regular","size":${2 ** 53 - 1},"narOffset":96}`), { ...THREE_BYTES, sizeBytes: 2 ** 53 - 1 }],
    [
      'entries before type, in any order',
      wrap(`{"entries":{"b":${FILE},"a":${FILE}},"type":"directory"}`),
      {
        type: 'directory',
        entries: [
          { name: utf8('a'), node: THREE_BYTES },
          { name: utf8('b'), node: THREE_BYTES },
        ],
      },
    ],
    ['an escaped target', wrap('{"type":"symlink","target":"\\u00e9"}'), { type: 'symlink', target: utf8('é') }],
  ])('accepts %s', (_name, text, listing) => {
    expect(parseListing(utf8(text))).toEqual(listing);
  });

  const entries = (members: string) => wrap(`{"type":"directory","entries":{${members}}}`);
  // biome-ignore format: a row a line
  it.each<readonly [string, string, string]>([
    ['no JSON', 'x', 'a JSON value'],
    ['a JSON array', '[]', 'startObject'],
    ['no version', `{"root":${FILE}}`, 'a member "version"'],
    ['version 2', `{"version":2,"root":${FILE}}`, 'version 1'],
    ['version twice', `{"version":1,"version":1,"root":${FILE}}`, '"version" once'],
    ['no root', '{"version":1}', 'a member "root"'],
    ['two roots', `{"version":1,"root":${FILE},"root":${FILE}}`, '"root" once'],
    ['something after the end', `${wrap(FILE)}1`, 'the end of the JSON text'],
    ['no type', wrap('{"size":3}'), 'a member "type"'],
    ['an unknown type', wrap('{"type":"fifo"}'), 'regular, directory or symlink'],
    ['type twice', wrap('{"type":"regular","type":"regular","size":1}'), '"type" once'],
    ['a type that is no string', wrap('{"type":1}'), 'string'],
    ['a file without size', wrap('{"type":"regular"}'), 'a member "size"'],
    ['a directory without entries', wrap('{"type":"directory"}'), 'a member "entries"'],
    ['a symlink without target', wrap('{"type":"symlink"}'), 'a member "target"'],
    ['a negative size', wrap('{"type":"regular","size":-1}'), 'a whole number below 2^53'],
    ['a size with a fraction', wrap('{"type":"regular","size":1.0}'), 'a whole number below 2^53'],
    ['a size of 2^53', wrap(`{"type":"regular","size":${2 ** 53}}`), 'a whole number below 2^53'],
    ['a size in quotes', wrap('{"type":"regular","size":"3"}'), 'number'],
    ['executable: 1', wrap('{"type":"regular","size":3,"executable":1}'), 'true or false'],
    ['entries that are a list', wrap('{"type":"directory","entries":[]}'), 'startObject'],
    ['an entry that is no object', entries('"a":1'), 'startObject'],
    ['a name twice', entries(`"a":${FILE},"a":${FILE}`), 'each name once'],
    ['a name twice, not side by side', entries(`"b":${FILE},"a":${FILE},"b":${FILE}`), 'each name once'],
    ['a name twice by an escape', entries(`"a":${FILE},"\\u0061":${FILE}`), 'each name once'],
    ['an empty name', entries(`"":${FILE}`), 'a name has 1 to 255 bytes'],
    ['the name ..', entries(`"..":${FILE}`), 'a name is not . or ..'],
    ['a slash in a name', entries(`"a/b":${FILE}`), 'a name has no slash'],
    ['an escaped slash in a name', entries(`"a\\/b":${FILE}`), 'a name has no slash'],
    ['a NUL in a name', entries(`"a\\u0000":${FILE}`), 'a name has no NUL'],
    ['an empty target', wrap('{"type":"symlink","target":""}'), 'a symlink target has 1 to 4095 bytes'],
  ])('refuses %s', (_name, text, expected) => {
    expect(() => parseListing(utf8(text))).toThrow(
      expect.objectContaining({
        code: 'LISTING_INVALID',
        facts: expect.objectContaining({ expected, offset: expect.any(Number) }),
      }),
    );
  });

  it('names the place of a node that is wrong', () => {
    const text = entries(`"bin":{"type":"directory","entries":{"x":{"type":"regular"}}}`);
    expect(() => parseListing(utf8(text))).toThrow(
      expect.objectContaining({
        facts: expect.objectContaining({
          path: '/bin/x',
          offset: text.indexOf('{"type":"regular"'),
        }),
      }),
    );
  });

  it('finds truncation at every offset', () => {
    const bytes = utf8(entries(`"a":${FILE},"b":{"type":"symlink","target":"\\u00e9"}`));
    for (let length = 0; length < bytes.length; length++) {
      expect(() => parseListing(bytes.subarray(0, length)), `cut to ${length}`).toThrow(
        expect.objectContaining({ code: 'LISTING_INVALID' }),
      );
    }
  });

  // biome-ignore format: a row a line
  it.each<readonly [keyof Limits, number]>([
    ['listingBytes', 10],
    ['narDepth', 1],
    ['narEntries', 2],
    ['directoryEntries', 1],
  ])('heeds the limit %s', (limit, value) => {
    const text = entries(`"a":{"type":"directory","entries":{"x":${FILE}}},"b":${FILE}`);
    const parse = (limits: Limits) => parseListing(utf8(text), { limits });
    expect(() => parse({ ...DEFAULT_LIMITS, [limit]: value })).toThrow(
      expect.objectContaining({
        code: 'LIMIT_EXCEEDED',
        facts: expect.objectContaining({ limit }),
      }),
    );
    const justEnough = {
      listingBytes: text.length,
      narDepth: 2,
      narEntries: 4,
      directoryEntries: 2,
    };
    expect(() => parse({ ...DEFAULT_LIMITS, ...justEnough })).not.toThrow();
  });

  it('does not recurse, reading or writing', async () => {
    const limits = { ...DEFAULT_LIMITS, narDepth: 100_000 };
    const nar = encodeNar(nested(50_000, file('')));
    const listing = await listingOfNar(ReadableStream.from([nar]), { limits });
    const rendered = renderListing(listing);
    expect(renderListing(parseListing(rendered, { limits }))).toEqual(rendered);
  });
});

describe('listingOfNar', () => {
  it('fails as the parser does, and stops the source', async () => {
    let stopped = false;
    async function* source(): AsyncGenerator<Uint8Array> {
      try {
        yield utf8('not a NAR at all');
        yield utf8('more of it');
      } finally {
        stopped = true;
      }
    }
    await expect(listingOfNar(source())).rejects.toMatchObject({ code: 'NAR_INVALID' });
    expect(stopped).toBe(true);
  });

  it('stops when aborted', async () => {
    const reason = new Error('no longer wanted');
    const signal = AbortSignal.abort(reason);
    const nar = encodeNar(file(''));
    await expect(listingOfNar(ReadableStream.from([nar]), { signal })).rejects.toBe(reason);
  });
});
