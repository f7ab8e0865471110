/** Errors as one line for people: what, where, what to do about it, and the code. */
import { type ErrorCode, NarthexError } from '../errors.ts';

/** What can be done on the command line; `docs/errors.md` says more. */
const ADVICE: Partial<Record<ErrorCode, string>> = {
  SIGNATURE_MISSING: 'name its key with --trusted-public-keys, or take it with --no-check-sigs',
  LISTEN_FAILED: 'choose another address with --listen',
  STORE_VERSION: 'use the narthex that wrote it, or another --store',
};

/** The error that is to be mended: that of a reference, where a path failed because of one. */
function culpritOf(error: NarthexError): NarthexError {
  const { code, cause } = error;
  return code === 'REFERENCE_FAILED' && cause instanceof NarthexError ? culpritOf(cause) : error;
}

/** The line, without a line break. */
export function errorLine(error: unknown): string {
  if (!(error instanceof NarthexError)) return oneLine(String(error));
  const advice = ADVICE[culpritOf(error).code];
  return oneLine(`${error.message}${advice === undefined ? '' : `; ${advice}`} [${error.code}]`);
}

/** A line, or several where several faults were found together. */
export function errorLines(error: NarthexError): string[] {
  const { code, facts } = error;
  const { faults } = facts;
  if (code !== 'CONFIG_INVALID' || !Array.isArray(faults)) return [errorLine(error)];
  return faults.map((fault) => oneLine(`${fault} [${code}]`));
}

/** Messages of the operating system and of parsers are quoted in ours, and may have several. */
function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ');
}
