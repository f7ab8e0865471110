/** How text from outside is quoted in an error: short, and harmless on a terminal. */
import { displayBytes, utf8 } from './bytes.ts';

/** The longest quotation, in UTF-16 units: a store path (255) is shown whole. */
const EXCERPT_LENGTH = 256;

/**
 * `text` with control characters escaped, cut off with an ellipsis where it is too long for a
 * message. A 1 MiB line of a hostile narinfo must not fill a log.
 */
export function excerpt(text: string): string {
  const shown = displayBytes(utf8(text.slice(0, EXCERPT_LENGTH)));
  return text.length > EXCERPT_LENGTH ? `${shown}…` : shown;
}
