/** What only xz has: blocks, an index, padding, filters, kinds of checks. */
import { crc32 } from 'node:zlib';
import { xz } from '@napi-rs/lzma';
import { describe, expect, it } from 'vitest';
import { concatBytes } from '../../src/bytes.ts';
import type { Compression } from '../../src/compression/compression.ts';
import { DEFAULT_LIMITS } from '../../src/limits.ts';
import { noise, TEXT } from './codecs.ts';
import * as collect from './collect.ts';
import { HAS_LIBLZMA, XZ_TABLES } from './xzTables.ts';

const STREAM_HEADER_BYTES = 12;
const STREAM_FOOTER_BYTES = 12;
const MIB = 1024 * 1024;
const text = xz.compressSync(TEXT);

const base64 = (line: string): Uint8Array => Buffer.from(line, 'base64');

/** Made by xz 5.4 with `printf 'narthex\n' | xz … -c | base64 -w0`. */
const FILES = {
  '--check=none': '/Td6WFoAAAD/EtlBAgAhAQwAAACPmEGcAQAHbmFydGhleAoAAAEYCEClRqwGcp56AQAAAAAAWVo=',
  '--check=crc32':
    '/Td6WFoAAAFpIt42AgAhAQwAAACPmEGcAQAHbmFydGhleAoAswyHcAABHAhEYCrIkEKZDQEAAAAAAVla',
  '--check=crc64':
    '/Td6WFoAAATm1rRGAgAhAQwAAACPmEGcAQAHbmFydGhleAoAjP29x/1M9REAASAIuxnZux+2830BAAAAAARZWg==',
  '--check=sha256':
    '/Td6WFoAAArh+wyhAgAhAQwAAACPmEGcAQAHbmFydGhleAoABQHpsbo0nC+cGeTAoIZLlqU86+CLNPa+06dQ21AG2+0AATgI4oHCORibS5oBAAAAAApZWg==',
  '--x86 --lzma2=preset=0':
    '/Td6WFoAAATm1rRGAgEEACEBDADWfBivAQAHbmFydGhleAoAjP29x/1M9REAASAIuxnZux+2830BAAAAAARZWg==',
  '--delta=dist=4 --lzma2=preset=0':
    '/Td6WFoAAATm1rRGAgEDAQMhAQztdhMBAQAHbmFydPoEBpYAjP29x/1M9REAASAIuxnZux+2830BAAAAAARZWg==',
};

/** `printf 'narthex\nnarthex\n' | xz -0 -T2 --block-size=5`: four blocks that tell their sizes. */
const BLOCKS = base64(
  '/Td6WFoAAATm1rRGAsAJBSEBDABHdAyxAQAEbmFydGgAAAAAc8/RM5c4P4cCwAkFIQEMAEd0DLEBAARleApuYQAAAADZKO7l' +
    'decZoALACQUhAQwAR3QMsQEABHJ0aGV4AAAAAJ2cO6k2s5lxAsAFASEBDAD8Ek4zAQAACgAAAABkIzkzLRCIHAAEHQUdBR0F' +
    'GQEAALAdNr0UFzswAwAAAAAEWVo=',
);

/** `file` with a field changed and the checksum over the fields made right again. */
function forged(
  file: Uint8Array,
  at: { readonly start: number; readonly crc: number },
  change: (fields: Uint8Array) => void,
): Uint8Array {
  const copy = Uint8Array.from(file);
  const fields = copy.subarray(at.start, at.crc);
  change(fields);
  new DataView(copy.buffer).setUint32(at.crc, crc32(fields), true);
  return copy;
}

/** The header of the first block. */
function blockHeader(file: Uint8Array): { start: number; crc: number } {
  const size = ((file[STREAM_HEADER_BYTES] ?? 0) + 1) * 4;
  return { start: STREAM_HEADER_BYTES, crc: STREAM_HEADER_BYTES + size - 4 };
}

/** The index; the footer tells its size. */
function index(file: Uint8Array): { start: number; crc: number } {
  const footer = file.length - STREAM_FOOTER_BYTES;
  const data = new DataView(file.buffer, file.byteOffset, file.length);
  return { start: footer - (data.getUint32(footer + 4, true) + 1) * 4, crc: footer - 4 };
}

it.skipIf(process.platform !== 'linux' || process.arch !== 'x64')(
  'the faster library is installed (needs x86-64 Linux)',
  () => expect(HAS_LIBLZMA).toBe(true),
);

