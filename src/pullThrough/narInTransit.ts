/**
 * One NAR that is brought in, and may be read from its first byte on while that happens: from the spool as
 * long as the ingest runs, from castore afterwards.
 *
 * Nothing is known to be right before the end. So the last bytes of a NAR are given out of castore only,
 * where nothing comes that failed a check: a reader of a wrong NAR never gets all of it.
 */
import { abortable } from '../abortable.ts';
import type { Node } from '../castore/node.ts';
import type { IngestSource, NarTap, UpstreamNarInfo } from '../ingest/upstreamIngest.ts';
import type { NarInfo } from '../narinfo/narinfo.ts';
import type { ByteRange } from '../render/layout.ts';
import { type RenderNarOptions, renderNar } from '../render/renderNar.ts';
import { Bell } from './bell.ts';
import type { NarSpool } from './narSpool.ts';
import type { SpoolDirectory } from './spoolDirectory.ts';

/**
 * So many bytes at the end wait for the checks. One would do; with these, small NARs are known to be right or
 * wrong before anything is answered.
 */
export const HELD_BACK_BYTES = 64 * 1024;
/** What a reader takes out of the spool at once. */
const READ_BYTES = 128 * 1024;

/** What a {@link NarInTransit} needs. */
export interface TransitOptions {
  readonly source: IngestSource;
  readonly spools: SpoolDirectory | undefined;
  /** Of the castore that the source brings contents into. */
  readonly castore: Pick<RenderNarOptions, 'blobService' | 'directoryService' | 'limits'>;
  /** Ends the ingest; readers have their own. */
  readonly signal: AbortSignal;
}

type Outcome =
  | { readonly type: 'here'; readonly node: Node }
  | { readonly type: 'failed'; readonly error: unknown };

/** The NAR of one narinfo. */
export class NarInTransit {
  readonly #found: UpstreamNarInfo;
  readonly #options: TransitOptions;
  /** Rings when the spool or the outcome has changed. */
  readonly #bell = new Bell();
  #content: Promise<Node> | undefined;
  #spool: NarSpool | undefined;
  #outcome: Outcome | undefined;

  constructor(found: UpstreamNarInfo, options: TransitOptions) {
    this.#found = found;
    this.#options = options;
  }

  /** Length in bytes. */
  get narSize(): number {
    return this.#found.narInfo.narSize;
  }

  /** Whether it is being brought in, or was. */
  get hasBegun(): boolean {
    return this.#content !== undefined;
  }

  /**
   * Brings it in, once.
   * @throws what `ingestContent` (ingest/upstreamIngest.ts) throws
   */
  bringIn(): Promise<Node> {
    if (this.#content === undefined) {
      const { source, signal } = this.#options;
      const openTap = (narInfo: NarInfo) => this.#openTap(narInfo);
      this.#content = source.ingestContent(this.#found, signal, { openTap });
      this.#content.then(
        (node) => this.#settle({ type: 'here', node }),
        (error) => this.#settle({ type: 'failed', error }),
      );
    }
    return this.#content;
  }

  /**
   * Waits until there is something to read.
   * @throws what {@link bringIn} throws; the reason of `signal`
   */
  async readable(signal: AbortSignal | undefined): Promise<void> {
    while (this.#outcome === undefined && this.#readableBytes === 0) {
      await abortable(this.#bell.rung(), signal);
    }
    if (this.#outcome?.type === 'failed') throw this.#outcome.error;
  }

  /**
   * Bytes of it, as far as they are there. Its pieces are views of memory that is not used again.
   * @param range within the NAR
   * @throws what {@link bringIn} throws, also after its first bytes; the reason of `signal`
   */
  async *read({ start, end }: ByteRange, signal?: AbortSignal): AsyncGenerator<Uint8Array, void> {
    let at = start;
    /** Out of which bytes were given. */
    let readFrom: NarSpool | undefined;
    while (at < end) {
      signal?.throwIfAborted();
      // another attempt may go on; what was given out of this one is nothing to go on from
      if (readFrom?.failure !== undefined) throw readFrom.failure.error;
      if (this.#outcome?.type === 'failed') throw this.#outcome.error;
      if (this.#outcome?.type === 'here') {
        const { node } = this.#outcome;
        yield* renderNar(node, { ...this.#options.castore, range: { start: at, end }, signal });
        return;
      }
      const spool = this.#spool;
      const readable = Math.min(end, this.#readableBytes);
      if (spool === undefined || readable <= at) {
        await abortable(this.#bell.rung(), signal);
        continue;
      }
      const bytes = await spool.read(at, Math.min(READ_BYTES, readable - at));
      if (bytes === undefined) continue;
      readFrom = spool;
      at += bytes.length;
      yield bytes;
    }
  }

  /** From the beginning up to here the spool may be read. */
  get #readableBytes(): number {
    return Math.max(0, Math.min(this.#spool?.readableBytes ?? 0, this.narSize - HELD_BACK_BYTES));
  }

  async #openTap({ narSize }: NarInfo): Promise<NarTap | undefined> {
    this.#spool = await this.#options.spools?.spool(narSize, () => this.#bell.ring());
    return this.#spool;
  }

  #settle(outcome: Outcome): void {
    this.#outcome = outcome;
    this.#spool = undefined;
    this.#bell.ring();
  }
}
