/** What the file system and LMDB report, as the store's own errors. */
import { NarthexError } from '../errors.ts';

/** LMDB's codes for a file that is damaged, or that is no LMDB file. */
const DAMAGED_INDEX_CODES: ReadonlySet<unknown> = new Set([-30797, -30796, -30793]);

function codeOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
}

/**
 * The error to throw where `action` on `path` failed: one of narthex's own as it is, all else as
 * `STORE_FAILED`, or as `STORE_INVALID` where the index turns out damaged.
 * @param action what was being done, for people: `writing a pack`
 */
export function storeFailure(action: string, path: string, error: unknown): NarthexError {
  if (error instanceof NarthexError) return error;
  const code = codeOf(error);
  const damaged = DAMAGED_INDEX_CODES.has(code);
  const detail = error instanceof Error ? error.message : String(error);
  return new NarthexError(
    damaged ? 'STORE_INVALID' : 'STORE_FAILED',
    `${action} failed: ${path}: ${detail}`,
    { path, systemCode: typeof code === 'string' || typeof code === 'number' ? code : undefined },
    error,
  );
}

/** Runs `action`, with its failures as {@link storeFailure} has them. */
export async function orStoreFailure<T>(
  name: string,
  path: string,
  action: () => Promise<T>,
): Promise<T> {
  try {
    return await action();
  } catch (error) {
    throw storeFailure(name, path, error);
  }
}

/** Refuses a write to a store that was opened to be read. */
export function readOnlyStore(path: string): NarthexError {
  return new NarthexError('READ_ONLY', `the store is open for reading only: ${path}`, { path });
}

/** Refuses a commit of a process that was taken to have ended: what it counted on may be deleted. */
export function leaseLost(path: string): NarthexError {
  return new NarthexError(
    'STORE_FAILED',
    `the store took this process to have ended, open it again: ${path}`,
    { path },
  );
}

/** Refuses what cannot be done while another process collects garbage. */
export function runningCollection(path: string, pid: number): NarthexError {
  return busy(`process ${pid} is collecting garbage: ${path}`, path, pid);
}

/** Refuses what cannot be done while another process compresses what lies at rest. */
export function runningCompression(path: string, pid: number): NarthexError {
  return busy(`process ${pid} is compressing the store: ${path}`, path, pid);
}

/** Refuses what moves or deletes records while another process puts right what is damaged. */
export function runningRepair(path: string, pid: number): NarthexError {
  return busy(`process ${pid} is repairing the store: ${path}`, path, pid);
}

function busy(message: string, path: string, pid: number): NarthexError {
  return new NarthexError('STORE_BUSY', message, { path, pid });
}
