/**
 * The first part: whether what the index says of chunks and directories is so in the packs, and, in depth, whether
 * each record hashes to its digest. Records are read in the order in which they lie; the index is gone through once
 * for every {@link WINDOW_RECORDS} of them.
 */
import { NarthexError } from '../errors.ts';
import { endOffset } from '../store/packFormat.ts';
import type { IndexedRecord } from '../store/recordCheck.ts';
import {
  type ContentRow,
  liesInside,
  type PackState,
  type StoreInspection,
} from '../store/storeInspection.ts';
import type { DamageLedger, DamageSubject } from './damage.ts';
import { PlacedRecords } from './placedRecords.ts';

/** Records whose places are held at once: some 60 MB. */
const WINDOW_RECORDS = 1_000_000;
/** A record that moves whenever it is looked at moves with every collection, of which there are few. */
const MOST_MOVES = 8;

/** Checks records, and notes what is wrong. */
export class RecordVerification {
  readonly #inspection: StoreInspection;
  readonly #ledger: DamageLedger;
  readonly #packs = new Map<number, PackState | undefined>();
  /** Up to where packs are referred to, where the index says less. */
  readonly #ends = new Map<number, number>();
  #checked = 0;

  constructor(inspection: StoreInspection, ledger: DamageLedger) {
    this.#inspection = inspection;
    this.#ledger = ledger;
  }

  /** How many records were read and hashed. */
  get checked(): number {
    return this.#checked;
  }

  /** The packs themselves. @throws STORE_FAILED */
  async packs(): Promise<void> {
    for await (const pack of this.#inspection.packs()) {
      this.#packs.set(pack.number, pack);
      this.#checkPack(pack);
    }
  }

  /**
   * All rows.
   * @param deep whether records are read and hashed
   * @param onProgress told how many are done with; in depth each counts twice
   */
  async all(deep: boolean, onProgress: (done: number) => void): Promise<void> {
    const perPack = new Map<number, number>();
    let done = 0;
    for (const rows of this.#inspection.contentPages()) {
      for (const row of rows) {
        const record = await this.located(row);
        if (record === undefined) continue;
        const { pack } = record.location;
        perPack.set(pack, (perPack.get(pack) ?? 0) + 1);
      }
      done += rows.length;
      onProgress(done);
      // synchronous reads must not keep the event loop
      await new Promise(setImmediate);
    }
    if (!deep) return;
    for (const packs of windowsOf(perPack)) {
      const placed = new PlacedRecords();
      for (const rows of this.#inspection.contentPages()) {
        for (const { kind, digest, location } of rows) {
          if (location === undefined || !packs.has(location.pack)) continue;
          if (this.#ledger.contentFault(kind, digest) !== undefined) continue;
          placed.add({ kind, digest, location });
        }
        await new Promise(setImmediate);
      }
      await this.read(placed, (records) => onProgress(done + records));
      done += placed.count;
    }
  }

  /**
   * Whether a row leads into a pack.
   * @returns where the record lies, or `undefined` where that is damaged or not there any more
   */
  async located(row: ContentRow): Promise<IndexedRecord | undefined> {
    let { kind, digest, location, value } = row;
    if (this.#ledger.contentFault(kind, digest) !== undefined) return undefined;
    for (let moves = 0; moves < MOST_MOVES; moves++) {
      const state = location && (await this.#stateOf(location.pack, endOffset(location)));
      if (location !== undefined && state !== undefined && liesInside(location, state)) {
        this.#noteEnd(state, endOffset(location));
        return { kind, digest, location };
      }
      this.#inspection.refresh();
      const latest = this.#inspection.content(kind, digest);
      if (latest === undefined) return undefined;
      if (Buffer.compare(latest.value, value) === 0) {
        this.#addMisplaced(latest, state);
        return undefined;
      }
      ({ location, value } = latest);
    }
    return undefined;
  }

  /** Reads and hashes records. @throws STORE_FAILED */
  async read(placed: PlacedRecords, onProgress: (records: number) => void): Promise<void> {
    let read = 0;
    const counting = function* () {
      for (const record of placed.inOrder()) {
        yield record;
        read += 1;
        if (read % 1024 === 0) onProgress(read);
      }
    };
    for await (const fault of this.#inspection.checkRecords(counting())) {
      await this.confirm(fault.record, fault.error, fault.dataHolds);
    }
    this.#checked += read;
    onProgress(read);
  }

  /** Notes where the index says less of packs than it refers to, once all records were seen. */
  async noteEnds(): Promise<void> {
    for (const [number, end] of this.#ends) {
      // others write to their packs meanwhile
      const state = await this.#inspection.pack(number);
      if (state === undefined || end <= (state.referredBytes ?? 0)) continue;
      const message = `the index says less of pack ${number} than it refers to`;
      this.#ledger.add(
        { type: 'packEnd', number, end },
        new NarthexError('STORE_INVALID', message, { pack: number, expected: end }),
      );
    }
  }

  /** Notes what cannot be read, unless it was collected or has moved since the index was asked. */
  async confirm(record: IndexedRecord, error: NarthexError, dataHolds: boolean): Promise<void> {
    const { kind, digest, location } = record;
    this.#inspection.refresh();
    const latest = this.#inspection.content(kind, digest);
    if (latest === undefined) return;
    if (latest.location === undefined || !isSamePlace(latest.location, location)) {
      const moved = await this.located(latest);
      if (moved === undefined) return;
      for await (const again of this.#inspection.checkRecords([moved])) {
        await this.confirm(again.record, again.error, again.dataHolds);
      }
      return;
    }
    const content = { kind, digest, value: latest.value };
    const rewriteFrom = dataHolds ? location : undefined;
    this.#ledger.addContent({ ...content, rewriteFrom, subject: { type: kind, digest } }, error);
  }

  async #stateOf(pack: number, end: number): Promise<PackState | undefined> {
    const known = this.#packs.get(pack);
    // a pack that is written to has grown since
    if (known !== undefined && (known.fileBytes === undefined || end <= known.fileBytes)) {
      if (known.fileBytes !== undefined) return known;
    }
    const state = await this.#inspection.pack(pack);
    this.#packs.set(pack, state);
    return state;
  }

  #checkPack({ number, path, fileBytes, referredBytes, headerFault }: PackState): void {
    if (fileBytes === undefined) {
      const error = new NarthexError('STORE_INVALID', `a pack is gone: ${path}`, { path });
      this.#ledger.add({ type: 'pack', number }, error);
    } else if (referredBytes !== undefined && fileBytes < referredBytes) {
      const facts = { path, expected: referredBytes, actual: fileBytes };
      const error = new NarthexError('STORE_INVALID', `a pack is cut off: ${path}`, facts);
      this.#ledger.add({ type: 'pack', number }, error);
    } else if (headerFault !== undefined) {
      this.#ledger.add({ type: 'packHeader', number }, headerFault);
    }
  }

