/**
 * A NAR that broke off is gone on with by its upstream (`upstream/http/resumableBody.ts`). Where that
 * cannot be, because the server takes no ranges or has another version by now, all of it comes again:
 * content that is stored already is found by its digest, and nothing refers to it before all checks.
 */
import { isNarthexError } from '../errors.ts';

/** How often a NAR is fetched from its beginning again. */
export const NAR_RESTARTS = 2;

/**
 * Runs `attempt`, again where its NAR broke off and cannot be gone on with.
 * @param report told how many bytes of NAR have come since the last call, no byte twice
 */
export async function withRestarts<T>(
  report: (narBytes: number) => void,
  attempt: (report: (narBytes: number) => void) => Promise<T>,
): Promise<T> {
  let reported = 0;
  for (let restarts = 0; ; restarts++) {
    let come = 0;
    try {
      return await attempt((narBytes) => {
        come += narBytes;
        if (come <= reported) return;
        report(come - reported);
        reported = come;
      });
    } catch (error) {
      const brokeOff =
        isNarthexError(error, 'UPSTREAM_FAILED') && error.facts['resumable'] === false;
      if (!brokeOff || restarts === NAR_RESTARTS) throw error;
    }
  }
}
