/**
 * LZMA: literals and matches, each bit coded by how probable it is after what came before. After
 * the LZMA specification of Igor Pavlov (`lzma-specification.txt`).
 *
 * Works on this thread and can stop after any symbol: for more input, and with a piece of output.
 */
import type { CompressedInput } from './input.ts';
import { LzmaLength } from './lzmaLength.ts';
import { LzmaWindow } from './lzmaWindow.ts';
import { EVEN, RANGE_HEADER_BYTES, RangeDecoder } from './rangeDecoder.ts';

/** No symbol takes more. */
const MAX_SYMBOL_BYTES = 20;
const STATES = 12;
const FIRST_STATE_AFTER_MATCH = 7;
const MAX_POSITION_STATES = 16;
const MIN_MATCH_BYTES = 2;
/** Probabilities of a literal: of the byte, and of the byte by either bit of a matched one. */
const LITERAL_PROBABILITIES = 0x300;
const LENGTH_STATES = 4;
const SLOT_BITS = 6;
/** Slots below it are distances; from it on they say how many bits follow. */
const FIRST_MODEL_SLOT = 4;
/** From it on, the middle bits of a distance are coded directly and the lowest 4 by a tree. */
const FIRST_DIRECT_SLOT = 14;
const MODELLED_DISTANCES = 1 << (FIRST_DIRECT_SLOT / 2);
const ALIGN_BITS = 4;
const END_MARKER = 0xffff_ffff;

export interface LzmaOptions {
  readonly literalContextBits: number;
  readonly literalPositionBits: number;
  readonly positionBits: number;
  readonly dictionaryBytes: number;
  /** What it unpacks to, in bytes; without it an end marker is needed, with it one may stand. */
  readonly size: number | undefined;
}

export class LzmaDecoder {
  readonly #options: LzmaOptions;
  readonly #range = new RangeDecoder();
  readonly #window: LzmaWindow;
  #state = 0;
  /** Distances of the last matches less one, the latest first. */
  #rep0 = 0;
  #rep1 = 0;
  #rep2 = 0;
  #rep3 = 0;
  readonly #literal: Uint16Array;
  readonly #isMatch = even(STATES * MAX_POSITION_STATES);
  readonly #isRep = even(STATES);
  readonly #isRep0Not = even(STATES);
  readonly #isRep1Not = even(STATES);
  readonly #isRep2Not = even(STATES);
  readonly #isRep0Long = even(STATES * MAX_POSITION_STATES);
  readonly #slot = even(LENGTH_STATES << SLOT_BITS);
  readonly #distance = even(MODELLED_DISTANCES);
  readonly #align = even(1 << ALIGN_BITS);
  readonly #matchLength = new LzmaLength();
  readonly #repLength = new LzmaLength();

  constructor(options: LzmaOptions) {
    this.#options = options;
    this.#window = new LzmaWindow(options.dictionaryBytes);
    const contexts = 1 << (options.literalContextBits + options.literalPositionBits);
    this.#literal = even(LITERAL_PROBABILITIES * contexts);
  }

  /** Begins with the first {@link RANGE_HEADER_BYTES}; `false` if they are wrong. */
  start(header: Uint8Array): boolean {
    return this.#range.start(header);
  }

  /** The output that was not taken yet. */
  takeOutput(): Uint8Array {
    return this.#window.take();
  }

  /** Bytes of the input that the last {@link run} has used. */
  get usedBytes(): number {
    return this.#range.usedBytes;
  }

