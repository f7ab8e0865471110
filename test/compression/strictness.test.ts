/** What every decoder must accept and refuse, over all of them. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concatBytes, equalBytes } from '../../src/bytes.ts';
import type { Compression } from '../../src/compression/compression.ts';
import { NarthexError } from '../../src/errors.ts';
import { CODECS, noise, TEXT } from './codecs.ts';
import * as collect from './collect.ts';

describe.each(CODECS)('$compression$by', (codec) => {
  const { decoders } = codec;
  const decode = (name: Compression, file: Uint8Array, options?: collect.DecodeOptions) =>
    collect.decode(name, file, { ...options, decoders });
  const failure = (name: Compression, file: Uint8Array, options?: collect.DecodeOptions) =>
    collect.failure(name, file, { ...options, decoders });
  const { compression, text, empty, magic } = codec;

  describe('accepts', () => {
    it.each([
      ['in one piece', undefined],
      ['byte by byte', 1],
      ['in pieces of 7 bytes', 7],
    ])('a stream %s', async (_, pieceBytes) => {
      const options = pieceBytes === undefined ? {} : { pieceBytes };
      expect(await decode(compression, text, options)).toEqual(Buffer.from(TEXT));
    });

    it('a stream of nothing', async () => {
      expect(await decode(compression, empty)).toHaveLength(0);
      expect(await decode(compression, empty, { pieceBytes: 1 })).toHaveLength(0);
    });

    if (codec.concatenates)
      it('several streams as one, wherever pieces end', async () => {
        const file = concatBytes([text, empty, empty, text, text]);
        const expected = Buffer.concat([TEXT, TEXT, TEXT]);
        await fc.assert(
          fc.asyncProperty(fc.integer({ min: 1, max: file.length }), async (pieceBytes) => {
            expect(await decode(compression, file, { pieceBytes })).toEqual(expected);
          }),
          { numRuns: 50 },
        );
      });
  });

  describe('refuses', () => {
    it('an input of no bytes', async () => {
      expect(await failure(compression, new Uint8Array(0))).toMatchObject({
        code: 'COMPRESSION_TRUNCATED',
        facts: { compression, offset: 0 },
      });
    });

    it('truncation at every offset', async () => {
      for (let length = 1; length < text.length; length++) {
        const error = await failure(compression, text.subarray(0, length));
        expect([length, error.code]).toEqual([length, 'COMPRESSION_TRUNCATED']);
        expect(error.facts).toMatchObject({ compression, offset: length });
      }
    });

    if (codec.concatenates)
      it('truncation in a second stream', async () => {
        for (let length = 1; length < text.length; length += 5) {
          const error = await failure(compression, concatBytes([text, text.subarray(0, length)]));
          expect([length, error.code]).toEqual([length, 'COMPRESSION_TRUNCATED']);
        }
      });

    it.each([
      ['a zero byte', Uint8Array.of(0)],
      ['nine zero bytes', new Uint8Array(9)],
      ['a line feed', Uint8Array.of(0x0a)],
      ['0xff', Uint8Array.of(0xff)],
      ['its own tail', text.subarray(-9)],
      ['100,000 bytes', noise(100_000)],
      ['text', TEXT],
    ])('%s after the end', async (_, trailing) => {
      const file = concatBytes([text, trailing]);
      const isStrayByte = trailing.length === 1 && trailing[0] !== 0;
      const code = isStrayByte ? codec.strayByte : 'COMPRESSION_TRAILING';
      const expected = { code, facts: { compression } };
      for (const pieceBytes of [file.length, text.length, 16]) {
        const error = await failure(compression, file, { pieceBytes });
        expect(error).toMatchObject(expected);
        // of zero bytes, some may have passed for padding
        expect(error.facts['offset']).toBeGreaterThanOrEqual(text.length);
        expect(error.facts['offset']).toBeLessThanOrEqual(file.length);
      }
      const afterNothing = await failure(compression, concatBytes([empty, trailing]));
      expect(afterNothing).toMatchObject(expected);
    });

    if (codec.concatenates)
      it('the start of a magic number after the end', async () => {
        for (let length = 1; length <= magic.length; length++) {
          const error = await failure(compression, concatBytes([text, magic.subarray(0, length)]));
          expect(error.code).toBe('COMPRESSION_TRUNCATED');
        }
      });

    if (!codec.concatenates)
      it('a second stream', async () => {
        const error = await failure(compression, concatBytes([text, text]));
        expect(error).toMatchObject({
          code: 'COMPRESSION_TRAILING',
          facts: { compression, offset: text.length },
        });
      });

    if (magic.length > 0)
      it('what is something else', async () => {
        for (const file of [TEXT, noise(1000), Uint8Array.of(0)]) {
          expect(await failure(compression, file)).toMatchObject({
            code: 'COMPRESSION_INVALID',
            facts: { compression, offset: 0 },
          });
        }
      });
  });

  // a format without a checksum may decode to other bytes, but must come to an end all the same
  it(`${codec.checked ? 'sees' : 'survives'} every flipped bit`, async () => {
    for (let bit = 0; bit < text.length * 8; bit += 7) {
      const file = Uint8Array.from(text);
      file[bit >> 3] = (file[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      const outcome = await decode(compression, file).catch((error: unknown) => error);
      if (outcome instanceof NarthexError) continue;
      if (!(outcome instanceof Uint8Array)) throw outcome;
      // where it is no error, the bit was one that says nothing about the contents
      if (codec.checked) expect([bit, equalBytes(outcome, TEXT)]).toEqual([bit, true]);
    }
  });

  it('survives random bytes behind a good start', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: text.length }),
        fc.uint8Array({ minLength: 1, maxLength: 200 }),
        async (length, random) => {
          const file = concatBytes([text.subarray(0, length), random]);
          const outcome = await decode(compression, file).catch((error: unknown) => error);
          if (!(outcome instanceof Uint8Array)) expect(outcome).toBeInstanceOf(NarthexError);
        },
      ),
    );
  });
});

describe('none', () => {
  it('is the bytes as they are, and may be none', async () => {
    expect(await collect.decode('none', TEXT, { pieceBytes: 7 })).toEqual(Buffer.from(TEXT));
    expect(await collect.decode('none', new Uint8Array(0))).toHaveLength(0);
  });
});
