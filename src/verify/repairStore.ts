/**
 * Puts right what is damaged in a store, as one pipeline:
 *
 *     verify → read in depth what is affected → from the store itself → from upstreams, path by path → rows of
 *     the index → each path read in depth once more
 *
 * What is fetched is proven to be what is kept before anything points to it. What cannot be had again stays as it
 * is: a damaged record is never given out, and a path that an upstream has with other content is not changed.
 */
import { bytesKey } from '../bytes.ts';
import { NarthexError } from '../errors.ts';
import { keyText, type VariantKey } from '../pathinfo/currentView.ts';
import type { Store } from '../store/store.ts';
import type { StoreInspection } from '../store/storeInspection.ts';
import type { DamagedContent, StoreRepair } from '../store/storeRepair.ts';
import { isDamage } from './contentVerification.ts';
import { type BadContent, type Damage, DamageLedger, subjectText } from './damage.ts';
import { PathRepair } from './pathRepair.ts';
import { RelationVerification } from './relationVerification.ts';
import type { OpenRepairSources } from './repairSources.ts';
import { runVerification, type VerifyCounts, type VerifyOptions } from './verifyStore.ts';

/** What is repaired, and from where. */
export interface RepairOptions extends VerifyOptions {
  readonly openSources: OpenRepairSources;
  /** Whether PathInfos may be made anew out of narinfos that nobody vouches for. Default `false`. */
  readonly acceptUnverified?: boolean | undefined;
}

/** A thing that was damaged, and what became of it. */
export interface RepairedDamage extends Damage {
  /** Why it is still damaged; `undefined` if it is not. */
  readonly failure: NarthexError | undefined;
}

/** What was found, and what became of it. */
export interface RepairReport {
  readonly counts: VerifyCounts;
  readonly damages: readonly RepairedDamage[];
}

/**
 * Verifies a store, and repairs it.
 * @throws READ_ONLY
 * @throws STORE_BUSY garbage is being collected
 * @throws STORE_FAILED it could not be read or written, for another reason than damage
 * @throws STORE_INVALID the index itself is damaged as a file
 * @throws UPSTREAM_URL_INVALID and the reason of an abort
 */
export async function repairStore(store: Store, options: RepairOptions): Promise<RepairReport> {
  await using repair = await store.repair();
  const { ledger, counts } = await runVerification(store, options);
  if (ledger.isEmpty) return { counts, damages: [] };
  const affected = affectedKeys(ledger);
  if (options.deep !== true && affected.length > 0) {
    // a path is brought in once, with all that is damaged of it
    const deeper = await verifyDeep(store, affected, options, ledger);
    ledger.merge(deeper);
  }
  await using inspection = store.inspect();
  const { openSources, acceptUnverified = false, onEvent = () => {}, signal } = options;
  const { blobs: blobService, directories: directoryService } = repair;
  await using sources = await openSources({ blobService, directoryService });
  const paths = new PathRepair({
    inspection,
    repair,
    sources,
    acceptUnverified,
    onEvent,
    signal,
  });
  const run = new RepairRun(store, repair, inspection, ledger, paths, options);
  return { counts, damages: await run.run() };
}

/** What is wrong with some paths, read in depth; what is known already is not told again. */
async function verifyDeep(
  store: Store,
  paths: readonly VariantKey[],
  { signal, limits, onEvent }: VerifyOptions,
  known: DamageLedger,
): Promise<DamageLedger> {
  const { ledger } = await runVerification(store, {
    paths,
    deep: true,
    signal,
    limits,
    onEvent: (event) => {
      if (event.type === 'damage' && !known.has(event.subject)) onEvent?.(event);
    },
  });
  return ledger;
}

