/**
 * Collects garbage, written once and readable from top to bottom:
 *
 *     take the turn → all who write report what they rely on → variants that do not stay are removed
 *       → content of those that stay is marked → all report again, and find nothing unmarked from here on
 *       → the rest is swept out of the index → packs that are mostly dead are rewritten
 *
 * A collection that is killed at any moment has only deleted what nothing refers to; the next one goes on.
 */
import type { NarthexError } from '../../errors.ts';
import type { PackWriter } from '../packWriter.ts';
import { encodeU32 } from '../schema.ts';
import type { StoreIndex, Tables } from '../storeIndex.ts';
import { storedBytesOf } from '../storeStats.ts';
import { CollectionTurn, firstLivePack, stampsOfEndedProcesses } from './barrier.ts';
import { ContentMarks, runInTurns } from './contentMarks.ts';
import { DirectoryReader } from './directoryReader.ts';
import { evictBySize } from './evictBySize.ts';
import type { Lease } from './lease.ts';
import { freedBytes, packsToRewrite, packUses } from './packUse.ts';
import {
  type LinkedVariant,
  type RetentionRules,
  removeVariants,
  type Selection,
  selectVariants,
} from './retention.ts';
import { type RewriteParts, removePack, rewriteOrTell } from './rewritePack.ts';
import { countGarbage, Garbage, type SweepCounts, sweep } from './sweep.ts';

