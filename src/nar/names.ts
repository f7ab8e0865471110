/** The rules for entry names and symlink targets, shared by all that reads or writes them. */
import { compareBytes, equalBytes, utf8 } from '../bytes.ts';
import { MAX_NAME_BYTES, MAX_TARGET_BYTES } from './wire.ts';

const NUL = 0;
const SLASH = 0x2f;
const DOT = utf8('.');
const DOT_DOT = utf8('..');

/** Which rule the name of a directory entry breaks, in words; `undefined` for a good one. */
export function nameFault(name: Uint8Array): string | undefined {
  if (name.length === 0 || name.length > MAX_NAME_BYTES) {
    return `a name has 1 to ${MAX_NAME_BYTES} bytes`;
  }
  for (let i = 0; i < name.length; i++) {
    const byte = name[i];
    if (byte === SLASH) return 'a name has no slash';
    if (byte === NUL) return 'a name has no NUL';
  }
  if (name.length <= 2 && (equalBytes(name, DOT) || equalBytes(name, DOT_DOT))) {
    return 'a name is not . or ..';
  }
  return undefined;
}

/** Which rule a symlink target breaks, in words; `undefined` for a good one. */
export function targetFault(target: Uint8Array): string | undefined {
  if (target.length === 0 || target.length > MAX_TARGET_BYTES) {
    return `a symlink target has 1 to ${MAX_TARGET_BYTES} bytes`;
  }
  return target.includes(NUL) ? 'a symlink target has no NUL' : undefined;
}

/** Whether `name` comes strictly after `previous` in byte order, as each name of a directory must. */
export function isAfter(name: Uint8Array, previous: Uint8Array): boolean {
  return compareBytes(name, previous) > 0;
}