/** The variants that are not whole, and those whose own record is damaged or gone. */
function affectedKeys(ledger: DamageLedger): VariantKey[] {
  const keys = new Map<string, VariantKey>();
  for (const { subject, affected } of ledger.damages) {
    if (subject.type === 'pathInfo') keys.set(keyText(subject.key), subject.key);
    for (const { key } of affected) keys.set(keyText(key), key);
  }
  return [...keys.values()];
}

/** One run, after what is damaged is known. */
class RepairRun {
  readonly #store: Store;
  readonly #repair: StoreRepair;
  readonly #inspection: StoreInspection;
  readonly #ledger: DamageLedger;
  readonly #paths: PathRepair;
  readonly #options: RepairOptions;
  /** Why paths are not whole yet. */
  readonly #failures = new Map<string, NarthexError>();
  /** The same of extra files, once they were looked at again. */
  readonly #extraFileFailures = new Map<string, NarthexError>();

  constructor(
    store: Store,
    repair: StoreRepair,
    inspection: StoreInspection,
    ledger: DamageLedger,
    paths: PathRepair,
    options: RepairOptions,
  ) {
    this.#store = store;
    this.#repair = repair;
    this.#inspection = inspection;
    this.#ledger = ledger;
    this.#paths = paths;
    this.#options = options;
  }

  async run(): Promise<RepairedDamage[]> {
    await this.#fromTheStore();
    await this.#fromUpstreams();
    if (this.#options.paths === undefined) await this.#forgetUnreferenced();
    await this.#index();
    await this.#lookAtExtraFiles();
    return this.#ledger.damages.map((damage) => ({ ...damage, failure: this.#failureOf(damage) }));
  }

  /** Headers of packs, records whose data is right, and whole records that lie elsewhere. */
  async #fromTheStore(): Promise<void> {
    const { signal } = this.#options;
    for (const { subject } of this.#ledger.damages) {
      if (subject.type === 'packHeader') await this.#repair.rewritePackHeader(subject.number);
      if (subject.type === 'packEnd') await this.#repair.extendPack(subject.number, subject.end);
    }
    this.#distrust(this.#ledger);
    for (const { kind, digest, rewriteFrom } of this.#ledger.content) {
      if (rewriteFrom === undefined || kind === 'blob') continue;
      signal?.throwIfAborted();
      try {
        await this.#repair.rewrite(kind, digest, rewriteFrom);
      } catch (error) {
        // it was damaged further since; there are upstreams
        if (!isDamage(error)) throw error;
      }
    }
    await this.#repair.flush();
    if (this.#unreplaced().length > 0) await this.#repair.findInPacks(signal);
  }

  #distrust(ledger: DamageLedger): void {
    for (const content of ledger.replaceable) this.#repair.distrust(content);
    for (const content of ledger.content) this.#repair.distrust(content);
  }

  #unreplaced(): BadContent[] {
    return [...this.#ledger.content].filter((content) => !this.#repair.isReplaced(content));
  }

  /** Small ones first: what they share with large ones is then there. */
  async #fromUpstreams(): Promise<void> {
    const { onEvent, signal } = this.#options;
    const sizeOf = (key: VariantKey) => this.#paths.kept(key)?.claim.narSize ?? 0;
    let waiting = affectedKeys(this.#ledger)
      .map((key) => ({ key, size: sizeOf(key) }))
      .sort((a, b) => a.size - b.size)
      .map(({ key }) => key);
    const total = waiting.length;
    let done = 0;
    // a record may need that of a reference first, so there is a round for each step between them
    for (let progressed = true; progressed; ) {
      progressed = false;
      const later: VariantKey[] = [];
      for (const key of waiting) {
        signal?.throwIfAborted();
        const { failure, waits } = await this.#heal(key);
        if (waits) later.push(key);
        else done += 1;
        progressed ||= failure === undefined;
        this.#note(key, failure);
        onEvent?.({ type: 'progress', phase: 'repair', done, total });
      }
      waiting = later;
    }
    for (const [text, error] of this.#failures) {
      const path = this.#ledger.damages
        .flatMap(({ affected }) => affected)
        .find(({ key }) => keyText(key) === text);
      onEvent?.({ type: 'failed', storePath: path?.storePath ?? '', error });
    }
  }

