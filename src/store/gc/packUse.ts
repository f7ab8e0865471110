/** How much of each pack is referred to. */
import { readdir, stat } from 'node:fs/promises';
import { EMPTY } from '../../bytes.ts';
import { isPackName, packPath, packsPath } from '../layout.ts';
import { endOffset, PACK_HEADER_BYTES } from '../packFormat.ts';
import { decodeLocation } from '../schema.ts';
import { orStoreFailure } from '../storeFailure.ts';
import type { Tables } from '../storeIndex.ts';
import type { Row } from '../table.ts';

/** `st_blocks` counts in these (stat(2)). */
const STAT_BLOCK_BYTES = 512;

/** A pack and its use. */
export interface PackUse {
  readonly number: number;
  readonly path: string;
  /** What it takes on disk. */
  readonly allocatedBytes: number;
  readonly fileBytes: number;
  /** Chunks and directories that the index finds in it. */
  records: number;
  /** What these take in it. Lists of chunks, which the index does not find there, are not counted. */
  liveBytes: number;
}

/** The part of a pack that nothing refers to, from 0 to 1. */
export function deadShare({ fileBytes, liveBytes }: PackUse): number {
  return fileBytes === 0 ? 1 : 1 - (liveBytes + PACK_HEADER_BYTES) / fileBytes;
}

/**
 * The packs there are, in the order of their numbers.
 * @param isLive whether a row of `chunk` or `directory` counts
 * @throws STORE_FAILED | STORE_INVALID
 */
export async function packUses(
  store: string,
  tables: Tables,
  isLive: { readonly chunk: (row: Row) => boolean; readonly directory: (row: Row) => boolean },
): Promise<PackUse[]> {
  const uses = new Map<number, PackUse>();
  const packs = packsPath(store);
  const names = await orStoreFailure('reading the packs', packs, () => readdir(packs));
  for (const name of names.filter(isPackName)) {
    const number = Number.parseInt(name, 10);
    const path = packPath(store, number);
    const { size, blocks } = await orStoreFailure('measuring a pack', path, () => stat(path));
    const allocatedBytes = blocks * STAT_BLOCK_BYTES;
    uses.set(number, { number, path, allocatedBytes, fileBytes: size, records: 0, liveBytes: 0 });
  }
  for (const table of ['chunk', 'directory'] as const) {
    for (const page of tables[table].pages(EMPTY)) {
      for (const row of page) {
        if (!isLive[table](row)) continue;
        const location = decodeLocation(row.value);
        const use = uses.get(location.pack);
        if (use === undefined) continue;
        use.records++;
        use.liveBytes += endOffset(location) - location.offset;
      }
      // millions of rows must not keep the event loop
      await new Promise(setImmediate);
    }
  }
  return [...uses.values()].sort((a, b) => a.number - b.number);
}