  /**
   * Decodes `input` on from where the run before it ended.
   * @param last whether no input follows: else it stops before a symbol that might need more
   * @returns why it stopped: for its output to be taken, for input, at the end, or at an error
   */
  run(input: Uint8Array, last: boolean): 'output' | 'input' | 'end' | 'corrupt' | 'truncated' {
    const range = this.#range;
    const window = this.#window;
    range.use(input);
    for (;;) {
      if (window.wantsFlush) return 'output';
      if (window.copyPending()) continue;
      if (window.total === this.#options.size && range.atEnd) return 'end';
      if (!last && range.leftBytes < MAX_SYMBOL_BYTES) return 'input';
      const outcome = this.#symbol();
      if (range.leftBytes < 0) return 'truncated';
      if (outcome !== undefined) return outcome;
    }
  }

  #symbol(): 'end' | 'corrupt' | undefined {
    const range = this.#range;
    const window = this.#window;
    const { size } = this.#options;
    const state = this.#state;
    const position = window.total & ((1 << this.#options.positionBits) - 1);
    const stateAtPosition = state * MAX_POSITION_STATES + position;
    const room = size === undefined ? Number.POSITIVE_INFINITY : size - window.total;

    if (range.bit(this.#isMatch, stateAtPosition) === 0) {
      if (room === 0) return 'corrupt';
      window.put(this.#literalByte());
      this.#state = state < 4 ? 0 : state < 10 ? state - 3 : state - 6;
      return undefined;
    }

    const distanceOfOld = range.bit(this.#isRep, state) === 1;
    const afterMatch = state >= FIRST_STATE_AFTER_MATCH;
    let length: number;
    if (!distanceOfOld) {
      this.#rep3 = this.#rep2;
      this.#rep2 = this.#rep1;
      this.#rep1 = this.#rep0;
      const code = this.#matchLength.decode(range, position);
      this.#rep0 = this.#newDistance(code);
      if (this.#rep0 === END_MARKER) {
        return (room === 0 || size === undefined) && range.atEnd ? 'end' : 'corrupt';
      }
      length = code + MIN_MATCH_BYTES;
      this.#state = afterMatch ? 10 : 7;
    } else if (this.#isSingleByte(state, stateAtPosition)) {
      length = 1;
      this.#state = afterMatch ? 11 : 9;
    } else {
      length = this.#repLength.decode(range, position) + MIN_MATCH_BYTES;
      this.#state = afterMatch ? 11 : 8;
    }
    return length <= room && window.copy(this.#rep0 + 1, length) ? undefined : 'corrupt';
  }

  #literalByte(): number {
    const range = this.#range;
    const window = this.#window;
    const { literalContextBits: lc, literalPositionBits: lp } = this.#options;
    const context = ((window.total & ((1 << lp) - 1)) << lc) + (window.byteAt(1) >> (8 - lc));
    const start = LITERAL_PROBABILITIES * context;
    let node = 1;
    if (this.#state >= FIRST_STATE_AFTER_MATCH) {
      // the byte that a match would have given is a good guess, until a bit differs
      let guess = window.byteAt(this.#rep0 + 1);
      while (node < 0x100) {
        const guessed = guess >> 7;
        guess = (guess << 1) & 0xff;
        const bit = range.bit(this.#literal, start + ((1 + guessed) << 8) + node);
        node = (node << 1) | bit;
        if (bit !== guessed) break;
      }
    }
    while (node < 0x100) node = (node << 1) | range.bit(this.#literal, start + node);
    return node & 0xff;
  }

  /** Chooses one of the last distances; whether a single byte is to be copied from there. */
  #isSingleByte(state: number, stateAtPosition: number): boolean {
    const range = this.#range;
    if (range.bit(this.#isRep0Not, state) === 0) {
      return range.bit(this.#isRep0Long, stateAtPosition) === 0;
    }
    let distance = this.#rep1;
    if (range.bit(this.#isRep1Not, state) === 1) {
      distance = this.#rep2;
      if (range.bit(this.#isRep2Not, state) === 1) {
        distance = this.#rep3;
        this.#rep3 = this.#rep2;
      }
      this.#rep2 = this.#rep1;
    }
    this.#rep1 = this.#rep0;
    this.#rep0 = distance;
    return false;
  }

  /** Decodes a distance less one; the lengths of matches make a difference to it. */
  #newDistance(length: number): number {
    const range = this.#range;
    const lengthState = Math.min(length, LENGTH_STATES - 1);
    const slot = range.tree(this.#slot, lengthState << SLOT_BITS, SLOT_BITS);
    if (slot < FIRST_MODEL_SLOT) return slot;
    const bits = (slot >> 1) - 1;
    const base = ((2 | (slot & 1)) << bits) >>> 0;
    if (slot < FIRST_DIRECT_SLOT) {
      return base + range.reverseTree(this.#distance, base - slot, bits);
    }
    const high = range.direct(bits - ALIGN_BITS) * 2 ** ALIGN_BITS;
    return base + high + range.reverseTree(this.#align, 0, ALIGN_BITS);
  }
}

/**
 * Runs `decoder` over `input` to where LZMA ends, and consumes just that.
 * @throws COMPRESSION_TRUNCATED, COMPRESSION_INVALID
 */
export async function* decodeLzma(
  decoder: LzmaDecoder,
  input: CompressedInput,
): AsyncGenerator<Uint8Array, void, undefined> {
  if (!decoder.start(await input.take(RANGE_HEADER_BYTES))) throw input.invalid('its start wrong');
  let last = false;
  for (;;) {
    const outcome = decoder.run(input.buffered, last);
    input.consume(decoder.usedBytes);
    if (outcome === 'truncated') throw input.truncated();
    if (outcome === 'corrupt') throw input.invalid('a match or an end wrong');
    if (outcome === 'input') {
      last = !(await input.fill(Math.max(MAX_SYMBOL_BYTES, input.buffered.length + 1)));
      continue;
    }
    const output = decoder.takeOutput();
    if (output.length > 0) yield output;
    if (outcome === 'end') return;
  }
}

function even(count: number): Uint16Array {
  return new Uint16Array(count).fill(EVEN);
}