  #note(key: VariantKey, failure: NarthexError | undefined): void {
    if (failure === undefined) this.#failures.delete(keyText(key));
    else this.#failures.set(keyText(key), failure);
  }

  /** @returns why it is not whole, and whether it may be once others are */
  async #heal(
    key: VariantKey,
  ): Promise<{ readonly failure: NarthexError | undefined; readonly waits: boolean }> {
    let found = await this.#look(key);
    if (found.isEmpty) return { failure: undefined, waits: false };
    try {
      const types = new Set(found.damages.map(({ subject }) => subject.type));
      const isRecord = types.has('claim') || types.has('content') || this.#isOwnRecord(found, key);
      const pathInfo = isRecord ? undefined : this.#paths.kept(key);
      this.#distrust(found);
      if (isRecord) await this.#paths.record(key);
      else if (pathInfo !== undefined && [...found.content].length > 0) {
        await this.#paths.content(pathInfo);
      }
      found = await this.#look(key);
      await this.#rowsOf(key, found);
      found = await this.#look(key);
    } catch (error) {
      if (!(error instanceof NarthexError) || error.code === 'STORE_FAILED') throw error;
      return { failure: error, waits: error.code === 'REFERENCE_MISSING' };
    }
    const { damages } = found;
    const isOfOthers = ({ subject }: Damage) =>
      subject.type === 'pathInfo' && keyText(subject.key) !== keyText(key);
    return { failure: damages[0]?.error, waits: damages.some(isOfOthers) };
  }

  #isOwnRecord(found: DamageLedger, key: VariantKey): boolean {
    return found.damages.some(
      ({ subject }) => subject.type === 'pathInfo' && keyText(subject.key) === keyText(key),
    );
  }

  async #look(key: VariantKey): Promise<DamageLedger> {
    const known = this.#ledger;
    const looked = await verifyDeep(this.#store, [key], this.#options, known);
    const isGone = this.#paths.kept(key) === undefined && !this.#inspection.variants.has(key);
    // a variant that is referred to and not kept: nothing can be said of it but that
    if (isGone && known.has({ type: 'pathInfo', key })) {
      const missing = new NarthexError('STORE_INVALID', 'the record of a variant is gone', {});
      looked.add({ type: 'pathInfo', key }, missing);
    }
    return looked;
  }

  /** Rows that follow from a record that can be read and whose content was rendered. */
  async #rowsOf(key: VariantKey, found: DamageLedger): Promise<void> {
    const pathInfo = this.#paths.kept(key);
    if (pathInfo === undefined || [...found.content].length > 0) return;
    for (const { subject } of found.damages) {
      if (subject.type === 'content') return;
      if (subject.type === 'relations') await this.#repair.repairRelations(key);
      if (subject.type === 'current') await this.#repair.repairCurrent(subject.digest);
      if (subject.type === 'staleRow' && subject.row.table === 'nar') {
        const { narHash, narSize } = pathInfo.claim;
        await this.#repair.putNar(narHash.digest, { narSize, node: pathInfo.node });
      }
    }
  }

  /** Content to which nothing refers is written again when somebody brings it in, if it is not there. */
  async #forgetUnreferenced(): Promise<void> {
    const failed = new Set(
      this.#ledger.damages
        .filter(({ affected }) => affected.some(({ key }) => this.#failures.has(keyText(key))))
        .map(({ subject }) => subjectText(subject)),
    );
    const held = await this.#heldByExtraFiles();
    const unreferenced = this.#unreplaced().filter(
      ({ subject, kind, digest }) =>
        !failed.has(subjectText(subject)) && !held.has(kind + digest.key),
    );
    if (unreferenced.length === 0) return;
    const isForgotten = new Set(unreferenced.map(({ kind, digest }) => kind + digest.key));
    const blobs: DamagedContent[] = [...this.#ledger.replaceable].filter((blob) =>
      this.#inspection.chunksOf(blob.digest).some((chunk) => isForgotten.has(`chunk${chunk.key}`)),
    );
    await this.#repair.forget([...unreferenced, ...blobs]);
    await this.#repair.forgetNars(this.#unclaimedNars());
  }

  /** Content of extra files: upstreams have it no more than by chance, and it is not forgotten. */
  async #heldByExtraFiles(): Promise<ReadonlySet<string>> {
    const held = new Set<string>();
    if (!this.#ledger.damages.some(({ subject }) => subject.type === 'extraFile')) return held;
    for await (const { file } of this.#store.extraFiles.list({ signal: this.#options.signal })) {
      const { digest } = file;
      held.add(`blob${digest.key}`).add(`chunk${digest.key}`);
      for (const chunk of this.#inspection.chunksOf(digest)) held.add(`chunk${chunk.key}`);
    }
    return held;
  }

  /** NARs of which no PathInfo speaks: nobody has looked whether their content is whole. */
  #unclaimedNars(): Uint8Array[] {
    const claimed = new Set<string>();
    for (const keys of this.#inspection.variantPages()) {
      for (const key of keys) {
        const pathInfo = this.#paths.kept(key);
        if (pathInfo !== undefined) claimed.add(bytesKey(pathInfo.claim.narHash.digest));
      }
    }
    const unclaimed: Uint8Array[] = [];
    for (const narHashes of this.#inspection.narPages()) {
      unclaimed.push(...narHashes.filter((narHash) => !claimed.has(bytesKey(narHash))));
    }
    return unclaimed;
  }

  /** Their content may have come back with that of a path. */
  async #lookAtExtraFiles(): Promise<void> {
    const { signal, limits } = this.#options;
    if (!this.#ledger.damages.some(({ subject }) => subject.type === 'extraFile')) return;
    const { ledger } = await runVerification(this.#store, {
      paths: [],
      extraFiles: true,
      deep: true,
      signal,
      limits,
    });
    for (const { subject, error } of ledger.damages) {
      if (subject.type === 'extraFile') this.#extraFileFailures.set(subject.path, error);
    }
  }

  async #index(): Promise<void> {
    for (const damage of this.#ledger.damages) {
      const { subject } = damage;
      if (subject.type === 'staleRow') await this.#repair.dropStaleRow(subject.row);
      if (subject.type === 'current') await this.#repair.repairCurrent(subject.digest);
      if (subject.type === 'pack' && this.#failureOf(damage) === undefined) {
        const pack = await this.#inspection.pack(subject.number);
        if (pack?.referredBytes === undefined) continue;
        if ((pack.fileBytes ?? 0) < pack.referredBytes) {
          await this.#repair.cutPackEnd(subject.number, pack.fileBytes);
        }
      }
    }
  }

  #failureOf({ subject, affected, error }: Damage): NarthexError | undefined {
    if (subject.type === 'current') {
      const ledger = new DamageLedger();
      new RelationVerification(this.#inspection, ledger).current(subject.digest);
      return ledger.damages[0]?.error;
    }
    if (subject.type === 'extraFile') return this.#extraFileFailures.get(subject.path);
    const own = subject.type === 'pathInfo' ? [subject.key] : [];
    for (const key of [...own, ...affected.map((path) => path.key)]) {
      const failure = this.#failures.get(keyText(key));
      if (failure !== undefined) return failure;
    }
    const text = subjectText(subject);
    const left = this.#unreplaced().find(
      (content) => subjectText(content.subject) === text && this.#isThere(content),
    );
    return left && error;
  }

  #isThere({ kind, digest, value }: BadContent): boolean {
    return value !== undefined && this.#repair.has(kind, digest);
  }
}
