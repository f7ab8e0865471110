/** Records of the store's index: a damaged one is told as such. */
import { utf8 } from '../../../src/bytes.ts';
import { isNarthexError, NarthexError } from '../../../src/errors.ts';
import { hashBytes } from '../../../src/hash.ts';
import type { KeptFinding } from '../../../src/pathinfo/finding.ts';
import { decodeFinding, encodeFinding } from '../../../src/store/findingCodec.ts';
import {
  decodePathInfo,
  encodePathInfo,
  narSizeOfRecord,
} from '../../../src/store/pathInfoCodec.ts';
import { pathInfoOf, storePathOf } from '../../contracts/pathInfos.ts';
import { agree, type FuzzTarget, pureTarget } from '../target.ts';

const WORDS = [
  [0],
  [1],
  [0x7f],
  [0x80, 0],
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f],
  [0xff],
].map((word) => Uint8Array.from(word));

const below = pathInfoOf({ name: 'below', signedBy: ['cache-1'], origin: 'https://cache.example' });
const above = pathInfoOf({
  name: 'above',
  references: [below],
  selfReferring: true,
  deriver: 'x.drv',
});
const KEY = { digest: above.storePath.digest, closureDigest: above.closureDigest };
const side = (text: string, signedBy: string[]) => ({
  narHash: hashBytes('sha256', utf8(text)),
  signedBy,
});
const finding: KeptFinding = {
  referrer: above.storePath,
  reference: below.storePath,
  differing: storePathOf('deeper'),
  ours: side('ours', ['cache-1']),
  ourClosureDigest: below.closureDigest,
  theirs: side('theirs', []),
  upstream: 'https://cache.example',
  firstSeen: 1,
  lastSeen: 2,
};

/** Decoding wraps whatever is wrong: what is a fault of ours must show. */
function unwrapped<T>(decode: () => T): T {
  try {
    return decode();
  } catch (error) {
    if (
      error instanceof NarthexError &&
      error.cause !== undefined &&
      !isNarthexError(error.cause)
    ) {
      throw error.cause;
    }
    throw error;
  }
}

/** By name. */
export const recordTargets: Readonly<Record<string, () => FuzzTarget>> = {
  'record-pathinfo': () =>
    pureTarget({
      name: 'record-pathinfo',
      seeds: [encodePathInfo(above)],
      words: WORDS,
      run(input) {
        const pathInfo = unwrapped(() => decodePathInfo(KEY, input));
        const again = encodePathInfo(pathInfo);
        agree('encoded again', again, encodePathInfo(decodePathInfo(KEY, again)));
        agree('its NarSize', pathInfo.claim.narSize, narSizeOfRecord(input));
        return 'taken';
      },
    }),
  'record-finding': () =>
    pureTarget({
      name: 'record-finding',
      seeds: [encodeFinding(finding)],
      words: WORDS,
      run(input) {
        const again = encodeFinding(unwrapped(() => decodeFinding(input)));
        agree('encoded again', again, encodeFinding(decodeFinding(again)));
        return 'taken';
      },
    }),
};
