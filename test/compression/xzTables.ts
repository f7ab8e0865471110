/** The decoders of xz: whichever is chosen, each must do. */
import { DECODERS, type DecoderTable } from '../../src/compression/decoders.ts';
import { xzLiblzma } from '../../src/compression/xzLiblzma.ts';
import { XZ_NAPI } from '../../src/compression/xzNapi.ts';

const liblzma = xzLiblzma();

/** The optional package has no binary for every system. */
export const HAS_LIBLZMA: boolean = liblzma !== undefined;

/** Tables by the name of their xz decoder. */
export const XZ_TABLES: readonly (readonly [string, DecoderTable])[] = [
  XZ_NAPI,
  ...(liblzma === undefined ? [] : [liblzma]),
].map((xz) => [xz.name, { ...DECODERS, xz }]);
