/** Names of compressions, and of what decodes them. */
import { describe, expect, it } from 'vitest';
import {
  COMPRESSIONS,
  decoderNames,
  decompress,
  parseCompression,
} from '../../src/compression/compression.ts';
import { DECODERS } from '../../src/compression/decoders.ts';
import { thrownBy } from '../support/errors.ts';
import { pieces } from './collect.ts';
import { HAS_LIBLZMA } from './xzTables.ts';

describe('parseCompression', () => {
  it.each(COMPRESSIONS)('knows %s', (name) => {
    expect(parseCompression(name)).toBe(name);
  });

  it.each(['', 'XZ', ' xz', 'zst', 'brotli', 'lrzip', '__proto__', 'toString'])(
    'refuses %j and says what there is',
    (name) => {
      const error = thrownBy(() => parseCompression(name));
      expect(error.code).toBe('COMPRESSION_UNSUPPORTED');
      expect(error.facts).toEqual({ compression: name, supported: COMPRESSIONS });
      expect(error.message).toContain('none, xz, zstd');
    },
  );
});

describe('decoders', () => {
  it('have names', () => {
    expect(decoderNames()).toEqual({
      none: 'identity',
      xz: HAS_LIBLZMA ? 'node-liblzma' : '@napi-rs/lzma',
      zstd: 'node:zlib',
      gzip: 'node:zlib',
      bzip2: 'narthex',
      br: 'node:zlib',
      lz4: 'narthex',
      lzma: 'narthex',
      lzip: 'narthex',
    });
  });

  it('can be replaced', async () => {
    const decoders = {
      ...DECODERS,
      xz: { name: 'reversing', decode: (input) => reversed(input.pieces()) },
    } satisfies typeof DECODERS;
    const decoded = decompress('xz', pieces(Uint8Array.of(1, 2, 3)), {
      maxOutputBytes: 3,
      decoders,
    });
    expect(await Array.fromAsync(decoded)).toEqual([Uint8Array.of(3, 2, 1)]);
    expect(decoderNames(decoders).xz).toBe('reversing');
  });
});

async function* reversed(
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const piece of source) yield piece.toReversed();
}