describe.each(XZ_TABLES)('by %s', (_, decoders) => {
  const decode = (name: Compression, file: Uint8Array, options?: collect.DecodeOptions) =>
    collect.decode(name, file, { ...options, decoders });
  const failure = (name: Compression, file: Uint8Array, options?: collect.DecodeOptions) =>
    collect.failure(name, file, { ...options, decoders });

  describe('xz accepts', () => {
    it.each(Object.entries(FILES))('what xz %s writes', async (_, line) => {
      const file = base64(line);
      expect((await decode('xz', file)).toString()).toBe('narthex\n');
      expect((await decode('xz', file, { pieceBytes: 1 })).toString()).toBe('narthex\n');
    });

    it('several blocks', async () => {
      for (const pieceBytes of [1, 5, 1000]) {
        const decoded = await decode('xz', BLOCKS, { pieceBytes });
        expect(decoded.toString()).toBe('narthex\nnarthex\n');
      }
    });

    it.each([4, 8, 4000, 70_000])(
      '%i bytes of padding between streams and after',
      async (count) => {
        const padding = new Uint8Array(count);
        const file = concatBytes([text, padding, BLOCKS, padding, padding]);
        expect((await decode('xz', file)).toString()).toBe(
          `${Buffer.from(TEXT)}narthex\nnarthex\n`,
        );
      },
    );

    it('chunks that do not compress, across pieces of any size', async () => {
      const content = concatBytes([noise(300_000), new Uint8Array(500_000), noise(300_000)]);
      const file = xz.compressSync(content);
      for (const pieceBytes of [997, 64 * 1024, file.length]) {
        expect((await decode('xz', file, { pieceBytes })).equals(content)).toBe(true);
      }
    });
  });

  describe('xz refuses', () => {
    it.each([1, 2, 3, 5, 4001])('%i bytes of padding', async (count) => {
      const code = 'COMPRESSION_TRAILING';
      const padding = new Uint8Array(count);
      const offset = text.length + count - (count % 4);
      expect(await failure('xz', concatBytes([text, padding]))).toMatchObject({
        code,
        facts: { offset },
      });
      expect(await failure('xz', concatBytes([text, padding, text]))).toMatchObject({
        code,
        facts: { offset },
      });
    });

    it('padding at the start', async () => {
      const error = await failure('xz', concatBytes([new Uint8Array(4), text]));
      expect(error).toMatchObject({ code: 'COMPRESSION_INVALID', facts: { offset: 0 } });
    });

    it.each([
      ['a size of a block', (fields: Uint8Array) => fields.set([4], 3)],
      ['the number of blocks', (fields: Uint8Array) => fields.set([3], 1)],
      ['a number of blocks that no memory holds', (fields: Uint8Array) => fields.fill(0xff, 1, 9)],
      ['padding', (fields: Uint8Array) => fields.set([1], fields.length - 1)],
    ])('an index that is wrong about %s', async (_, change) => {
      const { start, crc } = index(BLOCKS);
      const error = await failure('xz', forged(BLOCKS, { start, crc }, change));
      expect(error.code).toBe('COMPRESSION_INVALID');
      expect(error.facts['offset']).toBeGreaterThanOrEqual(start);
      expect(error.facts['offset']).toBeLessThan(crc);
    });

    it.each([
      ['packed size', (fields: Uint8Array) => fields.set([10], 2)],
      ['size', (fields: Uint8Array) => fields.set([6], 3)],
      ['reserved flags', (fields: Uint8Array) => fields.set([0xc4], 1)],
      ['filter', (fields: Uint8Array) => fields.set([0x22], 4)],
      ['dictionary size', (fields: Uint8Array) => fields.set([41], 6)],
      ['padding', (fields: Uint8Array) => fields.set([1], 7)],
    ])('a block header whose %s is wrong', async (_, change) => {
      const error = await failure('xz', forged(BLOCKS, blockHeader(BLOCKS), change));
      expect(error).toMatchObject({
        code: 'COMPRESSION_INVALID',
        facts: { offset: STREAM_HEADER_BYTES },
      });
    });

    it('a dictionary above the limit, before the decoder sees it', async () => {
      // the code of a dictionary stands before the padding: 0x25 is 1.5 GiB, 0x1c 64 MiB
      const withDictionary = (code: number) =>
        forged(
          base64(FILES['--check=crc64']),
          blockHeader(base64(FILES['--check=crc64'])),
          (fields) => fields.set([code], 4),
        );
      expect(await failure('xz', withDictionary(0x25))).toMatchObject({
        code: 'LIMIT_EXCEEDED',
        facts: {
          compression: 'xz',
          limit: 'decoderMemoryBytes',
          expected: DEFAULT_LIMITS.decoderMemoryBytes,
          actual: 1536 * MIB,
          offset: STREAM_HEADER_BYTES,
        },
      });
      expect((await decode('xz', withDictionary(0x1c))).toString()).toBe('narthex\n');
      const limits = { ...DEFAULT_LIMITS, decoderMemoryBytes: 32 * MIB };
      const error = await failure('xz', withDictionary(0x1c), { limits });
      expect(error.code).toBe('LIMIT_EXCEEDED');
    });
  });
});