/** What to collect. */
export interface CollectOptions {
  /** Current variants that were not used for so long do not stay for their own sake. */
  readonly olderThanMs?: number | undefined;
  /** As many current variants stay as fit into so many bytes on disk, those used last. */
  readonly maxBytes?: number | undefined;
  /** Only tells what would be removed. */
  readonly dryRun?: boolean | undefined;
  /** How long a process that has the store open for writing may take to answer. */
  readonly patienceMs?: number | undefined;
  /** Milliseconds since 1970. */
  readonly now?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A variant that was removed. */
export interface RemovedVariant {
  /** 20 bytes. */
  readonly digest: Uint8Array;
  readonly closureDigest: LinkedVariant['closureDigest'];
}

/** What was removed, or would be. */
export interface CollectionReport extends Readonly<SweepCounts> {
  readonly dryRun: boolean;
  readonly keptVariants: number;
  readonly removedVariants: readonly RemovedVariant[];
  readonly removedPacks: number;
  readonly rewrittenPacks: number;
  /** What packs and index took on disk, as allocated, and take now; in a dry run about what they would. */
  readonly storedBytesBefore: number;
  readonly storedBytes: number;
  /** Packs that cannot be rewritten, since they are damaged. */
  readonly damagedPacks: readonly NarthexError[];
}

/** What a collection works on. */
export interface CollectionParts {
  readonly directory: string;
  readonly index: StoreIndex;
  readonly writer: PackWriter;
  readonly lease: Lease | undefined;
}

/**
 * @throws STORE_BUSY | STORE_FAILED
 * @throws STORE_INVALID | DIGEST_MISMATCH | DIRECTORY_MISSING | BLOB_MISSING content that stays is damaged, and none was deleted
 * @throws the signal's reason
 */
export async function collectGarbage(
  parts: CollectionParts,
  options: CollectOptions,
): Promise<CollectionReport> {
  const { index, directory } = parts;
  const { now = Date.now(), signal, dryRun = false, patienceMs } = options;
  const storedBytesBefore = await storedBytesOf(directory);
  using reader = new DirectoryReader(directory);
  if (dryRun) return await foresee(parts, options, reader, now, storedBytesBefore);

  let collected: { readonly selection: Selection; readonly counts: SweepCounts };
  let packs: Packs;
  {
    await using turn = await CollectionTurn.begin(index, parts.lease);
    await turn.passed(signal, patienceMs);
    const rules = await rulesOf(index, options, now, reader);
    const selection = await turn.transaction(() => removeVariants(index.tables, rules));
    const { kept, marks } = await markKept(index.tables, selection, reader, signal);
    await turn.enter('sweeping');
    await turn.passed(signal, patienceMs);
    const { firstPack } = turn;
    const garbage = await garbageBeside(index.tables, { marks, firstPack }, signal);
    collected = { selection, counts: await sweep(turn, garbage, kept, signal) };
    await turn.enter('rewriting');
    packs = await giveBack({ ...parts, index: turn }, turn.firstPack, options);
  }
  return {
    dryRun,
    ...collected.counts,
    keptVariants: collected.selection.kept.size,
    removedVariants: collected.selection.removed.map(removedVariant),
    ...packs,
    storedBytesBefore,
    storedBytes: await storedBytesOf(directory),
  };
}

/** Marks the content of the variants that stay. */
async function markKept(
  tables: Tables,
  { kept: keys, all }: Selection,
  reader: DirectoryReader,
  signal: AbortSignal | undefined,
): Promise<{ readonly kept: readonly LinkedVariant[]; readonly marks: ContentMarks }> {
  const kept = [...keys].flatMap((key) => all.get(key) ?? []);
  const marks = new ContentMarks(tables, reader);
  for (const { node } of kept) await runInTurns(marks.markNode(node), signal);
  return { kept, marks };
}

/** What is garbage beside what is marked, and beside all else that is relied on. */
async function garbageBeside(
  tables: Tables,
  parts: ConstructorParameters<typeof Garbage>[1],
  signal: AbortSignal | undefined,
): Promise<Garbage> {
  const garbage = new Garbage(tables, parts);
  await runInTurns(garbage.markExtraFiles(), signal);
  await runInTurns(garbage.markWritten(), signal);
  await runInTurns(garbage.markStamps(), signal);
  return garbage;
}

function removedVariant({ digest, closureDigest }: LinkedVariant): RemovedVariant {
  return { digest, closureDigest };
}

async function rulesOf(
  { tables }: StoreIndex,
  { olderThanMs, maxBytes, signal }: CollectOptions,
  now: number,
  reader: DirectoryReader,
  passedOver?: ReadonlyMap<number, number>,
): Promise<RetentionRules> {
  const usedSince = olderThanMs === undefined ? undefined : now - olderThanMs;
  const rules = { now, usedSince, passedOver };
  if (maxBytes === undefined) return rules;
  const selection = selectVariants(tables, rules);
  const evicted = await evictBySize(tables, selection, maxBytes, reader, signal);
  return { ...rules, evicted };
}

/** What became of packs. */
type Packs = Pick<CollectionReport, 'removedPacks' | 'rewrittenPacks' | 'damagedPacks'>;

async function giveBack(
  parts: RewriteParts,
  firstPack: number,
  { maxBytes, signal }: CollectOptions,
): Promise<Packs> {
  const { directory, index } = parts;
  const uses = await packUses(directory, index.tables);
  const damagedPacks: NarthexError[] = [];
  let removedPacks = 0;
  let rewrittenPacks = 0;
  for (const use of packsToRewrite(uses, { firstPack, maxBytes })) {
    signal?.throwIfAborted();
    if (!index.tables.pack.has(encodeU32(use.number)) && use.records === 0) {
      await removePack(directory, use.number);
      removedPacks++;
      continue;
    }
    const damage = await rewriteOrTell(parts, use, signal);
    if (damage !== undefined) damagedPacks.push(damage);
    else if (use.records === 0) removedPacks++;
    else rewrittenPacks++;
  }
  return { removedPacks, rewrittenPacks, damagedPacks };
}

async function foresee(
  { directory, index }: CollectionParts,
  options: CollectOptions,
  reader: DirectoryReader,
  now: number,
  storedBytesBefore: number,
): Promise<CollectionReport> {
  const { tables } = index;
  const { signal, maxBytes } = options;
  const passedOver = stampsOfEndedProcesses(tables, Date.now());
  const rules = await rulesOf(index, options, now, reader, passedOver);
  const selection = selectVariants(tables, rules);
  const { kept, marks } = await markKept(tables, selection, reader, signal);
  const firstPack = firstLivePack(tables, Date.now());
  const garbage = await garbageBeside(tables, { marks, firstPack, passedOver }, signal);
  const uses = await packUses(directory, tables, {
    chunk: (row) => !garbage.chunk(row),
    directory: (row) => !garbage.directory(row),
  });
  const rewritten = packsToRewrite(uses, { firstPack, maxBytes });
  const freed = rewritten.reduce((sum, use) => sum + freedBytes(use), 0);
  return {
    dryRun: true,
    ...countGarbage(tables, garbage, kept),
    keptVariants: selection.kept.size,
    removedVariants: selection.removed.map(removedVariant),
    removedPacks: rewritten.filter(({ records }) => records === 0).length,
    rewrittenPacks: rewritten.filter(({ records }) => records > 0).length,
    storedBytesBefore,
    storedBytes: storedBytesBefore - freed,
    damagedPacks: [],
  };
}
