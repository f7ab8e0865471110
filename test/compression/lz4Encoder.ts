/** A small lz4 encoder for tests: no package writes frames with all of the options. */
import { concatBytes } from '../../src/bytes.ts';
import { xxHash32 } from '../../src/compression/xxHash32.ts';

const MIN_MATCH_BYTES = 4;
/** The format wants the end of a block to be literals. */
const LAST_LITERALS_BYTES = 12;
const MAX_OFFSET = 65_535;
const STORED = 0x8000_0000;

export interface Lz4FrameOptions {
  /** 4 for 64 KiB to 7 for 4 MiB. */
  readonly sizeCode?: number;
  readonly blockChecks?: boolean;
  readonly contentCheck?: boolean;
  /** What is told of the content's size; nothing by default. */
  readonly contentSize?: bigint;
  readonly dictionaryId?: number;
  readonly stored?: boolean;
}

/** One frame of independent blocks. */
export function lz4Frame(content: Uint8Array, options: Lz4FrameOptions = {}): Uint8Array {
  const { sizeCode = 7, blockChecks = false, contentCheck = true, stored = false } = options;
  const { contentSize, dictionaryId } = options;
  const flags =
    0x60 |
    (blockChecks ? 0x10 : 0) |
    (contentSize === undefined ? 0 : 0x08) |
    (contentCheck ? 0x04 : 0) |
    (dictionaryId === undefined ? 0 : 0x01);
  const fields = concatBytes([
    Uint8Array.of(flags, sizeCode << 4),
    contentSize === undefined ? Uint8Array.of() : u64(contentSize),
    dictionaryId === undefined ? Uint8Array.of() : u32(dictionaryId),
  ]);
  const parts = [Uint8Array.of(0x04, 0x22, 0x4d, 0x18), fields];
  parts.push(Uint8Array.of((xxHash32(fields) >>> 8) & 0xff));
  const blockBytes = 2 ** (8 + 2 * sizeCode);
  for (let at = 0; at < content.length; at += blockBytes) {
    const plain = content.subarray(at, at + blockBytes);
    const packed = lz4Block(plain);
    const isStored = stored || packed.length > plain.length;
    const block = isStored ? plain : packed;
    parts.push(u32(block.length + (isStored ? STORED : 0)), block);
    if (blockChecks) parts.push(u32(xxHash32(block)));
  }
  parts.push(u32(0));
  if (contentCheck) parts.push(u32(xxHash32(content)));
  return concatBytes(parts);
}

/** One block, greedy. */
export function lz4Block(plain: Uint8Array): Uint8Array {
  const parts: Uint8Array[] = [];
  const seen = new Map<number, number>();
  const data = new DataView(plain.buffer, plain.byteOffset, plain.length);
  const end = plain.length - LAST_LITERALS_BYTES;
  let literalsFrom = 0;
  let at = 0;
  while (at < end) {
    const word = data.getUint32(at, true);
    const match = seen.get(word);
    seen.set(word, at);
    if (match === undefined || at - match > MAX_OFFSET) {
      at++;
      continue;
    }
    let length = MIN_MATCH_BYTES;
    while (at + length < end && plain[match + length] === plain[at + length]) length++;
    const literals = plain.subarray(literalsFrom, at);
    parts.push(sequenceStart(literals, length - MIN_MATCH_BYTES));
    parts.push(Uint8Array.of((at - match) & 0xff, (at - match) >> 8));
    parts.push(lengthRest(length - MIN_MATCH_BYTES));
    at += length;
    literalsFrom = at;
  }
  parts.push(sequenceStart(plain.subarray(literalsFrom), 0));
  return concatBytes(parts);
}

function sequenceStart(literals: Uint8Array, matchLength: number): Uint8Array {
  const token = (Math.min(literals.length, 15) << 4) | Math.min(matchLength, 15);
  return concatBytes([Uint8Array.of(token), lengthRest(literals.length), literals]);
}

/** What follows the 4 bits of a length. */
function lengthRest(length: number): Uint8Array {
  if (length < 15) return Uint8Array.of();
  const rest = new Uint8Array(Math.floor((length - 15) / 255) + 1).fill(255);
  rest[rest.length - 1] = (length - 15) % 255;
  return rest;
}

export function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}

export function u64(value: bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, value, true);
  return bytes;
}
