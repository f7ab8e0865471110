/** How what is brought into an embedded store is compressed at rest. */
import { MAX_COMPRESSION_LEVEL } from '../store/recordEncoding.ts';

/** A zstd level; not at all; or not at once, but when there is time. */
export type RestCompression = number | 'none' | 'later';

/** The levels there are. */
export const COMPRESSION_LEVELS = { minimum: 1, maximum: MAX_COMPRESSION_LEVEL } as const;
/** What stands in the place of a level. */
export const REST_COMPRESSION_WORDS = ['none', 'later'] as const;
