/** Every compression with what the strictness suite needs to know of it, and files made with it. */
import { createCipheriv } from 'node:crypto';
import {
  brotliCompressSync,
  crc32,
  gzipSync,
  constants as zlib,
  zstdCompressSync,
} from 'node:zlib';
import { lzma, xz } from '@napi-rs/lzma';
import { concatBytes, utf8 } from '../../src/bytes.ts';
import type { Compression, DecoderTable } from '../../src/compression/compression.ts';
import type { ErrorCode } from '../../src/errors.ts';
import { lz4Frame, u64 } from './lz4Encoder.ts';
import { XZ_TABLES } from './xzTables.ts';

/** 704 bytes that compress somewhat: `seq 0 119 | awk '{print $1*$1*7919%100003}'`. */
export const TEXT: Uint8Array = utf8(
  Array.from({ length: 120 }, (_, i) => `${(i * i * 7919) % 100003}\n`).join(''),
);

/** The size of {@link Codec.zeros}, decoded. */
export const ZEROS_BYTES = 46_000_000;

/** More than any decoder takes in for its first output. */
export const LONG_BYTES: number = 6 * 1024 * 1024;

export interface Codec {
  readonly compression: Compression;
  /** For names of tests: by what it is decoded, where there is a choice. */
  readonly by: string;
  readonly decoders?: DecoderTable;
  /** {@link TEXT}, as one stream. */
  readonly text: Uint8Array;
  /** Nothing, as one stream. */
  readonly empty: Uint8Array;
  /** {@link ZEROS_BYTES} of zeros, as one stream. */
  zeros(): Uint8Array;
  /** A file of more than {@link LONG_BYTES}. */
  long(): Uint8Array;
  /** Whether several streams make a file. */
  readonly concatenates: boolean;
  /** Whether it has a checksum, so that no flipped bit goes unseen. */
  readonly checked: boolean;
  /** What a single byte after the end counts as. */
  readonly strayByte: ErrorCode;
  /** What a stream begins with, if it begins with something. */
  readonly magic: Uint8Array;
}

const CHECKSUM = { params: { [zlib.ZSTD_c_checksumFlag]: 1 } };
/** Soon, not small. */
const BROTLI_FAST = { params: { [zlib.BROTLI_PARAM_QUALITY]: 1 } };

/** Node has no encoder for bzip2: these were made by `bzip2 -9 | base64 -w0`. */
const BZIP2_TEXT =
  'QlpoOTFBWSZTWaP5ZgEAAEDIAAAQf+BAAdSl1TRFP0yTZKEU/KbIaoQDTTQRT8I0mpmo9WulcC5gKuo4LxeZ9A2KvnrOd1W6' +
  '9YhwRraTDenZtsOlIdZpIVjAy2PA64BpcWypRxFDfZY9fTHdDB1G3Me52YEaXkbWqLkGc3U/HWjOWy6sfeGox1121Bbr1l0f' +
  'b2gecY5bN3mRPeSC5+NdKyrywntRVarxeM2Og4udTWHS+avXiHvaYt3XL8u66zDMexUgJbZtVaPwDkdDYz47IDoHafhiXz1x' +
  'PiXlpZa7kpXjR27JbgeX48HhjLnq8RRC8RQIUoYkq6GU7+D6s0KMURR5Kq4TxpC85O3nrKjeHlciygTq3X0GGs6/S2zwJ3JU' +
  'd31CkJ6S5PLEd4LjOygB3ThdGuKVOKZ77zxTvbiBvspO2c9N1+BZ+8Kio109Ol0U/TPK5wIwGmPXmNxipqIx3OWcacP4u5Ip' +
  'woSFH8swCA==';
const BZIP2_EMPTY = 'QlpoORdyRThQkAAAAAA=';
const BZIP2_ZEROS =
  'QlpoOTFBWSZTWQ4J4t8BX45AAMAAAAggADCATUZCoCWpCoCXMUFZJlNZudCH0AAAxdAAwAAEAAAIIAAgpTQZjUhbBQvF3JFO' +
  'FCQpcNCbgA==';

const base64 = (text: string): Uint8Array => Buffer.from(text, 'base64');
const ZEROS = new Uint8Array(ZEROS_BYTES);
const NOTHING = new Uint8Array(0);

/** Encodes when it is asked first: not every test file needs everything. */
function once(encode: () => Uint8Array): () => Uint8Array {
  let encoded: Uint8Array | undefined;
  return () => {
    encoded ??= encode();
    return encoded;
  };
}

/** {@link TEXT} again and again, a stream each. */
function repeated(text: Uint8Array): Uint8Array {
  return Buffer.concat(new Array(Math.ceil(LONG_BYTES / text.length) + 1).fill(text));
}

