/** Errors as labels. */
import { isNarthexError } from '../../errors.ts';

/** The code of an error; there are some dozens. */
export function codeOf(error: unknown): string {
  return isNarthexError(error) ? error.code : 'INTERNAL';
}
