import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concatBytes, displayBytes, utf8 } from '../../src/bytes.ts';
import { NarthexError } from '../../src/errors.ts';
import { ByteJsonReader } from '../../src/nar/byteJson.ts';

/** The tokens of a text, up to the error if there is one. */
function tokensOf(text: string | Uint8Array, maxDepth = 10): readonly string[] {
  const bytes = typeof text === 'string' ? utf8(text) : text;
  const reader = new ByteJsonReader(bytes, maxDepth);
  const tokens: string[] = [];
  try {
    for (let token = reader.next(); token !== 'end'; token = reader.next()) {
      const hasValue = token === 'key' || token === 'string' || token === 'number';
      tokens.push(hasValue ? `${token} ${displayBytes(reader.value)}` : token);
    }
  } catch (error) {
    if (!(error instanceof NarthexError) || error.code !== 'LISTING_INVALID') throw error;
    tokens.push(`error at ${error.facts['offset']}`);
  }
  return tokens;
}

/** A JSON value of the tokens of a text whose strings are UTF-8. */
function builtOf(text: string): unknown {
  const reader = new ByteJsonReader(utf8(text), 100);
  const string = () => new TextDecoder('utf-8', { ignoreBOM: true }).decode(reader.value);
  const build = (token: string): unknown => {
    if (token === 'string') return string();
    if (token === 'number') return Number(reader.text);
    if (token === 'startArray') {
      const items: unknown[] = [];
      for (let t = reader.next(); t !== 'endArray'; t = reader.next()) items.push(build(t));
      return items;
    }
    if (token === 'startObject') {
      const members: [string, unknown][] = [];
      while (reader.next() === 'key') members.push([string(), build(reader.next())]);
      return Object.fromEntries(members);
    }
    return token === 'null' ? null : token === 'true';
  };
  const value = build(reader.next());
  expect(reader.next()).toBe('end');
  return value;
}

describe('ByteJsonReader', () => {
  it('reads what JSON.parse reads', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom(0, 2, '\t'), (value, space) => {
        const text = JSON.stringify(value, undefined, space);
        expect(builtOf(text)).toEqual(JSON.parse(text));
      }),
    );
  });

  it('accepts and refuses the same texts as JSON.parse', () => {
    const soup = fc
      .array(
        fc.constantFrom(...'{}[],:"\\u0eE+-.1 a\n'.split(''), 'true', 'null', '""', '\\u00e9'),
        {
          maxLength: 12,
        },
      )
      .map((parts) => parts.join(''));
    fc.assert(
      fc.property(soup, (text) => {
        let valid = true;
        try {
          JSON.parse(text);
        } catch {
          valid = false;
        }
        const tokens = tokensOf(text, 100);
        expect(tokens.at(-1)?.startsWith('error') ?? true).toBe(!valid);
      }),
      { numRuns: 5000 },
    );
  });

  // biome-ignore format: a row a line
  it.each<readonly [string, string | Uint8Array, readonly string[]]>([
    ['members', '{"a":1,"b":[]}', ['startObject', 'key a', 'number 1', 'key b', 'startArray', 'endArray', 'endObject']],
    ['escapes', '"\\"\\\\\\/\\b\\f\\n\\r\\t"', ['string "\\x5c/\\x08\\x0c\\x0a\\x0d\\x09']],
    ['a character by number', '"\\u00e9\\u20AC"', ['string é€']],
    ['a surrogate pair', '"\\ud83e\\udd80"', ['string 🦀']],
    ['NUL by number', '"\\u0000"', ['string \\x00']],
    ['raw bytes that are not UTF-8', concatBytes([utf8('"'), Uint8Array.of(0xff, 0xfe), utf8('"')]), ['string \\xff\\xfe']],
    ['raw bytes beside escapes', concatBytes([utf8('"\\t'), Uint8Array.of(0xe9), utf8('"')]), ['string \\x09\\xe9']],
    ['an escaped quote at the end', '"\\""', ['string "']],
    ['DEL, which is no control character to JSON', '"\x7f"', ['string \\x7f']],
    ['a lone high surrogate', '"x\\ud800"', ['error at 2']],
    ['a lone low surrogate', '"x\\udc00"', ['error at 2']],
    ['two high surrogates', '"\\ud83e\\ud83e"', ['error at 1']],
    ['a short escape', '"\\u12"', ['error at 1']],
    ['an unknown escape', '"a\\x"', ['error at 2']],
    ['a raw control character', '"a\nb"', ['error at 2']],
    ['no closing quote', '"abc', ['error at 0']],
    ['a backslash at the end', '"abc\\', ['error at 0']],
    ['a comma too many in an object', '{"a":1,}', ['startObject', 'key a', 'number 1', 'error at 7']],
    ['a comma too many in an array', '[1,]', ['startArray', 'number 1', 'error at 3']],
    ['no value', '{"a":}', ['startObject', 'key a', 'error at 5']],
    ['a closing bracket that does not fit', '[}', ['startArray', 'error at 1']],
    ['a leading zero', '01', ['error at 0']],
    ['a byte order mark', '\ufeff1', ['error at 0']],
    ['something after the end', '1 2', ['number 1', 'error at 2']],
    ['nothing', '', ['error at 0']],
    ['nesting to the limit', '[[', ['startArray', 'startArray', 'error at 2']],
  ])('%s', (_name, text, tokens) => {
    expect(tokensOf(text)).toEqual(tokens);
  });

  it('refuses nesting past the limit, without recursion', () => {
    expect(tokensOf('[[[[', 3)).toEqual(['startArray', 'startArray', 'startArray', 'error at 3']);
    expect(tokensOf('['.repeat(100_000), 1_000_000).length).toBe(100_001);
  });

  it('passes over a value of any kind', () => {
    const reader = new ByteJsonReader(utf8('[{"a":[1,{"b":null}],"c":"]"},2]'), 10);
    expect(reader.next()).toBe('startArray');
    reader.skipValue();
    expect([reader.next(), reader.text, reader.next(), reader.next()]).toEqual([
      'number',
      '2',
      'endArray',
      'end',
    ]);
  });
});