  #noteEnd({ number, referredBytes = 0 }: PackState, end: number): void {
    if (end <= referredBytes || end <= (this.#ends.get(number) ?? 0)) return;
    this.#ends.set(number, end);
  }

  /** A row that leads nowhere: because of its pack, or by itself. */
  #addMisplaced({ kind, digest, value, location }: ContentRow, pack: PackState | undefined): void {
    if (pack !== undefined) this.#checkPack(pack);
    const ofPack: DamageSubject | undefined = pack && { type: 'pack', number: pack.number };
    const lay = location !== undefined && endOffset(location) <= (pack?.referredBytes ?? 0);
    const subject: DamageSubject =
      ofPack !== undefined && lay && this.#ledger.has(ofPack) ? ofPack : { type: kind, digest };
    const error = new NarthexError(
      'STORE_INVALID',
      `the index leads to no record for ${kind} ${digest}`,
      { digest: String(digest), pack: location?.pack, offset: location?.offset },
    );
    this.#ledger.addContent({ kind, digest, value, rewriteFrom: undefined, subject }, error);
  }
}

/** Packs whose records are held at once. */
function* windowsOf(perPack: ReadonlyMap<number, number>): Generator<ReadonlySet<number>> {
  let window = new Set<number>();
  let records = 0;
  for (const [pack, count] of [...perPack].sort(([a], [b]) => a - b)) {
    if (records > 0 && records + count > WINDOW_RECORDS) {
      yield window;
      window = new Set();
      records = 0;
    }
    window.add(pack);
    records += count;
  }
  if (records > 0) yield window;
}

function isSamePlace(a: IndexedRecord['location'], b: IndexedRecord['location']): boolean {
  return (
    a.pack === b.pack &&
    a.offset === b.offset &&
    a.encoding === b.encoding &&
    a.encodedSize === b.encodedSize &&
    a.size === b.size
  );
}
