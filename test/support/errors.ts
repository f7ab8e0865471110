/** Errors as tests look at them. */
import { NarthexError } from '../../src/errors.ts';

/**
 * The {@link NarthexError} that `action` throws.
 * @throws an `Error` when it throws none; what else it throws passes through
 */
export function thrownBy(action: () => unknown): NarthexError {
  try {
    action();
  } catch (error) {
    if (error instanceof NarthexError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}
