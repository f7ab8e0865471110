/**
 * Content by the node that a narinfo's URL names: what is not here comes over castore services of the
 * same host, and is then rendered and held against the signed NarHash. Where any of that fails, the NAR
 * itself is to be fetched.
 */
import { CoolDown, isOutage } from '../castore/combinators/coolDown.ts';
import { type Castore, copyNode } from '../castore/copyNode.ts';
import { parseInfusedNarUrl } from '../castore/infusedNarUrl.ts';
import type { Node } from '../castore/node.ts';
import { NarthexError } from '../errors.ts';
import type { Limits } from '../limits.ts';
import type { NarInfo } from '../narinfo/narinfo.ts';
import { measureNar } from '../render/measureNar.ts';

/** The castore services of the host of a binary cache, if there may be any. */
export type CastoreOf = (upstreamUrl: string) => Castore | undefined;

/** What an {@link InfusedNars} is made of. */
export interface InfusedNarsOptions {
  readonly castoreOf: CastoreOf;
  /** Where content goes. */
  readonly to: Castore;
  readonly limits: Limits;
  /** Told why a NAR is fetched though its URL names its content. */
  readonly onFallback?: ((error: unknown, narInfo: NarInfo) => void) | undefined;
}

/** Fetches content by nodes. */
export class InfusedNars {
  readonly #options: InfusedNarsOptions;
  /** Hosts that speak no gRPC are not asked for each path again. */
  readonly #coolDown = new CoolDown<Castore>({ now: Date.now, random: Math.random });

  constructor(options: InfusedNarsOptions) {
    this.#options = options;
  }

  /**
   * @returns the root node, once its content is here and is that of the signed NAR; `undefined` when the
   *   NAR is to be fetched
   * @throws the signal's reason
   */
  async fetch(
    upstreamUrl: string,
    narInfo: NarInfo,
    signal: AbortSignal | undefined,
  ): Promise<Node | undefined> {
    // what a content address covers is told by the NAR as it comes
    if (narInfo.ca !== undefined) return undefined;
    const infused = parseInfusedNarUrl(narInfo.url);
    if (infused === undefined) return undefined;
    const from = this.#options.castoreOf(upstreamUrl);
    if (from === undefined || this.#coolDown.failureOf(from) !== undefined) return undefined;
    const { to, limits, onFallback } = this.#options;
    const { narSize } = narInfo;
    try {
      checkUrl(narInfo, infused.narSize);
      // the URL is not signed, the size is: no more is taken than a NAR of that size can hold
      await copyNode(infused.node, { from, to, signal, maxBytes: narSize });
      // a small tree may render to a large NAR: that is known before anything is rendered
      const capped = { ...limits, narBytes: Math.min(limits.narBytes, narSize) };
      const measured = await measureNar(infused.node, { ...to, limits: capped, signal });
      this.#coolDown.succeeded(from);
      checkNar(narInfo, measured);
      return infused.node;
    } catch (error) {
      signal?.throwIfAborted();
      if (isOutage(error)) this.#coolDown.failed(from, error);
      onFallback?.(error, narInfo);
      return undefined;
    }
  }
}

/** A URL that tells of another NAR names another one. */
function checkUrl({ storePath, url, narSize }: NarInfo, toldSize: number | undefined): void {
  if (toldSize === undefined || toldSize === narSize) return;
  throw new NarthexError(
    'NAR_SIZE_MISMATCH',
    `${storePath.absolute}: its URL tells of a NAR of ${toldSize} bytes, not ${narSize}`,
    { storePath: storePath.absolute, url, expected: narSize, actual: toldSize },
  );
}

function checkNar(
  { storePath, url, narHash, narSize }: NarInfo,
  measured: Awaited<ReturnType<typeof measureNar>>,
): void {
  if (measured.narHash.equals(narHash) && measured.narSize === narSize) return;
  throw new NarthexError(
    'NAR_HASH_MISMATCH',
    `${storePath.absolute}: what its URL names hashes to ${measured.narHash}, not to ${narHash}`,
    {
      storePath: storePath.absolute,
      url,
      expected: narHash.toNixbase32(),
      actual: measured.narHash.toNixbase32(),
    },
  );
}
