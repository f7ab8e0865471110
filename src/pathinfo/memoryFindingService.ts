/** Findings in memory. */
import { bytesKey } from '../bytes.ts';
import type { ServiceOptions } from '../castore/blobService.ts';
import type { Finding, FindingService, KeptFinding } from './finding.ts';
import { findingKey, seenFinding } from './keptFinding.ts';

/** A {@link FindingService} that keeps findings in memory, without bound. */
export class MemoryFindingService implements FindingService {
  readonly #findings = new Map<string, KeptFinding>();

  async recordFindings(
    findings: readonly Finding[],
    now: number,
    options?: ServiceOptions,
  ): Promise<void> {
    options?.signal?.throwIfAborted();
    for (const finding of findings) {
      const key = bytesKey(findingKey(finding));
      this.#findings.set(key, seenFinding(this.#findings.get(key), finding, now));
    }
  }

  async *listFindings(options?: ServiceOptions): AsyncGenerator<KeptFinding> {
    for (const key of [...this.#findings.keys()].sort()) {
      options?.signal?.throwIfAborted();
      const finding = this.#findings.get(key);
      if (finding !== undefined) yield finding;
    }
  }
}
