/** Up to where the index refers to a pack. */
import { decodeU48, encodeU32, encodeU48 } from './schema.ts';
import type { Table } from './table.ts';

/** Notes that a pack is referred to up to `end` at least; inside a transaction. */
export function extendPack(packs: Table, pack: number, end: number): void {
  const key = encodeU32(pack);
  const stored = packs.get(key);
  if (stored === undefined || decodeU48(stored) < end) packs.put(key, encodeU48(end));
}