/** Bytes that no encoder makes shorter; the same ones each time. */
export function noise(length: number): Uint8Array {
  const cipher = createCipheriv('aes-128-ctr', new Uint8Array(16), new Uint8Array(16));
  return cipher.update(new Uint8Array(length));
}

/** A member of lzip, out of an .lzma file with an end marker, the same properties and dictionary. */
export function lzipMember(content: Uint8Array, dictionaryCode = 23): Uint8Array {
  const stream = lzma.compressSync(content).subarray(13); // a dictionary of 8 MiB: 2^23
  const head = concatBytes([utf8('LZIP'), Uint8Array.of(1, dictionaryCode)]);
  const crc = new Uint8Array(4);
  new DataView(crc.buffer).setUint32(0, crc32(content), true);
  const memberBytes = BigInt(head.length + stream.length + 20);
  return concatBytes([head, stream, crc, u64(BigInt(content.length)), u64(memberBytes)]);
}

const codecs: readonly (Omit<Codec, 'by'> & Partial<Codec>)[] = [
  ...XZ_TABLES.map(
    ([by, decoders]): Codec => ({
      by: ` by ${by}`,
      decoders,
      compression: 'xz',
      text: xz.compressSync(TEXT),
      empty: xz.compressSync(NOTHING),
      zeros: once(() => xz.compressSync(ZEROS)),
      long: once(() => repeated(xz.compressSync(TEXT))),
      concatenates: true,
      checked: true,
      strayByte: 'COMPRESSION_TRAILING',
      magic: Uint8Array.of(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00),
    }),
  ),
  {
    compression: 'zstd',
    text: zstdCompressSync(TEXT, CHECKSUM),
    empty: zstdCompressSync(NOTHING, CHECKSUM),
    zeros: once(() => zstdCompressSync(ZEROS, CHECKSUM)),
    long: once(() => repeated(zstdCompressSync(TEXT, CHECKSUM))),
    concatenates: true,
    checked: true,
    strayByte: 'COMPRESSION_TRAILING',
    magic: Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd),
  },
  {
    compression: 'gzip',
    text: gzipSync(TEXT),
    empty: gzipSync(NOTHING),
    zeros: once(() => gzipSync(ZEROS)),
    long: once(() => repeated(gzipSync(TEXT))),
    concatenates: true,
    checked: true,
    strayByte: 'COMPRESSION_TRUNCATED',
    magic: Uint8Array.of(0x1f, 0x8b),
  },
  {
    compression: 'bzip2',
    text: base64(BZIP2_TEXT),
    empty: base64(BZIP2_EMPTY),
    zeros: once(() => base64(BZIP2_ZEROS)),
    long: once(() => repeated(base64(BZIP2_TEXT))),
    concatenates: true,
    checked: true,
    strayByte: 'COMPRESSION_TRAILING',
    magic: utf8('BZh'),
  },
  {
    compression: 'br',
    text: brotliCompressSync(TEXT),
    empty: brotliCompressSync(NOTHING),
    zeros: once(() => brotliCompressSync(ZEROS, BROTLI_FAST)),
    long: once(() => brotliCompressSync(noise(LONG_BYTES), BROTLI_FAST)),
    concatenates: false,
    checked: false,
    strayByte: 'COMPRESSION_TRAILING',
    magic: NOTHING,
  },
  {
    compression: 'lz4',
    text: lz4Frame(TEXT),
    empty: lz4Frame(NOTHING),
    zeros: once(() => lz4Frame(ZEROS)),
    long: once(() => repeated(lz4Frame(TEXT))),
    concatenates: true,
    checked: true,
    strayByte: 'COMPRESSION_TRAILING',
    magic: Uint8Array.of(0x04, 0x22, 0x4d, 0x18),
  },
  {
    compression: 'lzma',
    text: lzma.compressSync(TEXT),
    empty: lzma.compressSync(NOTHING),
    zeros: once(() => lzma.compressSync(ZEROS)),
    long: once(() => lzma.compressSync(noise(LONG_BYTES))),
    concatenates: false,
    checked: false,
    strayByte: 'COMPRESSION_TRAILING',
    magic: NOTHING,
  },
  {
    compression: 'lzip',
    text: lzipMember(TEXT),
    empty: lzipMember(NOTHING),
    zeros: once(() => lzipMember(ZEROS)),
    long: once(() => repeated(lzipMember(TEXT))),
    concatenates: true,
    checked: true,
    strayByte: 'COMPRESSION_TRAILING',
    magic: utf8('LZIP'),
  },
];

export const CODECS: readonly Codec[] = codecs.map((codec) => ({ by: '', ...codec }));
