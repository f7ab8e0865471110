/** Sockets that systemd passes (sd_listen_fds(3)): it listens before we run, and while we start again. */
import { NarthexError } from '../errors.ts';

/** The first file descriptor that is passed. */
const FIRST_PASSED = 3;

/**
 * The socket that was passed to this process, if one was.
 * @throws USAGE there is more than one
 */
export function passedSocket(
  environment: Readonly<Record<string, string | undefined>>,
  processId: number,
): number | undefined {
  // those for another process, our parent's for instance, are none of ours
  if (environment['LISTEN_PID'] !== String(processId)) return undefined;
  const count = environment['LISTEN_FDS'] ?? '0';
  if (count === '0') return undefined;
  if (count === '1') return FIRST_PASSED;
  const message = `one socket is listened on, ${count} are passed (LISTEN_FDS)`;
  throw new NarthexError('USAGE', message, { expected: 1, actual: count });
}
