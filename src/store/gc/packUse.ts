/** How much of each pack is referred to. */
import { readdir } from 'node:fs/promises';
import { allocatedBytes, statIfThere } from '../allocation.ts';
import { isPackName, packPath, packsPath } from '../layout.ts';
import { endOffset, PACK_HEADER_BYTES } from '../packFormat.ts';
import { decodeLocation } from '../schema.ts';
import { orStoreFailure } from '../storeFailure.ts';
import type { Tables } from '../storeIndex.ts';
import { eachRow, type Row } from '../table.ts';

/** A pack with a larger part that is dead is rewritten: to move seven bytes for one that is freed is enough. */
const REWRITE_DEAD_SHARE = 1 / 8;

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
  return liveBytes === 0 ? 1 : 1 - (liveBytes + PACK_HEADER_BYTES) / fileBytes;
}

/** What rewriting a pack gives back. */
export function freedBytes({ allocatedBytes, liveBytes }: PackUse): number {
  return Math.max(0, allocatedBytes - liveBytes);
}

/** What {@link packsToRewrite} goes by. */
export interface RewriteRules {
  /** Processes that live may write to packs from this number on. */
  readonly firstPack: number;
  /** What all packs together may take on disk. */
  readonly maxBytes?: number | undefined;
}

/**
 * The packs to be rewritten, or removed: those of which a large part is dead, and as many others as it takes to come
 * below so many bytes. Those with the least to be moved come first: on a full disk they make room for the others.
 */
export function packsToRewrite(
  uses: readonly PackUse[],
  { firstPack, maxBytes = Number.POSITIVE_INFINITY }: RewriteRules,
): PackUse[] {
  const old = uses.filter(({ number }) => number < firstPack);
  const chosen = old.filter((use) => deadShare(use) >= REWRITE_DEAD_SHARE);
  const others = old.filter((use) => deadShare(use) > 0 && deadShare(use) < REWRITE_DEAD_SHARE);
  const sum = (some: readonly PackUse[], bytesOf: (use: PackUse) => number) =>
    some.reduce((total, use) => total + bytesOf(use), 0);
  let left = sum(uses, ({ allocatedBytes }) => allocatedBytes) - sum(chosen, freedBytes);
  for (const use of others.sort((a, b) => deadShare(b) - deadShare(a))) {
    if (left <= maxBytes) break;
    chosen.push(use);
    left -= freedBytes(use);
  }
  return chosen.sort((a, b) => a.liveBytes - b.liveBytes);
}

/**
 * The packs there are, in the order of their numbers.
 * @param isLive whether a row of `chunk` or `directory` counts; all do by default
 * @throws STORE_FAILED | STORE_INVALID
 */
export async function packUses(
  store: string,
  tables: Tables,
  isLive?: { readonly chunk: (row: Row) => boolean; readonly directory: (row: Row) => boolean },
): Promise<PackUse[]> {
  const uses = new Map<number, PackUse>();
  const packs = packsPath(store);
  const names = await orStoreFailure('reading the packs', packs, () => readdir(packs));
  for (const name of names.filter(isPackName)) {
    const number = Number.parseInt(name, 10);
    const path = packPath(store, number);
    const measured = await statIfThere(path);
    if (measured === undefined) continue;
    const sizes = { allocatedBytes: allocatedBytes(measured), fileBytes: measured.size };
    uses.set(number, { number, path, ...sizes, records: 0, liveBytes: 0 });
  }
  for (const table of ['chunk', 'directory'] as const) {
    await eachRow(tables[table], (row) => {
      if (isLive?.[table](row) === false) return;
      const location = decodeLocation(row.value);
      const use = uses.get(location.pack);
      if (use === undefined) return;
      use.records++;
      use.liveBytes += endOffset(location) - location.offset;
    });
  }
  return [...uses.values()].sort((a, b) => a.number - b.number);
}
