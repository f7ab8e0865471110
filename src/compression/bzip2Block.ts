/**
 * A block of bzip2 data, from behind its magic number:
 *
 *     block     = crc:32 randomised:1 origin:24 used:16 (used:16){0,16} groups:3 selectors:15
 *                 selector{selectors} table{groups} symbol*
 *     selector  = unary, moved to front         table = start:5 (10 | 11 | 0)*, lengths of codes
 *
 * Every 50 symbols the next selector names the table. Symbols are runs of zeros (in bijective base
 * two) and places in a list of bytes that moves to the front; the bytes are sorted by what follows
 * them (Burrows–Wheeler); and of these, four equal ones are followed by how often to repeat.
 *
 * Randomised blocks, which bzip2 ceased to write in 1998, are refused.
 */
import type { BitReader } from './bitReader.ts';
import { HuffmanCode, MAX_CODE_BITS } from './bzip2Huffman.ts';
import { crc32Msb } from './crc32Msb.ts';

const LEVEL_BYTES = 100_000;
const GROUP_SYMBOLS = 50;
const MIN_GROUPS = 2;
const MAX_GROUPS = 6;
const RUN_A = 0;
const RUN_B = 1;
/** Equal bytes after which a byte says how many more there are. */
const REPEAT_AFTER = 4;
const MAX_REPEAT = 255;

/** Above what a block without its symbols takes: 32,767 selectors and 6 tables of 258 lengths. */
const MAX_BLOCK_HEADER_BYTES = 40_000;

/** No block of this level is longer: each symbol stands for a byte at least, and ends at 20 bits. */
export function maxBlockBytes(level: number): number {
  return (level * LEVEL_BYTES * MAX_CODE_BITS) / 8 + MAX_BLOCK_HEADER_BYTES;
}

/** Decodes one block after the other, in the same memory. */
export class Bzip2Block {
  /** In its low 8 bits the bytes as they came; above, from {@link #sort} on, each one's successor. */
  #entries = new Uint32Array(0);
  #capacity = 0;
  #length = 0;
  #storedCrc = 0;
  #crc = 0;
  /** Entries that are not read yet, and the next of them. */
  #left = 0;
  #next = 0;
  /** The byte before, how often it came in a row, and how often it is to be repeated. */
  #byte = -1;
  #equal = 0;
  #repeat = 0;

