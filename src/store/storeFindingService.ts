/** Findings in the embedded store. */
import { EMPTY } from '../bytes.ts';
import type { ServiceOptions } from '../castore/blobService.ts';
import type { Finding, FindingService, KeptFinding } from '../pathinfo/finding.ts';
import { findingKey, seenFinding } from '../pathinfo/keptFinding.ts';
import { decodeFinding, encodeFinding } from './findingCodec.ts';
import type { StoreIndex } from './storeIndex.ts';

/** Findings recorded in one transaction: they keep the event loop some 20 ms. */
const TRANSACTION_FINDINGS = 1024;

/** The findings of a store. Failures are `STORE_FAILED`, damage is `STORE_INVALID`. */
export class StoreFindingService implements FindingService {
  readonly #index: StoreIndex;
  readonly #checkWritable: () => void;

  /** @param checkWritable throws when the store takes no writes */
  constructor(index: StoreIndex, checkWritable: () => void) {
    this.#index = index;
    this.#checkWritable = checkWritable;
  }

  async recordFindings(
    findings: readonly Finding[],
    now: number,
    options?: ServiceOptions,
  ): Promise<void> {
    this.#checkWritable();
    const table = this.#index.tables.finding;
    for (let start = 0; start < findings.length; start += TRANSACTION_FINDINGS) {
      options?.signal?.throwIfAborted();
      const some = findings.slice(start, start + TRANSACTION_FINDINGS);
      await this.#index.transaction(() => {
        for (const finding of some) {
          const key = findingKey(finding);
          const record = table.get(key);
          const known = record && decodeFinding(record);
          table.put(key, encodeFinding(seenFinding(known, finding, now)));
        }
      });
    }
  }

  async *listFindings(options?: ServiceOptions): AsyncGenerator<KeptFinding> {
    for (const { value } of this.#index.tables.finding.withPrefix(EMPTY)) {
      options?.signal?.throwIfAborted();
      yield decodeFinding(value);
    }
  }
}
