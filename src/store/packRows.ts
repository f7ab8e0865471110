/** What the index says of a pack: up to where it is referred to, and how hard its records are compressed. */
import { NarthexError } from '../errors.ts';
import { decodeU48, encodeU32, encodeU48 } from './schema.ts';
import type { Tables } from './storeIndex.ts';

/** Notes that a pack is referred to up to `end` at least. Inside a transaction only. */
export function extendPack({ pack }: Tables, number: number, end: number): void {
  const key = encodeU32(number);
  const stored = pack.get(key);
  if (stored === undefined || decodeU48(stored) < end) pack.put(key, encodeU48(end));
}

/**
 * Notes that records in a pack were compressed at a level; what counts is the lowest. What does not
 * shrink at that level lies as it is, and counts as compressed. Inside a transaction only.
 */
export function notePackLevel(tables: Tables, number: number, level: number): void {
  const noted = packLevel(tables, number);
  if (noted === undefined || noted > level)
    tables.level.put(encodeU32(number), Uint8Array.of(level));
}

/**
 * The level at which all records of a pack were compressed at least; `undefined` where nobody has said,
 * since the pack is older than these notes.
 * @throws STORE_INVALID
 */
export function packLevel({ level }: Tables, number: number): number | undefined {
  const stored = level.get(encodeU32(number));
  if (stored === undefined) return undefined;
  const [noted] = stored;
  if (noted === undefined || stored.length !== 1) {
    const message = `the level of pack ${number} in the index is damaged`;
    throw new NarthexError('STORE_INVALID', message, { actual: stored.length });
  }
  return noted;
}

/** The pack is not referred to any more. Inside a transaction only. */
export function removePackRows({ pack, level }: Tables, number: number): void {
  pack.remove(encodeU32(number));
  level.remove(encodeU32(number));
}