  /** Begins a stream of blocks of this level; streams can be small and many, so memory stays. */
  begin(level: number): void {
    this.#capacity = level * LEVEL_BYTES;
    if (this.#entries.length < this.#capacity) this.#entries = new Uint32Array(this.#capacity);
  }

  /** The checksum that the block gives for its contents. */
  get storedCrc(): number {
    return this.#storedCrc;
  }

  /** No contents are longer: a byte that says how often to repeat stands for 255. */
  get maxContentBytes(): number {
    return this.#length * MAX_REPEAT;
  }

  /** Whether what was read has it. */
  get checksumHolds(): boolean {
    return ~this.#crc === this.#storedCrc;
  }

  /** Parses a block; a text says what is wrong with it. */
  parse(bits: BitReader): string | undefined {
    this.#storedCrc = bits.read32();
    if (bits.read(1) !== 0) return 'randomised blocks are not supported';
    const origin = bits.read(24);
    const bytes = readUsedBytes(bits);
    const groups = bits.read(3);
    if (groups < MIN_GROUPS || groups > MAX_GROUPS) return 'number of tables wrong';
    const selectors = readSelectors(bits, groups);
    if (selectors === undefined) return 'selectors wrong';
    const codes: HuffmanCode[] = [];
    for (let i = 0; i < groups; i++) {
      const lengths = readLengths(bits, bytes.length + 2);
      const code = lengths && HuffmanCode.of(lengths);
      if (code === undefined) return 'lengths of codes wrong';
      codes.push(code);
    }
    const problem = this.#readSymbols(bits, bytes, selectors, codes);
    if (problem !== undefined) return problem;
    if (origin >= this.#length) return 'origin of a block wrong';
    this.#sort();
    this.#left = this.#length;
    this.#next = (this.#entries[origin] ?? 0) >>> 8;
    this.#crc = -1;
    this.#byte = -1;
    this.#equal = 0;
    this.#repeat = 0;
    return undefined;
  }

  #readSymbols(
    bits: BitReader,
    bytes: Uint8Array,
    selectors: Uint8Array,
    codes: readonly HuffmanCode[],
  ): string | undefined {
    const entries = this.#entries;
    const endOfBlock = bytes.length + 1;
    let length = 0;
    let run = 0;
    let runDigit = 1;
    for (const selector of selectors) {
      const code = codes[selector];
      if (code === undefined || bits.overrun) return 'symbols wrong';
      for (let i = 0; i < GROUP_SYMBOLS; i++) {
        const symbol = code.read(bits);
        if (symbol === RUN_A || symbol === RUN_B) {
          run += runDigit << symbol;
          runDigit <<= 1;
          // also keeps the digits from running out of 32 bits
          if (length + run > this.#capacity) return 'a run leaves its block';
          continue;
        }
        if (run > 0) {
          entries.fill(bytes[0] ?? 0, length, length + run);
          length += run;
          run = 0;
          runDigit = 1;
        }
        if (symbol === endOfBlock) {
          this.#length = length;
          return undefined;
        }
        if (symbol < 0 || length === this.#capacity) return 'symbols wrong';
        entries[length++] = moveToFront(bytes, symbol - 1);
      }
    }
    return 'there are fewer selectors than symbols';
  }

  /** Undoes the Burrows–Wheeler transform: links each byte to the one that follows it. */
  #sort(): void {
    const entries = this.#entries;
    const places = new Uint32Array(256);
    for (let i = 0; i < this.#length; i++) {
      const byte = (entries[i] ?? 0) & 0xff;
      places[byte] = (places[byte] ?? 0) + 1;
    }
    let sum = 0;
    for (let byte = 0; byte < 256; byte++) {
      const count = places[byte] ?? 0;
      places[byte] = sum;
      sum += count;
    }
    for (let i = 0; i < this.#length; i++) {
      const byte = (entries[i] ?? 0) & 0xff;
      const place = places[byte] ?? 0;
      places[byte] = place + 1;
      entries[place] = (entries[place] ?? 0) | (i << 8);
    }
  }

  /** Fills `piece` with contents; returns how much of it, less than all at the end. */
  read(piece: Uint8Array): number {
    const entries = this.#entries;
    let at = 0;
    while (at < piece.length) {
      if (this.#repeat > 0) {
        const count = Math.min(this.#repeat, piece.length - at);
        piece.fill(this.#byte, at, at + count);
        at += count;
        this.#repeat -= count;
        continue;
      }
      if (this.#left === 0) break;
      this.#left--;
      const entry = entries[this.#next] ?? 0;
      this.#next = entry >>> 8;
      const byte = entry & 0xff;
      if (this.#equal === REPEAT_AFTER) {
        this.#repeat = byte;
        this.#equal = 0;
      } else {
        this.#equal = byte === this.#byte ? this.#equal + 1 : 1;
        this.#byte = byte;
        piece[at++] = byte;
      }
    }
    this.#crc = crc32Msb(piece.subarray(0, at), this.#crc);
    return at;
  }
}

/** The bytes that occur in a block, in ascending order. */
function readUsedBytes(bits: BitReader): Uint8Array {
  const used: number[] = [];
  const ranges = bits.read(16);
  for (let range = 0; range < 16; range++) {
    if (((ranges >> (15 - range)) & 1) === 0) continue;
    const members = bits.read(16);
    for (let i = 0; i < 16; i++) if (((members >> (15 - i)) & 1) !== 0) used.push(range * 16 + i);
  }
  return Uint8Array.from(used);
}

function readSelectors(bits: BitReader, groups: number): Uint8Array | undefined {
  const selectors = new Uint8Array(bits.read(15));
  const recent = Uint8Array.from({ length: groups }, (_, i) => i);
  for (let i = 0; i < selectors.length; i++) {
    let place = 0;
    while (bits.read(1) === 1) if (++place === groups) return undefined;
    selectors[i] = moveToFront(recent, place);
  }
  return selectors;
}

function readLengths(bits: BitReader, symbols: number): Uint8Array | undefined {
  const lengths = new Uint8Array(symbols);
  let length = bits.read(5);
  for (let symbol = 0; symbol < symbols; symbol++) {
    // a length that goes to and fro forever leaves the room that a block has
    while (bits.read(1) === 1) {
      length += bits.read(1) === 0 ? 1 : -1;
      if (length < 1 || length > MAX_CODE_BITS || bits.overrun) return undefined;
    }
    if (length < 1 || length > MAX_CODE_BITS) return undefined;
    lengths[symbol] = length;
  }
  return lengths;
}

/** Moves the member of `list` at `place` to its front, and returns it. */
function moveToFront(list: Uint8Array, place: number): number {
  const member = list[place] ?? 0;
  list.copyWithin(1, 0, place);
  list[0] = member;
  return member;
}
