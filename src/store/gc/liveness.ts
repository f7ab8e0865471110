/** Whether those who are written down in the index may still do something. */
import { isDeepStrictEqual } from 'node:util';
import { livenessOf, type ProcessIdentity } from '../processIdentity.ts';
import type { Tables } from '../storeIndex.ts';
import { type CollectionState, type LeaseRecord, leasesOf } from './leaseTable.ts';

/** How often a lease is renewed. */
export const RENEW_MS = 60_000;
/** A process of another container that has not renewed its lease for so long has ended. */
const EXPIRES_MS = 15 * RENEW_MS;

/** Whether the process of a lease may still use it. */
export function isLive({ use, process, renewedAt }: LeaseRecord, now: number): boolean {
  if (use === 'ended') return false;
  const liveness = livenessOf(process);
  return liveness === 'alive' || (liveness === 'unknown' && now - renewedAt < EXPIRES_MS);
}

/** Whether the process that collects may go on. */
export function isCollecting(tables: Tables, state: CollectionState, now: number): boolean {
  return state.phase !== 'idle' && isRunning(tables, state.process, now);
}

/** Whether a process that has the store open for writing may go on. Of one in another container its lease tells. */
export function isRunning(tables: Tables, process: ProcessIdentity, now: number): boolean {
  const liveness = livenessOf(process);
  if (liveness !== 'unknown') return liveness === 'alive';
  return [...leasesOf(tables).values()].some(
    (lease) => isDeepStrictEqual(lease.process, process) && isLive(lease, now),
  );
}
